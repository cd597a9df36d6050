// What all simulated sockets have: options, and operations that wait.

#include "socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernel.hpp"

namespace sennit::testing::sim {

namespace {

// socket(7): the value is doubled on setting, and has a smallest value.
constexpr std::uint32_t least_receive_buffer = 2304;
constexpr std::uint32_t least_send_buffer = 4608;
constexpr std::uint32_t greatest_buffer = 1 << 26;

std::uint32_t doubled(int wanted, std::uint32_t least) noexcept {
    const auto size = static_cast<std::uint32_t>(std::clamp<int>(wanted, 0, greatest_buffer / 2));
    return std::max(2 * size, least);
}

}  // namespace

std::size_t parts::size() const noexcept {
    std::size_t all = 0;
    for (std::size_t i = 0; i < count; ++i) all += first[i].iov_len;
    return all;
}

std::size_t parts::write(const void* data, std::size_t size) const noexcept {
    std::size_t done = 0;
    for (std::size_t i = 0; i < count && done < size; ++i) {
        const std::size_t now = std::min(first[i].iov_len, size - done);
        if (now != 0) std::memcpy(first[i].iov_base, static_cast<const char*>(data) + done, now);
        done += now;
    }
    return done;
}

int sim_socket::listen(int) {
    return -EOPNOTSUPP;
}

int sim_socket::accept(std::shared_ptr<sim_socket>&) {
    return -EOPNOTSUPP;
}

network& sim_socket::net() const noexcept {
    return host_->net();
}

void sim_socket::wake_readers() noexcept {
    host_->try_again(readers_);
}

void sim_socket::wake_writers() noexcept {
    host_->try_again(writers_);
}

int sim_socket::set_option(int level, int name, const void* value, std::uint32_t size) {
    if (level == SOL_SOCKET && name == SO_LINGER) {
        if (size < sizeof(linger)) return -EINVAL;
        linger how;
        std::memcpy(&how, value, sizeof how);
        resets_on_close_ = how.l_onoff != 0 && how.l_linger == 0;
        return 0;
    }
    int number = 0;
    if (size < sizeof number) return -EINVAL;
    std::memcpy(&number, value, sizeof number);
    const bool on = number != 0;
    if (level == SOL_SOCKET) {
        switch (name) {
            case SO_REUSEADDR: reuse_address_ = on; return 0;
            case SO_REUSEPORT: reuse_port_ = on; return 0;
            case SO_KEEPALIVE: keep_alive_ = on; return 0;
            case SO_RCVBUF: receive_buffer_ = doubled(number, least_receive_buffer); return 0;
            case SO_SNDBUF: send_buffer_ = doubled(number, least_send_buffer); return 0;
            default: return -ENOPROTOOPT;
        }
    }
    if (level == IPPROTO_TCP && name == TCP_NODELAY && type_ == SOCK_STREAM) {
        no_delay_ = on;
        return 0;
    }
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && domain_ == AF_INET6) {
        // A simulated socket never speaks both families.
        v6_only_ = on;
        return on ? 0 : -EINVAL;
    }
    return level == IPPROTO_TCP || level == IPPROTO_IPV6 ? -ENOPROTOOPT : -EOPNOTSUPP;
}

int sim_socket::get_option(int level, int name, void* value, std::uint32_t& size) {
    int number = 0;
    const bool stream = type_ == SOCK_STREAM;
    if (level == SOL_SOCKET) {
        switch (name) {
            case SO_ERROR: number = -take_error(); break;
            case SO_REUSEADDR: number = reuse_address_; break;
            case SO_REUSEPORT: number = reuse_port_; break;
            case SO_KEEPALIVE: number = keep_alive_; break;
            case SO_RCVBUF: number = static_cast<int>(receive_buffer_); break;
            case SO_SNDBUF: number = static_cast<int>(send_buffer_); break;
            case SO_TYPE: number = type_; break;
            case SO_DOMAIN: number = domain_; break;
            case SO_PROTOCOL: number = domain_ == AF_UNIX ? 0 : stream ? IPPROTO_TCP : IPPROTO_UDP; break;
            default: return -ENOPROTOOPT;
        }
    } else if (level == IPPROTO_TCP && name == TCP_NODELAY && stream) {
        number = no_delay_;
    } else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && domain_ == AF_INET6) {
        number = v6_only_;
    } else {
        return -ENOPROTOOPT;
    }
    size = std::min<std::uint32_t>(size, sizeof number);
    std::memcpy(value, &number, size);
    return 0;
}

}  // namespace sennit::testing::sim
