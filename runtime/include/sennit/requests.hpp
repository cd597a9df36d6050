#pragma once

#include <cstddef>
#include <cstdint>

struct mmsghdr;
struct msghdr;
struct sockaddr;

namespace sennit {

// The closed set of things a backend can be asked to do. To add an operation, add one struct here, name it in
// `request`, and add one overload to each backend; the compiler lists the places. Results follow the convention of
// io_uring's completions: a non-negative number, or a negated errno value.

/// accept4(2). The result is a descriptor. `multishot`: keeps completing, once for each connection, until a
/// completion says that no more will follow.
struct accept_request {
    int fd;
    bool multishot;
};

/// connect(2).
struct connect_request {
    int fd;
    const sockaddr* address;
    std::uint32_t address_length;
};

/// recv(2). The result is the number of bytes, 0 at the end of the stream. With MSG_DONTWAIT in `flags` it is -EAGAIN
/// where it would have to wait; the same holds for recvmsg.
struct recv_request {
    recv_request(int descriptor, void* where, std::size_t bytes, int how) noexcept
        : fd(descriptor), flags(how), data(where), size(bytes) {}

    int fd;
    int flags;  // beside `fd`: most operations keep their request, in the frame of whoever waits, so it has no gaps
    void* data;
    std::size_t size;
};

/// recv(2) into a buffer of the backend's own, which it takes when there is something to put into it and hands over
/// in the completion. While there is no buffer the request waits for one, first come, first served. `flags` as for
/// recv.
struct recv_lease_request {
    int fd;
    int flags;
};

/// send(2); backends add MSG_NOSIGNAL. The result may be less than `size`.
struct send_request {
    send_request(int descriptor, const void* where, std::size_t bytes, int how) noexcept
        : fd(descriptor), flags(how), data(where), size(bytes) {}

    int fd;
    int flags;
    const void* data;
    std::size_t size;
};

/// recvmsg(2).
struct recvmsg_request {
    int fd;
    msghdr* message;
    int flags;
};

/// sendmsg(2); backends add MSG_NOSIGNAL.
struct sendmsg_request {
    int fd;
    const msghdr* message;
    int flags;
};

/// recvmmsg(2). The result is how many messages were received, at least one and `count` at the most; only for the first
/// it waits.
struct recvmmsg_request {
    int fd;
    mmsghdr* messages;
    unsigned count;
};

/// sendmmsg(2); backends add MSG_NOSIGNAL. The result is how many of the first messages were sent; an error is that of
/// the first one.
struct sendmmsg_request {
    int fd;
    mmsghdr* messages;
    unsigned count;
};

/// splice(2) from the stream socket `fd` into `pipe`, the writing end of an empty pipe that does not block. The result
/// is the number of bytes, `most` at the most and no more than the pipe takes, 0 at the end of the stream. `flags` as
/// for recv. The pipe must be empty: -EAGAIN is taken as said of the socket. -EINVAL where a backend has no such thing;
/// then nothing has been taken from the socket.
struct splice_in_request {
    int fd;
    int pipe;
    std::uint32_t most;
    int flags;
};

/// splice(2) from `pipe`, the reading end of a pipe with at least `size` bytes in it, into the stream socket `fd`. The
/// result may be less than `size`. A peer that is gone is -EPIPE, never a signal.
struct splice_out_request {
    int fd;
    int pipe;
    std::uint32_t size;
};

/// poll(2) on one descriptor of any kind. The result is the mask of events that occurred.
struct poll_request {
    int fd;
    std::uint32_t events;
};

/// shutdown(2).
struct shutdown_request {
    int fd;
    int how;
};

}  // namespace sennit
