#pragma once

#include <chrono>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <sennit/cancel.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/detail/scope_entry.hpp>
#include <sennit/detail/timer.hpp>
#include <sennit/task.hpp>
#include <sennit/time.hpp>

namespace sennit {

namespace detail {

/// A cancel scope with a deadline.
class deadline_scope final : public cancel_scope, private timer {
  public:
    deadline_scope(environment outer, time_point deadline) noexcept : outer_(outer) {
        attach(*outer.scope);
        outer.loop->arm(*this, deadline);
    }
    ~deadline_scope() { outer_.loop->disarm(*this); }

    /// Whether `cancelled` came from this deadline alone; otherwise the scope around wants it too.
    bool caused_the_end() const noexcept { return expired_ && !outer_.scope->is_cancelled(); }

  private:
    void expire() noexcept override {
        expired_ = true;
        cancel();
    }

    environment outer_;
    bool expired_ = false;
};

/// A time that is either absolute or counted from the start of the wait.
class deadline_or_timeout {
  public:
    explicit deadline_or_timeout(time_point deadline) noexcept : deadline_(deadline), absolute_(true) {}
    explicit deadline_or_timeout(duration timeout) noexcept : timeout_(timeout), absolute_(false) {}

    time_point from(const event_loop& loop) const noexcept {
        return absolute_ ? deadline_ : saturating_add(loop.now(), timeout_);
    }

  private:
    time_point deadline_{};
    duration timeout_{};
    bool absolute_;
};

/// Awaits under a deadline. Empty when the deadline ended it.
template <class Awaitable, class T = await_result_t<Awaitable>>
task<optional_value<T>> run_until(deadline_or_timeout limit, Awaitable awaitable) {
    const environment outer = co_await current_environment();
    deadline_scope scope(outer, limit.from(*outer.loop));
    co_await enter_scope(scope);
    optional_value<T> value;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(awaitable);
            value.emplace();
        } else if constexpr (std::is_reference_v<T>) {
            T result = co_await std::move(awaitable);
            value.emplace(result);
        } else {
            value.emplace(co_await std::move(awaitable));
        }
    } catch (const cancelled&) {
        if (!scope.caused_the_end()) throw;
    }
    co_return value;
}

template <class Awaitable, class T = await_result_t<Awaitable>>
task<T> run_or_time_out(deadline_or_timeout limit, Awaitable awaitable) {
    auto value = co_await run_until(limit, std::move(awaitable));
    if (!value.has_value()) {
        throw std::system_error(std::make_error_code(std::errc::timed_out), "the deadline has passed");
    }
    co_return std::move(value).take();
}

template <class Awaitable, class T = await_result_t<Awaitable>>
task<std::conditional_t<std::is_void_v<T>, bool, std::optional<T>>> run_and_move_on(deadline_or_timeout limit,
                                                                                    Awaitable awaitable) {
    auto value = co_await run_until(limit, std::move(awaitable));
    if constexpr (std::is_void_v<T>) {
        co_return value.has_value();
    } else {
        std::optional<T> result;
        if (value.has_value()) result.emplace(std::move(value).take());
        co_return result;
    }
}

template <class Awaitable, class T = await_result_t<Awaitable>>
task<T> run_shielded(Awaitable awaitable) {
    const environment outer = co_await current_environment();
    cancel_scope scope;
    scope.attach_shielded(*outer.scope);
    co_await enter_scope(scope);
    co_return co_await std::move(awaitable);
}

}  // namespace detail

/// Awaits `awaitable` for `timeout` at the most; then cancels it, waits for its end and throws
/// `std::system_error` with `std::errc::timed_out`. When it finished all the same, its result is given: what
/// was received is never dropped. A timeout of zero or less lets it finish only if it need not wait longer than a turn.
template <class Rep, class Period, class Awaitable>
requires(!std::is_lvalue_reference_v<Awaitable>) auto with_timeout(std::chrono::duration<Rep, Period> timeout,
                                                                   Awaitable&& awaitable) {
    return detail::run_or_time_out<Awaitable>(detail::deadline_or_timeout(saturating_cast(timeout)),
                                              std::move(awaitable));
}

/// Like `with_timeout`, with an absolute time of the loop's clock.
template <class Awaitable>
requires(!std::is_lvalue_reference_v<Awaitable>) auto with_deadline(time_point deadline, Awaitable&& awaitable) {
    return detail::run_or_time_out<Awaitable>(detail::deadline_or_timeout(deadline), std::move(awaitable));
}

/// Like `with_timeout`, but running out of time is no error: gives an empty optional then. For a `void` awaitable
/// gives whether it finished.
template <class Rep, class Period, class Awaitable>
requires(!std::is_lvalue_reference_v<Awaitable>) auto move_on_after(std::chrono::duration<Rep, Period> timeout,
                                                                    Awaitable&& awaitable) {
    return detail::run_and_move_on<Awaitable>(detail::deadline_or_timeout(saturating_cast(timeout)),
                                              std::move(awaitable));
}

/// Awaits `awaitable` out of reach of the cancellation around it: for clean-up that has to wait. Give it a
/// deadline of its own, `shield(with_timeout(...))`, or it can hold up the end of the program.
template <class Awaitable>
requires(!std::is_lvalue_reference_v<Awaitable>) auto shield(Awaitable&& awaitable) {
    return detail::run_shielded<Awaitable>(std::move(awaitable));
}

}  // namespace sennit
