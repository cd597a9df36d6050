// How epoll's backend tries a request: the system call that does not wait, and what its answer tells of the descriptor.
// What would wait is parked.

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "epoll_operations.hpp"
#include "message_batch.hpp"
#include "send_now.hpp"
#include "splice_call.hpp"
#include "system_calls.hpp"

#include <sennit/request.hpp>

namespace sennit {

namespace {

constexpr int accepts_at_once = 16;

}  // namespace

using detail::uninterrupted;

/// Tries an operation once. `reported` holds the events of `subject` that led to the try; 0 and null when nothing is
/// known.
struct epoll_backend::attempt {
    epoll_backend& io;
    operation& what;
    std::uint32_t reported;
    epoll_descriptor* subject;

    epoll_descriptor* entry_of(int fd) const noexcept { return subject != nullptr ? subject : io.set_.find(fd); }

    void operator()(const recv_request& request) const noexcept {
        epoll_descriptor* const descriptor = entry_of(request.fd);
        if (waits_for_edge(descriptor, request.flags)) return descriptor->wait_for_any(what);
        receive(request.fd, descriptor, request.flags, request.data, request.size, nullptr);
    }

    void operator()(const recv_lease_request& request) const noexcept {
        epoll_descriptor* const descriptor = entry_of(request.fd);
        if (waits_for_edge(descriptor, request.flags)) return descriptor->wait_for_any(what);
        detail::pooled_buffer* const buffer = io.pool_->take();
        if (buffer == nullptr) return io.unlent_.push_back(what);
        io.pool_->unseal(*buffer);
        receive(request.fd, descriptor, request.flags, buffer->data, io.pool_->buffer_size(), buffer);
    }

    static bool waits_for_edge(const epoll_descriptor* descriptor, int flags) noexcept {
        return descriptor != nullptr && !descriptor->readable && (flags & MSG_DONTWAIT) == 0;
    }

    /// `buffer` is the pool's, where `data` is in it: without bytes in it, it goes back.
    void receive(int fd, epoll_descriptor* descriptor, int flags, void* data, std::size_t size,
                 detail::pooled_buffer* buffer) const noexcept {
        const bool waits = (flags & MSG_DONTWAIT) == 0;
        try_first* const doubt =
            waits && descriptor != nullptr && !descriptor->registered ? &io.try_first_[descriptor->drained] : nullptr;
        if (doubt != nullptr && !doubt->pays()) return receive_nothing(fd, -EAGAIN, waits, buffer);
        const std::int32_t result = uninterrupted([&] { return ::recv(fd, data, size, flags | MSG_DONTWAIT); });
        if (doubt != nullptr) doubt->learn(result != -EAGAIN);
        if (result <= 0) return receive_nothing(fd, result, waits, buffer);
        // Flags like MSG_PEEK leave data behind.
        if (static_cast<std::size_t>(result) < size && flags == 0 && descriptor != nullptr && descriptor->tcp &&
            !descriptor->always_try) {
            descriptor->drained = true;
            descriptor->readable = (descriptor->interest & EPOLLIN) == 0;
        }
        io.deliver(what, result, buffer);
    }
    /// There were no bytes. The end of the stream, 0, stays readable.
    void receive_nothing(int fd, std::int32_t result, bool waits, detail::pooled_buffer* buffer) const noexcept {
        if (buffer != nullptr) io.pool_->give_back(*buffer);
        if (waits && result == -EAGAIN) return io.park(what, fd, reading);
        io.deliver(what, result);
    }

    void operator()(const recvmsg_request& request) const noexcept {
        receive_messages(request.fd, (request.flags & MSG_DONTWAIT) == 0, [&] {
            return uninterrupted([&] { return ::recvmsg(request.fd, request.message, request.flags | MSG_DONTWAIT); });
        });
    }
    void operator()(const recvmmsg_request& request) const noexcept {
        receive_messages(request.fd, true, [&] { return detail::transfer_batch(request); });
    }
    void receive_messages(int fd, bool waits, auto call) const noexcept {
        epoll_descriptor* const descriptor = io.set_.find(fd);
        if (waits && descriptor != nullptr && !descriptor->readable) return descriptor->wait_for_any(what);
        const std::int32_t result = call();
        if (waits && result == -EAGAIN) return io.park(what, fd, reading);
        io.deliver(what, result);
    }

    void operator()(const send_request& request) const noexcept {
        epoll_descriptor* const descriptor = entry_of(request.fd);
        if (descriptor != nullptr && !descriptor->writable) return descriptor->wait_to_write(what);
        const std::int32_t result = detail::send_now(request);
        if (result == -EAGAIN) return io.park(what, request.fd, writing);
        const bool is_short = result > 0 && static_cast<std::size_t>(result) < request.size;
        if (is_short && descriptor != nullptr && descriptor->tcp && (descriptor->interest & EPOLLOUT) != 0 &&
            !descriptor->always_try) {
            descriptor->writable = false;
        }
        io.deliver(what, result);
    }

    void operator()(const sendmsg_request& request) const noexcept {
        send_messages(request.fd, [&] { return detail::send_now(request); });
    }
    void operator()(const sendmmsg_request& request) const noexcept {
        send_messages(request.fd, [&] { return detail::transfer_batch(request); });
    }
    void send_messages(int fd, auto call) const noexcept {
        epoll_descriptor* const descriptor = io.set_.find(fd);
        if (descriptor != nullptr && !descriptor->writable) return descriptor->wait_to_write(what);
        const std::int32_t result = call();
        if (result == -EAGAIN) return io.park(what, fd, writing);
        io.deliver(what, result);
    }

    void operator()(const splice_in_request& request) const noexcept {
        if (const int error = stop_blocking(request.fd); error < 0) return io.deliver(what, error);
        receive_messages(request.fd, detail::waits(request), [&] { return detail::splice_now(request); });
    }
    void operator()(const splice_out_request& request) const noexcept {
        if (const int error = stop_blocking(request.fd); error < 0) return io.deliver(what, error);
        send_messages(request.fd, [&] { return detail::splice_now(request); });
    }
    /// For calls that no flag keeps from waiting. 0 or a negated errno value.
    int stop_blocking(int fd) const noexcept {
        const epoll_descriptor* const descriptor = io.set_.find(fd);
        return descriptor != nullptr && descriptor->own ? 0 : detail::make_non_blocking(fd);
    }

    void operator()(const accept_request& request) const noexcept {
        const epoll_descriptor* const descriptor = io.set_.find(request.fd);
        if (descriptor != nullptr && !descriptor->readable) return io.park(what, request.fd, reading);
        const bool own = descriptor != nullptr && descriptor->own;
        if (!own) {
            if (const int error = detail::make_non_blocking(request.fd); error < 0) return io.deliver(what, error);
        }
        const bool tcp = own ? descriptor->tcp : detail::speaks_tcp(request.fd);
        // What arrives after the count makes an edge. Zero does not count: not every kernel knows the number.
        const int counted = tcp ? detail::accept_queue_length(request.fd) : 0;
        for (int i = 0; i < accepts_at_once; ++i) {
            const bool known_ready = i < counted || (i == 0 && reported != 0);
            const bool ready = known_ready || (counted == 0 && detail::poll_now(request.fd, EPOLLIN) != 0);
            if (!ready) return io.park(what, request.fd, reading);
            const std::int32_t result =
                uninterrupted([&] { return ::accept4(request.fd, nullptr, nullptr, io.socket_flags()); });
            if (result == -ECONNABORTED || result == -EPROTO) continue;
            if (result == -EAGAIN) return io.park(what, request.fd, reading);
            if (result >= 0) io.set_.add_own(result, tcp);
            if (result < 0 || !request.multishot) return io.deliver(what, result);
            // It is in a list while it completes, so that it can be cancelled meanwhile.
            io.attempts_->push_back(what);
            ++io.delivered_;
            what.complete({result, true});
            if (what.in_flight.result_known) return;
            static_cast<detail::list_hook<detail::backend_tag>&>(what).unlink();
        }
        io.attempts_->push_back(what);
    }

    void operator()(const connect_request& request) const noexcept {
        if (reported != 0) {
            std::int32_t error = 0;
            std::uint32_t size = sizeof error;
            const int failure = io.get_option(request.fd, SOL_SOCKET, SO_ERROR, &error, size);
            return io.deliver(what, failure < 0 ? failure : -error);
        }
        const epoll_descriptor* const descriptor = io.set_.find(request.fd);
        if (descriptor == nullptr || !descriptor->own) {
            if (const int error = detail::make_non_blocking(request.fd); error < 0) return io.deliver(what, error);
        }
        const std::int32_t result =
            uninterrupted([&] { return ::connect(request.fd, request.address, request.address_length); });
        // EALREADY: an attempt whose operation was cancelled is still under way.
        if (result == -EINPROGRESS || result == -EALREADY) return io.park(what, request.fd, writing | reading);
        if (request.address_length >= sizeof(sa_family_t) && request.address->sa_family == AF_UNIX) {
            if (result == -EAGAIN) return io.park_until_retry(what);
            io.retry_delay_ = shortest_retry;
        }
        io.deliver(what, result);
    }

    void operator()(const poll_request& request) const noexcept {
        const std::uint32_t wanted = request.events & 0xffff;
        if (const std::uint32_t there = reported & (wanted | failing); there != 0) {
            return io.end_poll(what, request.fd, static_cast<std::int32_t>(there));
        }
        if (reported == 0) {
            const std::int32_t there = detail::poll_now(request.fd, wanted);
            if (there != 0) return io.end_poll(what, request.fd, there);
        }
        io.park_poll(what, request.fd, wanted);
    }

    void operator()(const shutdown_request& request) const noexcept {
        io.deliver(what, io.shutdown(request.fd, request.how));
    }
};

void epoll_backend::try_once(operation& what, std::uint32_t reported, epoll_descriptor* subject) noexcept {
    what.what().visit(attempt{*this, what, reported, subject});
}

}  // namespace sennit
