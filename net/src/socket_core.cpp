// Open sockets and who uses them. Its one hard idea: closing is not cancelling. A descriptor whose operations are in
// flight must not be closed (its number could be another socket's a moment later), so closing first asks them
// back, and the one that comes back last closes.

#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <string>
#include <system_error>

#include <sennit/backend.hpp>
#include <sennit/detail/misuse.hpp>
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

int socket_core::claim(direction half, socket_operation& user) noexcept {
    if (closing_) return EBADF;
    socket_operation*& slot = users_[static_cast<std::size_t>(half)];
    if (slot != nullptr) return EBUSY;
    slot = &user;
    return 0;
}

void socket_core::give_back(direction half) noexcept {
    users_[static_cast<std::size_t>(half)] = nullptr;
    halves_ &= static_cast<std::uint8_t>(~timed_out(half));
    if (!closing_ || busy()) return;
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

bool socket_operation::start_on_socket(sennit::detail::awaiting coroutine) noexcept {
    const environment& where = coroutine.where();
    // The errors of misuse are results, the same on every backend; the coroutine goes on at once and throws them.
    const int refused = core_ == nullptr ? EBADF : core_->claim(half_, *this);
    if (refused != 0) {
        result_ = -refused;
        return false;
    }
    if (&core_->loop() != where.loop) {
        sennit::detail::misuse("a socket was used on another event loop than the one it was opened on");
    }
    const bool receives = half_ == direction::receiving;
    if (receives) patience_ = core_->may_receive_ahead() ? patience::receives_ahead : patience::waits;
    if (receives && core_->receiving_ended()) do_not_wait();
    const bool nothing_to_do = !prepare() || (receives && core_->all_received());
    const bool over_at_once = nothing_to_do && !where.scope->is_cancelled();
    if (!over_at_once && start(coroutine)) return true;
    core_->give_back(half_);
    return false;
}

void socket_operation::finish_on_socket(std::int32_t result) noexcept {
    if (half_ == direction::receiving && core_->receiving_ended() && !scope_cancelled() && core_->fd() >= 0) {
        if (result == -ECANCELED) {
            // `end_receiving` ended the wait, but something may have arrived at the same moment.
            do_not_wait();
            submit_again();
            return;
        }
        if (result == -EAGAIN) result = 0;
        if (result > 0) core_->count_received(static_cast<std::size_t>(result));
    }
    if (result >= 0) {
        core_->mark_moved(half_);
        if (half_ == direction::receiving) core_->note_received(result);
    } else if (result == -ECANCELED && core_->has_timed_out(half_) && !scope_cancelled() && core_->fd() >= 0) {
        result = -ETIMEDOUT;
    }
    core_->give_back(half_);
    finish(result);
}

void socket_operation::continue_or_finish() noexcept {
    core_->mark_moved(half_);
    const bool receives = half_ == direction::receiving;
    if (receives && core_->receiving_ended()) do_not_wait();
    if (scope_cancelled() || core_->fd() < 0) {
        finish_on_socket(cancelled_result);
    } else if (receives && core_->all_received()) {
        finish_on_socket(0);
    } else {
        submit_again();
    }
}

std::error_code socket_operation::outcome() const {
    throw_if_cancelled();
    return result_ < 0 ? std::error_code(-result_, std::system_category()) : std::error_code();
}

void socket_operation::throw_if_failed() const {
    if (const auto error = outcome()) throw std::system_error(error, waiting_for());
}

bool request_on_socket::prepare() noexcept {
    // Without room for a byte the kernel would wait until there is one all the same.
    const auto* const recv = std::get_if<recv_request>(&request_);
    return recv == nullptr || recv->size != 0;
}

void request_on_socket::do_not_wait() noexcept {
    socket_operation::do_not_wait();
    if (auto* const each = std::get_if<recv_request>(&request_)) each->flags |= MSG_DONTWAIT;
    if (auto* const each = std::get_if<recvmsg_request>(&request_)) each->flags |= MSG_DONTWAIT;
    if (auto* const each = std::get_if<splice_in_request>(&request_)) each->flags |= MSG_DONTWAIT;
}

void send_all_awaiter::complete(completion done) noexcept {
    auto& rest = *std::get_if<send_request>(&request_);
    const auto sent = static_cast<std::size_t>(done.result);
    if (done.result < 0 || sent == rest.size) {
        finish_on_socket(done.result);
        return;
    }
    rest.data = static_cast<const std::byte*>(rest.data) + sent;
    rest.size -= sent;
    continue_or_finish();
}

void recv_exactly_awaiter::complete(completion done) noexcept {
    auto& rest = *std::get_if<recv_request>(&request_);
    if (done.result < 0) {
        finish_on_socket(done.result);
        return;
    }
    const auto got = static_cast<std::size_t>(done.result);
    received_ += got;
    if (core()->receiving_ended()) core()->count_received(got);
    if (got == 0 || got == rest.size) {
        finish_on_socket(0);
        return;
    }
    rest.data = static_cast<std::byte*>(rest.data) + got;
    rest.size -= got;
    continue_or_finish();
}

}  // namespace sennit::net::detail
