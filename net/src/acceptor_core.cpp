// Listening sockets. Its one hard idea: the multishot accept outlives each wait for a connection. Whoever waits is a
// visitor; the operation belongs to the listener, ends only when the kernel ends it or the listener closes, and its
// descriptors go to the visitor if there is one, else into the queue.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <new>
#include <string>
#include <system_error>

#include <sennit/backend.hpp>
#include <sennit/detail/misuse.hpp>
#include <sennit/net/detail/acceptor_core.hpp>
#include <sennit/request.hpp>

namespace sennit::net::detail {

sennit::detail::wait_details accept_wait::details() const noexcept {
    sennit::detail::wait_details known;
    known.descriptor = source_->fd();
    return known;
}

void acceptor_core::arm() noexcept {
    if (armed_) return;
    armed_ = true;
    submit_to(*loop_);
}

void acceptor_core::keep(int fd) noexcept {
    try {
        if (next_ >= accept_ahead) {
            // Where the queue is never quite empty, those that were taken would pile up in front of it.
            accepted_.erase(accepted_.begin(), accepted_.begin() + static_cast<std::ptrdiff_t>(next_));
            next_ = 0;
        }
        accepted_.push_back(fd);
    } catch (const std::bad_alloc&) {
        loop_->io().close(fd);
    }
}

int acceptor_core::take_queued() noexcept {
    const int fd = accepted_[next_++];
    if (next_ == accepted_.size()) {
        accepted_.clear();
        next_ = 0;
    }
    return fd;
}

void acceptor_core::deliver(std::int32_t result) noexcept {
    accept_wait& visitor = *std::exchange(waiting_, nullptr);
    visitor.result_ = result;
    visitor.resume_later();
}

void acceptor_core::complete(completion done) noexcept {
    armed_ = done.more;
    if (closing_) {
        if (done.result >= 0) loop_->io().close(done.result);
        if (armed_) return;
        close_descriptor();
        if (released_) delete this;
        return;
    }
    if (done.result >= 0) {
        if (waiting_ != nullptr) {
            deliver(done.result);
        } else {
            keep(done.result);
            if (armed_ && queued() == accept_ahead) loop_->io().cancel(*this);
        }
    } else if (waiting_ != nullptr) {
        if (done.result == -ECANCELED) {
            arm();  // it was we who stopped it, when the queue was full; someone accepts again
        } else {
            deliver(done.result);
        }
    }
    // An error that nobody waits for comes back at the next accept if it is still true then.
    if (!armed_ && waiting_ != nullptr) arm();
}

void acceptor_core::close() noexcept {
    if (closing_) return;
    closing_ = true;
    path_ = bound_path();  // before the descriptor, which keeps the file from being mistaken for another
    // At once, although an accept that is with the kernel holds the descriptor for some time yet: clients that come
    // from now on are refused, and those in the backlog learn that nobody will serve them.
    loop_->io().shutdown(fd_, SHUT_RD);
    while (queued() != 0) loop_->io().close(take_queued());
    if (waiting_ != nullptr) deliver(-ECANCELED);
    if (armed_) {
        loop_->io().cancel(*this);
    } else {
        close_descriptor();
    }
}

request acceptor_core::what() const noexcept {
    return accept_request{fd_, true};
}

void acceptor_core::close_descriptor() noexcept {
    loop_->io().close(fd_);
    fd_ = -1;
    loop_resource::unlink();
    loop_ = nullptr;
}

void acceptor_core::release() noexcept {
    close();
    released_ = true;
    if (!armed_) delete this;
}

endpoint acceptor_core::local_endpoint() const {
    alignas(8) unsigned char storage[endpoint::max_sockaddr_size];
    std::uint32_t length = sizeof storage;
    const int done = closing_ ? -EBADF : loop_->io().local_name(fd_, storage, length);
    if (done < 0) throw std::system_error(-done, std::system_category(), "getsockname");
    return endpoint::from_sockaddr(storage, length);
}

bool accept_wait::start(sennit::detail::awaiting coroutine) noexcept {
    if (source_ == nullptr || source_->closing_) {
        result_ = -EBADF;
        return false;
    }
    if (source_->loop_ != coroutine.where().loop) {
        sennit::detail::misuse("a listener was used on another event loop than the one it was opened on");
    }
    if (source_->waiting_ != nullptr) {
        result_ = -EBUSY;
        return false;
    }
    if (!enroll(coroutine)) {
        was_cancelled_ = true;
        return false;
    }
    if (source_->queued() != 0) {
        unlink();
        result_ = source_->take_queued();
        return false;
    }
    source_->waiting_ = this;
    source_->arm();
    return true;
}

void accept_wait::cancel_wait() noexcept {
    source_->waiting_ = nullptr;
    was_cancelled_ = true;
    resume_later();
}

std::error_code accept_wait::outcome() const {
    if (was_cancelled_) throw cancelled();
    return result_ < 0 ? std::error_code(-result_, std::system_category()) : std::error_code();
}

accepted_connection accept_wait::take() const {
    if (const auto error = outcome()) throw std::system_error(error, "accept");
    // Not the listener's loop: the listener may have ended since this connection came.
    return {*where().loop, result_};
}

accepted_connection::~accepted_connection() {
    if (fd_ >= 0) loop_->io().close(fd_);
}

acceptor_core* open_acceptor(event_loop& loop, const endpoint& where, int backlog, bool reuse_port) {
    const socket_ref unnamed = open_socket(loop, where.family(), SOCK_STREAM);
    backend& io = loop.io();
    const int fd = unnamed->fd();
    const auto check = [&](int done, const char* what) {
        if (done < 0) {
            throw std::system_error(-done, std::system_category(), std::string(what) + " " + where.to_string());
        }
    };

    const int on = 1;
    if (where.is_ip()) {
        check(io.set_option(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "bind");
        // Inherited by what is accepted, so no connection pays a call for it.
        check(io.set_option(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "bind");
        if (reuse_port) check(io.set_option(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), "bind");
        if (where.family() == family::ipv6) {
            // What "[::]" accepts must not depend on a setting of the machine.
            check(io.set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), "bind");
        }
    }
    alignas(8) unsigned char storage[endpoint::max_sockaddr_size];
    const std::uint32_t length = where.to_sockaddr(storage);
    check(io.bind(fd, reinterpret_cast<const sockaddr*>(storage), length), "bind");
    check(io.listen(fd, backlog), "listen on");
    return new acceptor_core(loop, unnamed->take_descriptor());
}

}  // namespace sennit::net::detail
