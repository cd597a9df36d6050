#pragma once

// Peers made of plain system calls. In the simulated world the calls go to the simulated kernel of the test's host, so
// the same tests run there.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sennit/event_loop.hpp>
#include <sennit/net/endpoint.hpp>

#include "sim_backend.hpp"

namespace sennit::testing {

namespace raw_calls {

/// The simulated kernel that takes the calls; null: the real one.
inline sim::kernel* simulated = nullptr;

/// A result in the way of the system calls: -1 and errno.
inline int with_errno(int result) {
    if (result >= 0) return result;
    errno = -result;
    return -1;
}

/// Makes a call on a socket of the simulated kernel.
template <class Call>
int simulate(int fd, Call call) {
    sim::sim_socket* const socket = simulated->find(fd);
    return with_errno(socket == nullptr ? -EBADF : call(*socket));
}

inline int socket(int domain, int type) {
    if (simulated == nullptr) return ::socket(domain, type | SOCK_CLOEXEC, 0);
    int error = 0;
    auto made = simulated->make_socket(domain, type, 0, error);
    return with_errno(error < 0 ? error : simulated->open(std::move(made)));
}

inline int connect(int fd, const sockaddr* where, std::uint32_t length) {
    if (simulated == nullptr) return ::connect(fd, where, length);
    sim::address to;
    const int error = sim::address::read(where, length, to);
    if (error < 0) return with_errno(error);
    return simulate(fd, [&](sim::sim_socket& socket) { return socket.connect(to); });
}

inline ssize_t send(int fd, const void* data, std::size_t size) {
    if (simulated == nullptr) return ::send(fd, data, size, MSG_NOSIGNAL);
    const iovec whole{const_cast<void*>(data), size};
    return simulate(fd, [&](sim::sim_socket& socket) { return socket.send({&whole, 1}, 0, nullptr); });
}

inline ssize_t recv_now(int fd, void* data, std::size_t size) {
    if (simulated == nullptr) return ::recv(fd, data, size, MSG_DONTWAIT);
    const iovec whole{data, size};
    return simulate(fd, [&](sim::sim_socket& socket) { return socket.receive({&whole, 1}, 0, nullptr); });
}

inline void shutdown(int fd, int how) {
    if (simulated == nullptr) {
        ::shutdown(fd, how);
    } else {
        simulate(fd, [&](sim::sim_socket& socket) { return socket.shutdown(how); });
    }
}

inline void set_option(int fd, int level, int name, const void* value, std::uint32_t size) {
    if (simulated == nullptr) {
        ::setsockopt(fd, level, name, value, size);
    } else {
        simulate(fd, [&](sim::sim_socket& socket) { return socket.set_option(level, name, value, size); });
    }
}

inline void close(int fd) {
    if (simulated == nullptr) {
        ::close(fd);
    } else {
        simulated->close(fd);
    }
}

}  // namespace raw_calls

/// Has raw calls reach the kernel on which this loop runs, until the next call.
inline void raw_calls_on(event_loop& loop) {
    auto* const io = dynamic_cast<sim::sim_backend*>(&loop.io());
    raw_calls::simulated = io == nullptr ? nullptr : &io->host();
}
inline void raw_calls_on_the_machine() {
    raw_calls::simulated = nullptr;
}

/// A peer made of plain, blocking system calls: what it does has happened when the call returns.
class raw_socket {
  public:
    explicit raw_socket(int fd = -1) : fd_(fd) {}
    raw_socket(raw_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    raw_socket& operator=(raw_socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~raw_socket() { close(); }

    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) raw_calls::close(std::exchange(fd_, -1));
    }
    /// Has `close` send a reset in place of the end of the stream.
    void reset_on_close() {
        const linger at_once{1, 0};
        raw_calls::set_option(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }

    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto sent = raw_calls::send(fd_, bytes.data(), bytes.size());
            if (sent <= 0) {
                ADD_FAILURE() << "send: " << std::strerror(errno);
                return;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    /// What is there now; "EOF" at the end of the stream, an error's text, "" when there is nothing.
    std::string recv_now() {
        char buffer[65536];
        const auto count = raw_calls::recv_now(fd_, buffer, sizeof buffer);
        if (count > 0) return std::string(buffer, static_cast<std::size_t>(count));
        if (count == 0) return "EOF";
        return errno == EAGAIN ? "" : std::strerror(errno);
    }
    /// Reads all there is now.
    std::size_t drain() {
        std::size_t all = 0;
        std::vector<char> buffer(1 << 18);
        for (;;) {
            const auto count = raw_calls::recv_now(fd_, buffer.data(), buffer.size());
            if (count <= 0) return all;
            all += static_cast<std::size_t>(count);
        }
    }

    /// shutdown(2).
    void shutdown(int how) { raw_calls::shutdown(fd_, how); }

  private:
    int fd_;
};

/// A raw stream socket for endpoints of this family, not connected yet.
inline raw_socket raw_stream(net::family kind) {
    const int domain = kind == net::family::unix_domain ? AF_UNIX : kind == net::family::ipv4 ? AF_INET : AF_INET6;
    return raw_socket(raw_calls::socket(domain, SOCK_STREAM));
}

inline bool raw_connect(raw_socket& peer, const net::endpoint& where) {
    alignas(8) unsigned char storage[net::endpoint::max_sockaddr_size];
    const std::uint32_t length = where.to_sockaddr(storage);
    return raw_calls::connect(peer.get(), reinterpret_cast<const sockaddr*>(storage), length) == 0;
}

/// A raw peer connected to a listener; -1 inside when that failed.
inline raw_socket raw_connect(const net::endpoint& where) {
    raw_socket peer = raw_stream(where.family());
    if (!raw_connect(peer, where)) peer.close();
    return peer;
}

}  // namespace sennit::testing
