// From requests to entries of the submission queue. Its one hard idea: order. What finds the queue full is parked, and
// whatever comes after it goes behind it, so that the kernel hears of everything in the order of its submission.

#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>
#include <variant>

#include "buffer_check.hpp"
#include "uring_calls.hpp"
#include "uring_operations.hpp"
#include "uring_tag.hpp"

#include <sennit/request.hpp>

namespace sennit {

namespace {

/// The kernel takes 32 bits and transfers less than 2 GiB at once anyway.
unsigned transfer_size(std::size_t size) noexcept {
    constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
    return static_cast<unsigned>(std::min(size, most));
}

}  // namespace

/// Fills in a submission queue entry from a request, or parks its operation.
class uring_backend::submission {
  public:
    submission(uring_backend& io, operation& what, turn when, bool is_lone = false) noexcept
        : io_(io), what_(what), when_(when), is_lone_(is_lone) {}

    void operator()(const accept_request& request) const noexcept {
        prepare(uring_tag::accept, [&](io_uring_sqe* entry) {
            if (request.multishot && io_.ring_.has_multishot_accept()) {
                io_uring_prep_multishot_accept(entry, request.fd, nullptr, nullptr, io_.socket_flags());
            } else {
                io_uring_prep_accept(entry, request.fd, nullptr, nullptr, io_.socket_flags());
            }
        });
    }
    void operator()(const connect_request& request) const noexcept {
        prepare(uring_tag::single, [&](io_uring_sqe* entry) {
            io_uring_prep_connect(entry, request.fd, request.address, request.address_length);
        });
    }
    void operator()(const recv_request& request) const noexcept {
        if (!receives_from_standing(request)) once(request);
    }
    void once(const recv_request& request) const noexcept {
        prepare(uring_tag::single, [&](io_uring_sqe* entry) {
            io_uring_prep_recv(entry, request.fd, request.data, transfer_size(request.size), request.flags);
        });
    }
    void operator()(const recv_lease_request& request) const noexcept {
        if (!receives_from_standing(request)) once(request);
    }
    void once(const recv_lease_request& request) const noexcept {
        if (io_.group_.open(io_.ring_)) {
            if (io_.group_.available() == 0) io_.group_.refill();
            if (io_.unlent_.empty() && io_.group_.available() != 0) return receive_into_group(request);
            io_.unlent_.push_back(what_);
        } else if ((request.flags & MSG_DONTWAIT) != 0) {
            io_.unlent_.push_back(what_);
        } else {
            prepare(uring_tag::lease, [&](io_uring_sqe* entry) { io_uring_prep_poll_add(entry, request.fd, POLLIN); });
        }
    }
    /// Without looking who waits before it.
    void receive_into_group(const recv_lease_request& request) const noexcept {
        prepare(uring_tag::lease, [&](io_uring_sqe* entry) {
            io_uring_prep_recv(entry, request.fd, nullptr, io_.pool_->buffer_size(), request.flags);
            entry->flags |= IOSQE_BUFFER_SELECT;
            entry->buf_group = uring_buffers::group;
        });
    }
    void operator()(const send_request& request) const noexcept {
        if (is_lone_) return io_.lone_.push_back(what_);
        prepare(uring_tag::single, [&](io_uring_sqe* entry) {
            io_uring_prep_send(entry, request.fd, request.data, transfer_size(request.size),
                               request.flags | MSG_NOSIGNAL);
        });
    }
    void operator()(const recvmsg_request& request) const noexcept {
        prepare(uring_tag::single, [&](io_uring_sqe* entry) {
            io_uring_prep_recvmsg(entry, request.fd, request.message, static_cast<unsigned>(request.flags));
        });
    }
    void operator()(const sendmsg_request& request) const noexcept {
        if (is_lone_) return io_.lone_.push_back(what_);
        prepare(uring_tag::single, [&](io_uring_sqe* entry) {
            io_uring_prep_sendmsg(entry, request.fd, request.message,
                                  static_cast<unsigned>(request.flags | MSG_NOSIGNAL));
        });
    }
    void operator()(const recvmmsg_request& request) const noexcept {
        if (io_.receives_first_.pays()) return io_.calls_.push_back(what_);
        poll_before(request);
    }
    void operator()(const sendmmsg_request&) const noexcept { io_.calls_.push_back(what_); }
    void operator()(const splice_in_request& request) const noexcept {
        if (!io_.receives_from_standing(what_, request.fd, false, when_)) once(request);
    }
    void once(const splice_in_request&) const noexcept { io_.calls_.push_back(what_); }
    void operator()(const splice_out_request&) const noexcept { io_.calls_.push_back(what_); }
    void poll_before(const auto& request) const noexcept {
        prepare(uring_tag::call, [&](io_uring_sqe* entry) {
            io_uring_prep_poll_add(entry, request.fd, detail::readiness_for(request));
        });
    }
    void operator()(const poll_request& request) const noexcept {
        prepare(uring_tag::single,
                [&](io_uring_sqe* entry) { io_uring_prep_poll_add(entry, request.fd, request.events); });
    }
    void operator()(const shutdown_request&) const noexcept { io_.shutdowns_.push_back(what_); }

  private:
    bool receives_from_standing(const auto& request) const noexcept {
        const bool wanted = what_.may_receive_ahead() && (request.flags & MSG_DONTWAIT) == 0;
        return io_.receives_from_standing(what_, request.fd, wanted, when_);
    }
    template <class Prepare>
    void prepare(uring_tag tag, Prepare fill_in) const noexcept {
        io_uring_sqe* const entry = io_.entry_for(what_, when_);
        if (entry == nullptr) return;
        fill_in(entry);
        entry->user_data = tagged(what_, tag);
    }

    uring_backend& io_;
    operation& what_;
    turn when_;
    bool is_lone_;  // the only thing to do, as far as is known
};

void uring_backend::fill_in(operation& what, turn when) noexcept {
    what.what().visit(submission(*this, what, when));
}

void uring_backend::receive_into_group(operation& what) noexcept {
    submission(*this, what, turn::behind_parked).receive_into_group(std::get<recv_lease_request>(what.what()));
}

/// A receive that ends with what it brings.
void uring_backend::receive_once(operation& what) noexcept {
    const submission entry(*this, what, turn::behind_parked);
    const request asked = what.what();
    if (const auto* const recv = std::get_if<recv_request>(&asked)) entry.once(*recv);
    if (const auto* const lease = std::get_if<recv_lease_request>(&asked)) entry.once(*lease);
    if (const auto* const splice = std::get_if<splice_in_request>(&asked)) entry.once(*splice);
}

/// Has the kernel say when the call is worth a try.
void uring_backend::poll_before_call(operation& what) noexcept {
    const submission entry(*this, what, turn::behind_parked);
    const auto poll = [&entry](const auto& request) noexcept {
        if constexpr (detail::is_called_request<std::decay_t<decltype(request)>>) entry.poll_before(request);
    };
    what.what().visit(poll);
}

void uring_backend::submit(operation& what) noexcept {
    detail::check_buffers(what);
    what.in_flight = {};
    what.in_flight.outstanding = 1;
    ++in_flight_;
    if (!lone_.empty()) [[unlikely]]
        fill_in(lone_.pop_front(), turn::behind_parked);
    const bool is_lone = std::exchange(may_hold_send_, false) && ring_.unsubmitted() == 0 && parked_.empty();
    what.what().visit(submission(*this, what, turn::behind_parked, is_lone));
}

}  // namespace sennit
