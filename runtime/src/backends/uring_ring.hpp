#pragma once

#include <liburing.h>
#include <time.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <sennit/time.hpp>

#include "uring_backend.hpp"
#include "uring_constants.hpp"
#include "uring_tag.hpp"

namespace sennit {

/// One io_uring instance: its mapped queues and the one system call. Belongs to the thread that made it.
class uring_ring {
  public:
    /// Sets the ring up, tests it, and leaves it with the poll on `wake_descriptor` in flight. Throws like
    /// `make_uring_backend`.
    uring_ring(const uring_options& options, int wake_descriptor);
    uring_ring(const uring_ring&) = delete;
    uring_ring& operator=(const uring_ring&) = delete;
    ~uring_ring() { io_uring_queue_exit(&ring_); }

    /// The ring's descriptor, which polls readable when there is something to collect; -ENOTSUP unless that was asked
    /// for.
    int poll_descriptor() const noexcept { return pollable_ ? ring_.ring_fd : -ENOTSUP; }
    bool has_multishot_accept() const noexcept { return multishot_accept_; }
    bool has_multishot_receive() const noexcept { return multishot_receive_; }
    /// Whether it is worth asking for a group of buffers.
    bool may_have_buffers() const noexcept { return rung_ != uring_options::rung::plain; }
    /// Lets the kernel take buffers for receives that name `group` from the `entries` at `memory`. 0 or a negated errno
    /// value.
    int register_buffers(void* memory, unsigned entries, std::uint16_t group) noexcept;
    /// The flag that leaves out the completions of what went well; 0 where the kernel has none.
    std::uint8_t skip_success() const noexcept { return skip_success_; }
    /// "kernel 6.18, DEFER_TASKRUN"
    std::string describe() const;

    /// An entry to fill in; null when the submission queue is full.
    io_uring_sqe* next_entry() noexcept { return io_uring_get_sqe(&ring_); }
    bool has_room() const noexcept { return io_uring_sq_space_left(&ring_) != 0; }
    /// How many entries the kernel has not taken yet.
    unsigned unsubmitted() const noexcept { return io_uring_sq_ready(&ring_); }

    /// Fills in a poll on `fd` that completes each time it becomes readable anew.
    static void prepare_poll(io_uring_sqe& entry, uring_errand what, int fd) noexcept;

    /// Whether the outcome of an enter leaves the ring as good as it was: the next one may do better.
    static bool may_enter_again(int outcome) noexcept {
        return outcome >= 0 || outcome == -ETIME || outcome == -EINTR || outcome == -EBUSY || outcome == -EAGAIN;
    }

    /// Throws `std::system_error` when an enter with this outcome leaves the ring beyond use.
    static void check(int outcome) {
        if (!may_enter_again(outcome)) fail(outcome);
    }

    // Both return the number of entries the kernel took or a negated errno value.

    /// Hands the entries to the kernel.
    int submit() noexcept { return enter(0, base_flags_, nullptr, 0); }
    /// The same, and has the kernel post what has completed; sleeps until something has or `deadline` has
    /// passed.
    int submit_and_wait(time_point deadline) noexcept;

    /// Calls `visit` with the three fields of each completion that is there, then removes these completions. Returns
    /// how many there were.
    template <class Visitor>
    unsigned reap(Visitor visit) {
        const io_uring_cq& queue = ring_.cq;
        const unsigned head = *queue.khead;
        const unsigned tail = io_uring_smp_load_acquire(queue.ktail);
        if (head == tail) return 0;
        for (unsigned next = head; next != tail; ++next) {
            const io_uring_cqe& entry = queue.cqes[next & queue.ring_mask];
            visit(entry.user_data, entry.res, entry.flags);
        }
        io_uring_smp_store_release(queue.khead, tail);
        return tail - head;
    }

  private:
    struct answer {
        std::int32_t result;
        std::uint32_t flags;
    };

    explicit uring_ring(const uring_options& options);
    [[noreturn]] static void fail(int outcome);
    template <class Prepare>
    answer ask(Prepare prepare);
    bool hears_of_the_end();
    int enter(unsigned wanted, unsigned flags, const io_uring_getevents_arg* argument, std::size_t size) noexcept;

    io_uring ring_;
    unsigned base_flags_ = 0;  ///< of every enter
    bool absolute_timeout_ = true;
    bool multishot_accept_ = false;
    bool multishot_receive_ = false;
    bool pollable_ = false;
    std::uint8_t skip_success_ = 0;
    uring_options::rung rung_;
};

inline int uring_ring::enter(unsigned wanted, unsigned flags, const io_uring_getevents_arg* argument,
                             std::size_t size) noexcept {
    io_uring_smp_store_release(ring_.sq.ktail, ring_.sq.sqe_tail);
    auto* const untyped = reinterpret_cast<sigset_t*>(const_cast<io_uring_getevents_arg*>(argument));
    return io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), unsubmitted(), wanted, flags, untyped, size);
}

inline int uring_ring::submit_and_wait(time_point deadline) noexcept {
    const unsigned flags = base_flags_ | IORING_ENTER_GETEVENTS;
    if (deadline == no_deadline) return enter(1, flags, nullptr, 0);
    duration timeout = deadline.time_since_epoch();
    if (!absolute_timeout_ && timeout > duration::zero()) {
        timespec now;
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        timeout -= std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
    }
    if (timeout <= duration::zero()) return enter(0, flags, nullptr, 0);

    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    __kernel_timespec limit;
    limit.tv_sec = seconds.count();
    limit.tv_nsec = (timeout - seconds).count();
    io_uring_getevents_arg argument{};
    argument.ts = reinterpret_cast<std::uintptr_t>(&limit);
    const unsigned timed = absolute_timeout_ ? uring_constants::enter_absolute_timeout : 0;
    return enter(1, flags | timed | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

}  // namespace sennit
