#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace sennit::detail {

/// The call's result, or the negated errno value; a call that a signal interrupted is made again.
template <class Call>
std::int32_t uninterrupted(Call call) noexcept {
    for (;;) {
        const auto result = call();
        if (result >= 0) return static_cast<std::int32_t>(result);
        if (errno != EINTR) return -errno;
    }
}

/// The events of poll(2) that are there now; 0: none.
inline std::int32_t poll_now(int fd, std::uint32_t events) noexcept {
    pollfd one{fd, static_cast<short>(events), 0};
    const std::int32_t result = uninterrupted([&] { return ::poll(&one, 1, 0); });
    if (result < 0) return result;
    return (one.revents & POLLNVAL) != 0 ? -EBADF : static_cast<unsigned short>(one.revents);
}

/// Sets O_NONBLOCK. 0 or a negated errno value.
inline int make_non_blocking(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    if ((flags & O_NONBLOCK) != 0) return 0;
    return ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/// The number of connections that wait at a listening TCP socket; 0 also if that cannot be known.
inline int accept_queue_length(int fd) noexcept {
    tcp_info info{};
    socklen_t size = sizeof info;
    const bool known = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_LISTEN;
    return known ? static_cast<int>(info.tcpi_unacked) : 0;
}

inline bool speaks_tcp(int fd) noexcept {
    int protocol = 0;
    socklen_t size = sizeof protocol;
    return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP;
}

}  // namespace sennit::detail
