#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <sennit/detail/timer.hpp>
#include <sennit/time.hpp>

namespace sennit::detail {

/// The timers of one loop: a hierarchical timing wheel that ticks in nanoseconds, so that no deadline is
/// rounded. Arming and cancelling cost the same with one timer as with a million; nothing allocates.
///
/// The wheel's time is that of the last `advance` (0, the epoch, before the first) and never goes back. A
/// deadline before it, hence also one before the epoch, counts as equal to it. `no_deadline` can be armed and
/// never expires.
class timer_wheel {
  public:
    timer_wheel() noexcept;
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;
    /// Every timer must have expired or been cancelled.
    ~timer_wheel();

    /// Makes `what`, which is not armed, expire at the first `advance` to `deadline` or later. When the
    /// deadline has passed already this is the next call of `advance`, never one that is running: a timer
    /// that keeps re-arming itself for "now" expires once a call and starves nobody.
    void arm(timer& what, time_point deadline) noexcept;

    /// Disarms the timer. A timer that is due, but waits for others in the running `advance`, does not expire
    /// any more. False, without effect, when it is not armed. `what` must not be armed on another wheel.
    bool cancel(timer& what) noexcept;

    /// Moves the wheel's time to `now` and calls `timer::expire` on each timer whose deadline is not later,
    /// in order of deadlines and, among equal ones, of arming. `expire` may arm and cancel any timers; it
    /// must not call `advance`. A `now` before the wheel's time counts as equal to it. Returns how many
    /// timers expired.
    std::size_t advance(time_point now) noexcept {
        const std::uint64_t tick = std::max(tick_of(now), base_);
        if (tick >= quiet_until_) return advance_to(tick);
        base_ = tick;
        return 0;
    }

    /// A moment, not before the wheel's time, up to which `advance` need not be called: the earliest deadline
    /// when few timers are close to it, otherwise possibly an earlier moment. Advancing to that moment and
    /// asking again gets to the earliest deadline in at most ten steps. `no_deadline` when no timer can ever
    /// expire.
    time_point next_deadline() const noexcept { return quiet_until_ == 0 ? find_next() : next_; }

    /// The number of armed timers, those armed for `no_deadline` included.
    std::size_t size() const noexcept { return size_; }

  private:
    static constexpr unsigned digit_bits = 6;
    static constexpr std::size_t slots_per_level = std::size_t{1} << digit_bits;
    static constexpr std::size_t levels = 11;
    // Behind the wheel's slots there are two lists more: what expires in the running advance, and what never
    // does.
    static constexpr std::size_t due_list = levels * slots_per_level;
    static constexpr std::size_t never_list = due_list + 1;

    static std::uint64_t tick_of(time_point moment) noexcept {
        return static_cast<std::uint64_t>(std::max(moment.time_since_epoch().count(), duration::rep{0}));
    }

    std::size_t advance_to(std::uint64_t now) noexcept;
    time_point find_next() const noexcept;
    time_point earliest_of(std::size_t slot, time_point start) const noexcept;
    bool occupied(std::size_t list) const noexcept;
    void mark(std::size_t list) noexcept;
    void vacate(std::size_t list) noexcept;
    void append(std::size_t list, timer_link& link) noexcept;
    void place(timer& what) noexcept;
    void cascade(std::size_t slot) noexcept;
    void move_to_due(std::size_t slot) noexcept;
    void collect_due(std::uint64_t now) noexcept;
    std::size_t first_slot() const noexcept;
    std::uint64_t start_of(std::size_t slot) const noexcept;

    std::uint64_t base_ = 0;
    std::size_t size_ = 0;
    bool advancing_ = false;
    // What find_next has found, until a timer is armed or moves: most turns of a loop do neither and are over long
    // before a timer is due. No slot begins before quiet_until_; 0: it has to be found anew.
    mutable std::uint64_t quiet_until_ = 0;
    mutable time_point next_{};
    // Bit n of occupied_levels_: occupied_[n] is not zero. Bit n of occupied_[m]: list 64 * m + n is not
    // empty.
    std::uint64_t occupied_levels_ = 0;
    std::array<std::uint64_t, levels + 1> occupied_{};
    std::array<timer_link, never_list + 1> lists_;
};

}  // namespace sennit::detail
