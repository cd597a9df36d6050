// The backend on io_uring: it owns the operations between their submission and their last completion. Its one
// hard idea: an operation belongs to the kernel until every completion that names it has been seen, its
// cancellation's included, in whatever order they come. Only then is it told; until then nobody may reuse its
// memory.
//
// The facts that shaped it:
// - One io_uring_enter(2) in each `wait` does it all: hands over what was submitted, runs what the kernel put
//   off, sleeps, collects. With DEFER_TASKRUN nothing completes without GETEVENTS, so even a look is an enter.
// - An overflown completion queue needs no care of its own: no completion is lost (NODROP), and the enter of
//   the next `wait` brings the rest before it sleeps. EBUSY is how older kernels ask for that.
// - EINTR comes even with SA_RESTART. What the kernel has not taken stays in the submission queue and goes
//   with the next enter, in order; nothing is filled in twice.
// - Without SUBMIT_ALL the kernel stops behind an entry that it refuses: enter again for the rest.
// - A multishot accept has ended when a completion lacks F_MORE, also when it brings a connection: an
//   overflown completion queue does that.
// - An accept goes by the limit of descriptors (RLIMIT_NOFILE) that was in force when it was submitted.
// - A cancellation misses its target, with ENOENT, while the kernel has it queued for one more try: a connect
//   to a Unix socket with a full backlog spends some sixty enters that way. It must be asked again, or the
//   target stays for ever.
// - A cancelled operation may still have moved bytes or accepted a connection: then that is its result.
// - Sockets are blocking. With O_NONBLOCK the kernel gives EAGAIN instead of waiting (liburing issue 364).
// - IORING_OP_SHUTDOWN always goes to a kernel thread: 40 us where shutdown(2), which never waits, takes 0.5.
//   So that is called here, after the enter that hands over what was submitted before it.
// - A close in the batch saves a quarter of the 3 us that close(2) takes for a TCP socket. It is done when the
//   enter returns, since a socket has nothing to flush.
// - A receive without a buffer of its own takes one of the group's when it has something to put into it, and fails with
//   ENOBUFS at once when there is none, whether there is data or not. Asking again before there is one would spin: it
//   waits in `unlent_` until one comes back. Who is asked again may find nothing to receive, so that the buffer is
//   still there for the next one in the queue.
// - There is no operation for several datagrams. So recvmmsg(2) and sendmmsg(2) are called here, at once where that has
//   paid, otherwise when a poll says so.
// - IORING_OP_SPLICE always goes to a kernel thread. So splice(2) is called here in the same way, and since no flag of
//   it keeps a socket from waiting, the socket does not block during the call (splice_call.hpp).
// - When one answer is all there is to do, as with one client that waits for it, an entry of the ring costs more than
//   send(2): an enter of its own, as the receive is only submitted when the send is over. So a send that comes alone
//   after a quiet turn is called here, and the receive goes into the enter that sleeps. One in a turn at the most: who
//   sends without end must not keep the others from the kernel.
// - Where the kernel knows no groups (before Linux 5.19), such a receive is a poll and then recv(2) here.
// - The poll on the eventfd completes at every write, whether it is read or not: nobody needs to read it.

#include "uring_backend.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>
#include <variant>

#include "buffer_check.hpp"
#include "send_now.hpp"
#include "system_calls.hpp"
#include "uring_calls.hpp"
#include "uring_operations.hpp"
#include "uring_tag.hpp"

#include <sennit/request.hpp>

namespace sennit {

namespace {

constexpr unsigned most_completions_of_a_quiet_turn = 1;
constexpr unsigned few_completions = 16;           // in a turn, so that the loop sleeps now and then
constexpr unsigned most_waits_without_enter = 16;  // then it is the others' turn

bool is_linked(const operation& what) noexcept {
    return static_cast<const detail::list_hook<detail::backend_tag>&>(what).linked();
}

void unlink(operation& what) noexcept {
    static_cast<detail::list_hook<detail::backend_tag>&>(what).unlink();
}

}  // namespace

uring_backend::~uring_backend() {
    assert(in_flight_ == 0);
    // Also hands over the last closes. When even this fails, the end of the ring ends the polls.
    standing_.for_each_armed([this](standing_stream& each) { disarm(each); });
    for (const uring_errand poll : {uring_errand::wake, uring_errand::timer}) {
        if (poll == uring_errand::timer && !polls_for_timer_) break;
        io_uring_sqe* entry = ring_.next_entry();
        if (entry == nullptr && ring_.submit() > 0) entry = ring_.next_entry();
        if (entry == nullptr) return;
        io_uring_prep_cancel64(entry, tagged(poll), 0);
        entry->user_data = tagged(uring_errand::nobody);
    }
    do {
        if (!uring_ring::may_enter_again(ring_.submit_and_wait(no_deadline))) return;
        reap();
        disarm_parked();
    } while (polls_for_wakes_ || polls_for_timer_ || standing_.armed() != 0 || ring_.unsubmitted() != 0);
}

void uring_backend::cancel(operation& what) noexcept {
    operation::in_flight_state& state = what.in_flight;
    if (state.outstanding == 0 || state.cancel_requested) return;
    state.cancel_requested = true;
    if (is_linked(what)) {
        unlink(what);
        unsent_.push_back(what);
    } else if (withdraw(what)) {
        unsent_.push_back(what);
    } else {
        submit_cancel(what, turn::behind_parked);
    }
}

void uring_backend::submit_cancel(operation& what, turn when) noexcept {
    io_uring_sqe* const entry = entry_for(what, when);
    if (entry == nullptr) return;
    io_uring_prep_cancel64(entry, name_in_kernel(what), 0);
    entry->user_data = tagged(what, uring_tag::cancel);
    ++what.in_flight.outstanding;
}

void uring_backend::close(int fd) noexcept {
    end_standing(fd);
    io_uring_sqe* const entry = ring_.next_entry();
    if (entry == nullptr) return kernel_backend::close(fd);
    io_uring_prep_close(entry, fd);
    entry->flags |= ring_.skip_success();
    entry->user_data = tagged(uring_errand::nobody);
}

bool uring_backend::wait(time_point deadline) {
    submit_and_collect(deadline);
    // A lone send may go without an enter after a wait with one, and is the only one to leave out the clock as well.
    return deadline != no_deadline && (waits_without_enter_ != 0 || !timer_tells(deadline));
}

void uring_backend::submit_and_collect(time_point deadline) {
    may_hold_send_ = false;  // what completions submit from here on is for this enter or the next
    const std::size_t before = in_flight_;
    const bool sent = !lone_.empty() && send_lone();
    if (sent && in_flight_ < before && ring_.unsubmitted() == 0) return;
    const bool delivers = sent || !unsent_.empty() || !shutdowns_.empty();
    if (!unsent_.empty()) [[unlikely]]
        deliver_unsent();
    if (!parked_.empty()) [[unlikely]]
        submit_parked();
    group_.refill();
    const bool lends = !unlent_.empty() && lend_buffers();
    const bool called = !calls_.empty() && run_calls();
    const bool answered = !answered_.empty() && answer();
    const bool disarms = disarms_are_parked_ && disarm_parked();
    if (!polls_for_wakes_) [[unlikely]]
        polls_for_wakes_ = poll_for(uring_errand::wake, wake_descriptor());

    // Whose call has ended goes on first, with a call most likely: the kernel would be asked for nothing. So does who
    // was answered.
    const bool without_kernel = (called || answered) && !delivers && !lends && calls_.empty() && parked_.empty();
    if (without_kernel && ring_.unsubmitted() == 0 && ++waits_without_enter_ < most_waits_without_enter) return;
    waits_without_enter_ = 0;

    // What could not be handed over must not be slept on.
    const bool delivered = delivers || lends || called || answered;
    const bool left = !parked_.empty() || !answered_.empty() || disarms || !polls_for_wakes_;
    if (delivered || left) deadline = time_point::min();
    enter(timer_tells(deadline) ? no_deadline : limit_of_sleep(deadline));
    if (parked_.empty() && ring_.unsubmitted() == 0) due_shutdowns_.splice_back(shutdowns_);
    const unsigned completions = reap();
    if (!due_shutdowns_.empty()) [[unlikely]]
        run_shutdowns();
    // There may be more buffers than it seemed, and the rest of a transfer may be left to send. A host loop that sleeps
    // on the ring must hear of both.
    const bool lends_more = !unlent_.empty() && (group_.available() != 0 || pool_->can_take());
    const bool host_sleeps_on_it = ring_.poll_descriptor() >= 0 && ring_.unsubmitted() != 0;
    if (lends_more || !calls_.empty() || host_sleeps_on_it) [[unlikely]]
        wake();
    may_hold_send_ = completions <= most_completions_of_a_quiet_turn;
    few_completions_ = completions <= few_completions;
}

/// Makes the system call for the send that is the only thing that was submitted in this turn. Whether it is over.
bool uring_backend::send_lone() noexcept {
    operation& what = lone_.pop_front();
    std::int32_t result = -EAGAIN;
    if (ring_.unsubmitted() == 0) {
        const request asked = what.what();
        const auto* const plain = std::get_if<send_request>(&asked);
        result = plain != nullptr ? detail::send_now(*plain) : detail::send_now(std::get<sendmsg_request>(asked));
    }
    if (result == -EAGAIN) {
        fill_in(what, turn::behind_parked);
        return false;
    }
    on_single(what, result);
    return true;
}

/// Completes what was cancelled before it was handed over. What is cancelled meanwhile waits for the next
/// time.
void uring_backend::deliver_unsent() noexcept {
    operation_list ended;
    ended.splice_back(unsent_);
    while (!ended.empty()) finish(ended.pop_front(), -ECANCELED);
}

void uring_backend::submit_parked() {
    while (!parked_.empty()) {
        while (!parked_.empty() && ring_.has_room()) {
            operation& next = parked_.pop_front();
            if (next.in_flight.cancel_requested) {
                submit_cancel(next, turn::now);
            } else {
                fill_in(next, turn::now);
            }
        }
        if (parked_.empty()) return;
        const int taken = ring_.submit();
        if (taken <= 0) return uring_ring::check(taken);
    }
}

/// Has each edge of the descriptor come as a completion of this errand. Whether there was an entry for that.
bool uring_backend::poll_for(uring_errand what, int fd) noexcept {
    io_uring_sqe* entry = ring_.next_entry();
    if (entry == nullptr && ring_.submit() > 0) entry = ring_.next_entry();
    if (entry == nullptr) return false;
    uring_ring::prepare_poll(*entry, what, fd);
    return true;
}

/// The limit that a sleep until `deadline` needs: none where the timer ends it in time.
time_point uring_backend::limit_of_sleep(time_point deadline) noexcept {
    if (deadline == no_deadline || deadline <= time_point()) return deadline;
    if (!far_timer_.ends_by(deadline)) {
        if (deadline - now() < far_timer::far || !far_timer_.set(deadline)) return deadline;
    }
    if (!polls_for_timer_) polls_for_timer_ = poll_for(uring_errand::timer, far_timer_.descriptor());
    return polls_for_timer_ ? no_deadline : deadline;
}

void uring_backend::enter(time_point deadline) {
    for (;;) {
        const int taken = ring_.submit_and_wait(deadline);
        if (taken <= 0) return uring_ring::check(taken);
        // It did not sleep either when it stopped behind an entry.
        if (ring_.unsubmitted() == 0) return;
    }
}

unsigned uring_backend::reap() noexcept {
    return ring_.reap([this](std::uint64_t user_data, std::int32_t result, std::uint32_t flags) {
        const bool more = (flags & IORING_CQE_F_MORE) != 0;
        switch (static_cast<uring_tag>(user_data & uring_tag_mask)) {
            case uring_tag::single: return on_single(named(user_data), result);
            case uring_tag::lease: return on_lease(named(user_data), result, flags);
            case uring_tag::accept: return on_accept(named(user_data), result, more);
            case uring_tag::call: return on_call(named(user_data), result);
            case uring_tag::cancel: return on_cancel(named(user_data), result);
            case uring_tag::standing: return on_standing(standing_.at(number_in(user_data)), result, flags);
            case uring_tag::disarm: return on_disarm(standing_.at(number_in(user_data)), result);
            case uring_tag::own: return on_errand(static_cast<uring_errand>(number_in(user_data)), more);
        }
    });
}

void uring_backend::on_errand(uring_errand what, bool more) noexcept {
    switch (what) {
        case uring_errand::wake: polls_for_wakes_ = more; return;
        case uring_errand::timer: polls_for_timer_ = more; return far_timer_.has_ended();
        case uring_errand::nobody: return;
    }
}

/// Goes on with those that wait for a buffer, as far as there are buffers. Whether the next enter must not sleep.
bool uring_backend::lend_buffers() noexcept {
    if (!group_.open(ring_)) {
        const bool tries = pool_->can_take();
        while (!unlent_.empty() && pool_->can_take()) receive_now(unlent_.pop_front());
        return tries;
    }
    for (unsigned count = group_.available(); count != 0 && !unlent_.empty(); --count) {
        receive_into_group(unlent_.pop_front());
    }
    return group_.available() != 0 && !unlent_.empty();
}

/// What a kernel without groups leaves to us, when there may be something to receive.
void uring_backend::receive_now(operation& what) noexcept {
    detail::pooled_buffer* buffer = pool_->take();
    if (buffer == nullptr) return unlent_.push_back(what);
    const auto request = std::get<recv_lease_request>(what.what());
    const std::size_t size = pool_->buffer_size();
    pool_->unseal(*buffer);
    const std::int32_t result =
        detail::uninterrupted([&] { return ::recv(request.fd, buffer->data, size, request.flags | MSG_DONTWAIT); });
    if (result <= 0) pool_->give_back(*std::exchange(buffer, nullptr));
    const bool waits = (request.flags & MSG_DONTWAIT) == 0;
    if (result == -EAGAIN && waits) return fill_in(what, turn::behind_parked);
    on_single(what, result, buffer);
}

void uring_backend::on_lease(operation& what, std::int32_t result, std::uint32_t flags) noexcept {
    if (!group_.open(ring_)) {
        if (result < 0 || what.in_flight.cancel_requested) return on_single(what, result < 0 ? result : -ECANCELED);
        return receive_now(what);
    }
    detail::pooled_buffer* buffer = nullptr;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        buffer = &group_.take(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT));
        if (result <= 0) pool_->give_back(*std::exchange(buffer, nullptr));
    }
    if (result == -ENOBUFS) {
        group_.want_more();
        if (!what.in_flight.cancel_requested) return unlent_.push_back(what);
        result = -ECANCELED;
    }
    on_single(what, result, buffer);
}

void uring_backend::on_single(operation& what, std::int32_t result, detail::pooled_buffer* buffer) noexcept {
    detail::check_buffers(what);
    operation::in_flight_state& state = what.in_flight;
    if (!state.cancel_requested) [[likely]]
        return finish(what, result, buffer);
    // A kernel thread that was interrupted in the middle of the operation says EINTR.
    what.keep_result(result == -EINTR ? -ECANCELED : result);
    unlink(what);  // if its cancellation is still parked
    if (--state.outstanding == 0) return finish(what, what.kept_result(), buffer);
    what.keep_buffer(buffer);
}

void uring_backend::on_accept(operation& what, std::int32_t result, bool more) noexcept {
    if (more) return what.complete({result, true});
    const bool was_aborted = result == -ECONNABORTED || result == -EPROTO;
    const bool goes_on = result >= 0 && std::get<accept_request>(what.what()).multishot;
    if (what.in_flight.cancel_requested || !(was_aborted || goes_on)) return on_single(what, result);
    if (goes_on) {
        operation_list held;  // where `cancel` finds it
        held.push_back(what);
        what.complete({result, true});
        if (what.in_flight.cancel_requested) return;
        unlink(what);
    }
    fill_in(what, turn::behind_parked);
}

void uring_backend::on_cancel(operation& what, std::int32_t result) noexcept {
    if (--what.in_flight.outstanding == 0) return finish(what, what.kept_result(), what.take_buffer());
    // The target neither waits nor runs nor is over: the kernel is about to try it once more.
    if (result == -ENOENT) submit_cancel(what, turn::behind_parked);
}

/// The operation is over. It may be gone when this returns.
void uring_backend::finish(operation& what, std::int32_t result, detail::pooled_buffer* buffer) noexcept {
    what.in_flight.outstanding = 0;
    --in_flight_;
    if (buffer != nullptr) pool_->lend(*buffer, result);
    what.complete({result, false, buffer});
}

/// Makes the calls that were submitted. Whether one has ended its operation, so that the next enter must not sleep.
bool uring_backend::run_calls() noexcept {
    const std::size_t before = in_flight_;
    operation_list due;
    due.splice_back(calls_);
    while (!due.empty()) call(due.pop_front());
    return in_flight_ < before || !calls_.empty();
}

void uring_backend::call(operation& what) noexcept {
    const request asked = what.what();
    const std::int32_t result = asked.visit(detail::call_without_waiting{});
    if (std::holds_alternative<recvmmsg_request>(asked)) receives_first_.learn(result != -EAGAIN);
    if (result == -EAGAIN && detail::waits(asked)) return poll_before_call(what);
    on_single(what, result);
}

void uring_backend::on_call(operation& what, std::int32_t result) noexcept {
    if (result < 0 || what.in_flight.cancel_requested) return on_single(what, result < 0 ? result : -ECANCELED);
    call(what);
}

void uring_backend::run_shutdowns() noexcept {
    while (!due_shutdowns_.empty()) {
        operation& next = due_shutdowns_.pop_front();
        const auto request = std::get<shutdown_request>(next.what());
        finish(next, shutdown(request.fd, request.how));
    }
}

chosen_backend make_uring_backend(const uring_options& options, const receive_buffer_options& buffers) {
    auto implementation = std::make_unique<uring_backend>(options, buffers);
    std::string reason = "io_uring: " + implementation->describe();
    return {std::move(implementation), std::move(reason)};
}

}  // namespace sennit
