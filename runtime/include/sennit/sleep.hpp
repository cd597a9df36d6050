#pragma once

#include <chrono>

#include <sennit/cancel.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/detail/timer.hpp>
#include <sennit/task.hpp>
#include <sennit/time.hpp>

namespace sennit {

namespace detail {

/// Suspends until a time of the loop's clock.
class [[nodiscard]] sleep_awaiter final : public waiter, private timer {
  public:
    /// `relative` is counted from the moment of the co_await.
    sleep_awaiter(time_point until, duration relative, bool is_relative) noexcept
        : until_(until), relative_(relative), is_relative_(is_relative) {}
    sleep_awaiter(sleep_awaiter&& other) noexcept
        : until_(other.until_), relative_(other.relative_), is_relative_(other.is_relative_) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(awaiting coroutine) noexcept { return start(coroutine); }
    void await_resume() const {
        if (was_cancelled_) [[unlikely]]
            throw cancelled();
    }

    const char* waiting_for() const noexcept override { return "sleep"; }

  private:
    bool start(awaiting coroutine) noexcept;
    void cancel_wait() noexcept override;
    void expire() noexcept override { resume_later(); }

    time_point until_;
    duration relative_;
    bool is_relative_;
    bool was_cancelled_ = false;
};

}  // namespace detail

/// Suspends for at least `time`, counted from the `co_await`. Zero or less gives the others one turn.
/// Cancelling it ends it at once.
template <class Rep, class Period>
detail::sleep_awaiter sleep_for(std::chrono::duration<Rep, Period> time) noexcept {
    return {time_point(), saturating_cast(time), true};
}

/// Suspends until the loop's clock has reached `when`; a time that has passed gives the others one turn.
inline detail::sleep_awaiter sleep_until(time_point when) noexcept {
    return {when, duration(), false};
}

}  // namespace sennit
