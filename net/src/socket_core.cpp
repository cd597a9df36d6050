// Open sockets and who uses them. Its one hard idea: closing is not cancelling. A descriptor whose operations are in
// flight must not be closed (its number could be another socket's a moment later), so closing first asks them
// back, and the one that comes back last closes.

#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <string>
#include <system_error>

#include <sennit/backend.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/detail/socket_operation.hpp>

namespace sennit::net::detail {

namespace {

int domain_of(family where) noexcept {
    switch (where) {
        case family::ipv4: return AF_INET;
        case family::ipv6: return AF_INET6;
        case family::unix_domain: return AF_UNIX;
    }
    return AF_UNSPEC;
}

[[noreturn]] void throw_error(int error, const char* what) {
    throw std::system_error(error, std::system_category(), what);
}

}  // namespace

void socket_core::close() noexcept {
    if (closing_) return;
    closing_ = true;
    for (socket_operation* user : users_) {
        if (user != nullptr) loop().io().cancel(*user);
    }
    if (!busy()) close_descriptor();
}

void socket_core::close_descriptor() noexcept {
    loop().io().close(fd_);
    detach();
}

void socket_core::detach() noexcept {
    fd_ = -1;
    unlink();
}

int socket_core::take_descriptor() noexcept {
    assert(!closing_ && !busy());
    closing_ = true;
    const int fd = fd_;
    detach();
    return fd;
}

void socket_core::end_receiving() noexcept {
    if (closing_ || receiving_ended_) return;
    receiving_ended_ = true;
    // The buffer of the kernel holds what has arrived, so no more than its size can have.
    int size = 0;
    std::uint32_t length = sizeof size;
    const int done = loop().io().get_option(fd_, SOL_SOCKET, SO_RCVBUF, &size, length);
    const std::size_t received_ahead = loop().io().stop_receiving_ahead(fd_);
    const bool is_known = done >= 0 && size > 0;
    had_arrived_ = is_known ? static_cast<std::uint32_t>(size) + static_cast<std::uint32_t>(received_ahead)
                            : static_cast<std::uint32_t>(-1);
    socket_operation* const receiver = users_[static_cast<std::size_t>(direction::receiving)];
    if (receiver != nullptr) loop().io().cancel(*receiver);
}

int socket_core::show_descriptor() noexcept {
    if (closing_) return -1;
    is_shown_ = true;
    loop().io().stop_receiving_ahead(fd_);
    return fd_;
}

void socket_core::time_out(direction half) noexcept {
    socket_operation* const user = users_[static_cast<std::size_t>(half)];
    if (user == nullptr || closing_) return;
    halves_ |= timed_out(half);
    loop().io().cancel(*user);
}

void socket_core::move_to(sennit::detail::resource_home& home) noexcept {
    unlink();
    home_ = &home;
    home.attach(*this);
}

void socket_core::loop_ends() noexcept {
    close();
}

void socket_core::close_if_unused() noexcept {
    if (busy()) return;
    close_descriptor();
    delete_if_unused();
}

void socket_core::drop_reference() noexcept {
    assert(references_ != 0);
    if (--references_ != 0) return;
    close();
    delete_if_unused();
}

int socket_core::open_fd() const {
    if (closing_) throw_error(EBADF, "the socket is closed");
    return fd_;
}

endpoint socket_core::local_endpoint() const {
    alignas(8) unsigned char storage[endpoint::max_sockaddr_size];
    std::uint32_t length = sizeof storage;
    const int fd = open_fd();
    const int done = loop().io().local_name(fd, storage, length);
    if (done < 0) throw_error(-done, "getsockname");
    return endpoint::from_sockaddr(storage, length);
}

endpoint socket_core::peer_endpoint() const {
    alignas(8) unsigned char storage[endpoint::max_sockaddr_size];
    std::uint32_t length = sizeof storage;
    const int fd = open_fd();
    const int done = loop().io().peer_name(fd, storage, length);
    if (done < 0) throw_error(-done, "getpeername");
    return endpoint::from_sockaddr(storage, length);
}

void socket_core::bind(const endpoint& where) {
    alignas(8) unsigned char storage[endpoint::max_sockaddr_size];
    const std::uint32_t length = where.to_sockaddr(storage);
    const int fd = open_fd();
    const int done = loop().io().bind(fd, reinterpret_cast<const sockaddr*>(storage), length);
    if (done < 0) throw std::system_error(-done, std::system_category(), "bind " + where.to_string());
}

void socket_core::set_option(int level, int name, int value, const char* what) {
    const int fd = open_fd();
    const int done = loop().io().set_option(fd, level, name, &value, sizeof value);
    if (done < 0) throw_error(-done, what);
}

int socket_core::get_option(int level, int name, const char* what) const {
    int value = 0;
    std::uint32_t size = sizeof value;
    const int fd = open_fd();
    const int done = loop().io().get_option(fd, level, name, &value, size);
    if (done < 0) throw_error(-done, what);
    return value;
}

socket_ref adopt_socket(event_loop& loop, int fd) {
    try {
        return socket_ref(*new socket_core(loop.home(), fd));
    } catch (...) {
        loop.io().close(fd);
        throw;
    }
}

socket_ref open_socket(event_loop& loop, family where, int type) {
    const int fd = loop.io().open_socket(domain_of(where), type, 0);
    if (fd < 0) throw_error(-fd, "socket");
    return adopt_socket(loop, fd);
}

}  // namespace sennit::net::detail
