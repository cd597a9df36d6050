// The backend on epoll: it owns the operations between their submission and their completion. Its one hard idea is
// to know, without a system call, that a call would block. Operations are tried first; what would block is parked at
// its descriptor until epoll reports an edge. An edge comes only after a moment of "not ready", so `readable` or
// `writable` is cleared only when the kernel has said so and epoll is watching: then the edge cannot have gone by.
//
// The facts that shaped it:
// - epoll(7), questions and answers: with EPOLLET one may wait again after EAGAIN, and on a stream already after a
//   transfer shorter than asked, which saves the call that would say EAGAIN. That holds for TCP only: a Unix socket
//   also stops at a message with descriptors (unix(7)), and TCP itself stops at urgent data (tcp(7)), for which
//   EPOLLPRI is watched. After EPOLLRDHUP no further edge may come: from then on every read is tried.
// - EPOLLOUT is watched only while it is needed: a datagram or Unix socket gives an edge for every message that
//   leaves its send buffer (sock_def_write_space), each of which would end a sleep for nothing.
// - A descriptor that always has data at once, as in short connections to a busy server, need not be registered:
//   EPOLL_CTL_ADD and DEL cost more than four calls that say EAGAIN.
// - accept4 that finds no connection costs ten times as much as poll(2) that says so, as it makes a file first; and
//   TCP_INFO of a listener (tcp(7)) gives the number of connections that wait.
// - connect(2): EINPROGRESS, then writable, then SO_ERROR. A Unix socket whose peer's backlog is full gives EAGAIN
//   and nothing will report when there is room: it is tried again, 1 ms later at first, 50 ms at most, driven by a
//   timerfd so that a host loop which sleeps on the epoll descriptor sees it too.
// - poll requests name descriptors that others opened and may close behind our back as soon as the request has
//   ended. Their registration ends with the last request.
// - EPOLL_CTL_ADD on a regular file: EPERM, and poll(2) finds it ready always.
// - MSG_DONTWAIT rather than trust in O_NONBLOCK, which another process may change on a shared open file.

#include "epoll_backend.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <utility>
#include <variant>

#include "buffer_check.hpp"
#include "epoll_operations.hpp"
#include "system_calls.hpp"

#include <sennit/request.hpp>

namespace sennit {

namespace {

// What a file that cannot be waited for is to poll(2).
constexpr std::uint32_t always_ready = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;

// Few enough that the first ones have their answers before the last ones' bytes are fetched: their peers, and the
// kernel's work for both, go on meanwhile. Many enough that the wait costs each of them little.
constexpr int events_at_once = 32;
constexpr unsigned waits_without_events = 16;

}  // namespace

epoll_backend::epoll_backend(const event_loop_options& options)
    : kernel_backend(socket_mode::non_blocking),
      pollable_(options.hosted),
      pool_(detail::buffer_pool::make(options.receive_buffers)) {
    int error = set_.watch_internal(wake_descriptor(), epoll_set::wake_tag);
    if (error == 0 && far_timer_.descriptor() >= 0) {
        error = set_.watch_internal(far_timer_.descriptor(), epoll_set::far_timer_tag);
    }
    if (error < 0) throw std::system_error(-error, std::system_category(), "epoll_ctl");
}

epoll_backend::~epoll_backend() {
    assert(in_flight_ == 0);
    if (retry_timer_ >= 0) ::close(retry_timer_);
}

void epoll_backend::submit(operation& what) noexcept {
    detail::check_buffers(what);
    ++in_flight_;
    // By far the most frequent case in which the answer is known: the next recv after a short one.
    if (what.waits_to_receive()) {
        epoll_descriptor* const descriptor = set_.find(what.descriptor());
        if (descriptor != nullptr && !descriptor->readable) return descriptor->wait_for_any(what);
    }
    attempts_->push_back(what);
}

void epoll_backend::cancel(operation& what) noexcept {
    auto& link = static_cast<detail::list_hook<detail::backend_tag>&>(what);
    // An operation that is in no list has its last completion behind it.
    if (!link.linked()) return;
    link.unlink();
    what.in_flight.result_known = true;
    cancelled_.push_back(what);
}

bool epoll_backend::wait(time_point deadline) {
    try_and_collect(deadline);
    // A host loop that sleeps on the epoll descriptor must hear of work that is left over.
    if (pollable_ && !attempts_->empty()) wake();
    // One wait that does not look at the kernel may follow one that does; then it is the clock's turn.
    return waits_since_events_ > 1 || !far_timer_.ends_by(deadline);
}

void epoll_backend::try_and_collect(time_point deadline) {
    delivered_ = 0;

    if (!cancelled_.empty()) [[unlikely]]
        end_cancelled();

    // Who finds nothing to receive gives the buffer back at once, for the next one in the queue.
    while (!unlent_.empty() && pool_->can_take()) try_once(unlent_.pop_front(), 0, nullptr);

    operation_list& batch = *attempts_;
    attempts_ = attempts_ == &attempt_lists_[0] ? &attempt_lists_[1] : &attempt_lists_[0];
    while (!batch.empty()) try_once(batch.pop_front(), 0, nullptr);

    // Whoever got something goes on first; but the others' events must not wait for ever.
    const bool idle = delivered_ == 0 && attempts_->empty() && cancelled_.empty();
    if (!idle && ++waits_since_events_ < waits_without_events) return;
    waits_since_events_ = 0;

    const duration rest = idle && deadline > time_point() ? rest_until(deadline) : duration::zero();
    epoll_event events[events_at_once];
    const int count = set_.wait(events, events_at_once, rest);
    for (int i = 0; i < count; ++i) on_event(events[i]);
}

/// How long to sleep; `duration::max()` for as long as something ends it.
duration epoll_backend::rest_until(time_point deadline) noexcept {
    if (deadline == no_deadline || far_timer_.ends_by(deadline)) return duration::max();
    const duration rest = deadline - now();
    return rest >= far_timer::far && far_timer_.set(deadline) ? duration::max() : rest;
}

void epoll_backend::on_event(const epoll_event& event) noexcept {
    epoll_descriptor* const descriptor = set_.subject(event);
    if (descriptor == nullptr) return on_internal_event(event.data.u64);
    const std::uint32_t reported = event.events;
    const bool writable = (reported & (EPOLLOUT | failing)) != 0;
    if ((reported & (reading | failing)) != 0) descriptor->readable = true;
    if (writable) descriptor->writable = true;
    if ((reported & (EPOLLRDHUP | EPOLLPRI | failing)) != 0) descriptor->always_try = true;

    const std::size_t delivered_before = delivered_;
    operation_list woken;
    woken.splice_back(descriptor->waiting);
    while (!woken.empty()) {
        operation& next = woken.pop_front();
        if (next.in_flight.waits_to_write && !writable) {
            descriptor->waiting.push_back(next);
        } else {
            try_once(next, reported, descriptor);
        }
    }

    // Nobody waited for this edge, and the next ones would be as useless.
    if (reported == EPOLLOUT && delivered_ == delivered_before && !descriptor->has_writers()) {
        set_.ignore(epoll_set::descriptor_of(event), *descriptor, EPOLLOUT);
    }
}

/// An event that is about none of the descriptors in the table, or about one that is no longer what it was.
void epoll_backend::on_internal_event(std::uint64_t tag) noexcept {
    if (tag == epoll_set::far_timer_tag) return far_timer_.has_ended();
    if (tag != epoll_set::retry_tag) return;
    operation_list due;
    due.splice_back(retries_);
    while (!due.empty()) try_once(due.pop_front(), 0, nullptr);
}

/// Completes what was cancelled. What is cancelled meanwhile waits for the next time.
void epoll_backend::end_cancelled() noexcept {
    operation_list ended;
    ended.splice_back(cancelled_);
    while (!ended.empty()) end_cancelled(ended.pop_front());
}

void epoll_backend::end_cancelled(operation& what) noexcept {
    const request asked = what.what();
    if (const auto* const poll = std::get_if<poll_request>(&asked)) return end_poll(what, poll->fd, -ECANCELED);
    deliver(what, -ECANCELED);
}

/// The last poll of a descriptor that others may close behind our back ends its registration.
void epoll_backend::end_poll(operation& what, int fd, std::int32_t result) noexcept {
    epoll_descriptor* const descriptor = set_.find(fd);
    if (descriptor != nullptr && !descriptor->own && descriptor->waiting.empty()) set_.unwatch(fd, *descriptor);
    deliver(what, result);
}

/// Lets the operation wait for these events.
void epoll_backend::park(operation& what, int fd, std::uint32_t events) noexcept {
    epoll_descriptor* const descriptor = set_.obtain(fd);
    if (descriptor == nullptr) return deliver(what, -ENOMEM);
    if (!descriptor->own && !descriptor->registered) descriptor->tcp = detail::speaks_tcp(fd);
    if ((descriptor->interest & events) != events) {
        if (const int error = set_.watch(fd, *descriptor, events); error < 0) return deliver(what, error);
    }
    const bool writes = (events & EPOLLOUT) != 0;
    if (writes) {
        descriptor->writable = false;
        descriptor->wait_to_write(what);
    } else {
        descriptor->readable = false;
        descriptor->wait_for_any(what);
    }
}

/// The same for a poll.
void epoll_backend::park_poll(operation& what, int fd, std::uint32_t events) noexcept {
    epoll_descriptor* const descriptor = set_.obtain(fd);
    if (descriptor == nullptr) return deliver(what, -ENOMEM);
    // It may have been closed and replaced since it was registered.
    const int error = set_.watch(fd, *descriptor, events);
    if (error == -EPERM && (events & always_ready) != 0) {
        return end_poll(what, fd, static_cast<std::int32_t>(events & always_ready));
    }
    if (error < 0) return end_poll(what, fd, error);
    descriptor->wait_for_any(what);
}

/// Lets a connect that found a full backlog wait for its next try.
void epoll_backend::park_until_retry(operation& what) noexcept {
    if (retry_timer_ < 0) {
        retry_timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (retry_timer_ >= 0 && set_.watch_internal(retry_timer_, epoll_set::retry_tag) < 0) {
            ::close(std::exchange(retry_timer_, -1));
        }
        if (retry_timer_ < 0) return deliver(what, -EAGAIN);
    }
    if (retries_.empty()) {
        itimerspec once{};
        once.it_value.tv_nsec = retry_delay_.count();
        ::timerfd_settime(retry_timer_, 0, &once, nullptr);
        retry_delay_ = std::min<duration>(2 * retry_delay_, longest_retry);
    }
    retries_.push_back(what);
}

int epoll_backend::open_socket(int domain, int type, int protocol) noexcept {
    const int fd = kernel_backend::open_socket(domain, type, protocol);
    const bool internet = domain == AF_INET || domain == AF_INET6;
    const bool stream = (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;
    if (fd >= 0) set_.add_own(fd, internet && stream && (protocol == 0 || protocol == IPPROTO_TCP));
    return fd;
}

int epoll_backend::open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept {
    const int error = kernel_backend::open_socket_pair(domain, type, protocol, pair);
    if (error == 0) {
        for (const int fd : pair) set_.add_own(fd, false);
    }
    return error;
}

void epoll_backend::close(int fd) noexcept {
    if (epoll_descriptor* const descriptor = set_.find(fd)) {
        assert(descriptor->waiting.empty());
        set_.unwatch(fd, *descriptor);
    }
    kernel_backend::close(fd);
}

std::unique_ptr<backend> make_epoll_backend(const event_loop_options& options) {
    return std::make_unique<epoll_backend>(options);
}

}  // namespace sennit
