#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sennit/cancel.hpp>
#include <sennit/detail/scope_entry.hpp>
#include <sennit/environment.hpp>
#include <sennit/task.hpp>

namespace sennit {

/// Tasks that run at the same time and end before the scope that made the group goes on. Made by `with_task_group`.
///
/// The first exception of a child cancels the others; it is thrown when all have ended. A child that was cancelled
/// is no failure.
class task_group final : public detail::task_owner {
  public:
    enum class on_failure {
        cancel_siblings,  ///< the first exception cancels the group and is thrown by its owner
        report,           ///< an exception is written to standard error, the others go on
    };

    /// For the library; programs use `with_task_group`. The group lives under `where.scope`.
    explicit task_group(environment where, on_failure policy = on_failure::cancel_siblings) noexcept
        : loop_(where.loop), policy_(policy) {
        scope_.attach(*where.scope);
    }
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
    ~task_group();

    /// Starts a task; its first turn comes after the caller suspends. May be called until the group has been joined.
    /// Throws `std::logic_error` when the task was awaited, spawned or moved away before.
    void spawn(task<> child) { spawn(std::move(child), *this); }

    /// For the library: the same, but `owner` hears of the end; it has to tell this group.
    void spawn(task<> child, detail::task_owner& owner) {
        const auto coroutine = child.release();
        detail::promise<void>& promise = coroutine.promise();
        promise.owner = &owner;
        promise.where = inner();
        promise.handle = coroutine;
        ++running_;
        loop_->schedule(promise);
    }

    /// Starts `function(arguments...)`, which returns a task. The function object and the arguments are kept until
    /// that task has ended, so a lambda with captures is safe here.
    template <class Function, class... Arguments>
    requires std::invocable<Function&, Arguments&...>
    void spawn(Function function, Arguments... arguments) {
        spawn(run_kept(std::move(function), std::move(arguments)...));
    }

    /// Cancels all children. The group can still be joined as usual; that it was cancelled is then no error.
    void cancel() noexcept { scope_.cancel(); }

    /// Children that have not ended.
    std::size_t size() const noexcept { return running_; }
    bool is_cancelled() const noexcept { return scope_.is_cancelled(); }
    cancel_scope& scope() noexcept { return scope_; }
    event_loop& loop() const noexcept { return *loop_; }

    // For the library.

    environment inner() noexcept { return {loop_, &scope_}; }
    /// Records how a child, or the body of the group, failed.
    void failed(std::exception_ptr error) noexcept;
    bool has_failed() const noexcept { return error_ != nullptr; }
    /// A child has ended.
    void child_ended(detail::promise<void>& child) noexcept override;
    /// Throws what the children's or the body's end calls for, once all have ended. Returns normally when nothing
    /// failed, and also when the group was cancelled by its own `cancel`.
    void rethrow();

    class join_awaiter final : public detail::waiter {
      public:
        explicit join_awaiter(task_group& group) noexcept : group_(group) {}
        bool await_ready() const noexcept { return group_.running_ == 0; }
        void await_suspend(detail::awaiting joiner) noexcept {
            // A cancelled scope takes nobody in, and yet there are children to wait for.
            static_cast<void>(enroll(joiner));
            group_.joiner_ = this;
        }
        void await_resume() const noexcept {}

        const char* waiting_for() const noexcept override { return "task group"; }
        detail::wait_details details() const noexcept override;
        /// The children are told as well, and end.
        void cancel_wait() noexcept override {}

      private:
        friend class task_group;
        task_group& group_;
    };

    /// Suspends until all children have ended. Cannot be cancelled: cancelling reaches the children, which end.
    join_awaiter join() noexcept { return join_awaiter(*this); }

  private:
    template <class Function, class... Arguments>
    static task<> run_kept(Function function, Arguments... arguments) {
        if constexpr (sizeof...(Arguments) == 0) {
            co_await function();
        } else {
            co_await std::apply(function, std::tie(arguments...));  // std::invoke, which <functional> is too much for
        }
    }

    event_loop* loop_;
    cancel_scope scope_;
    std::size_t running_ = 0;
    join_awaiter* joiner_ = nullptr;
    std::exception_ptr error_;
    on_failure policy_;
    bool child_cancelled_ = false;
};

inline detail::wait_details task_group::join_awaiter::details() const noexcept {
    detail::wait_details known;
    known.children = &group_.scope_;
    return known;
}

inline void task_group::child_ended(detail::promise<void>& child) noexcept {
    if (child.error != nullptr) [[unlikely]]
        failed(std::move(child.error));
    if (--running_ == 0 && joiner_ != nullptr) std::exchange(joiner_, nullptr)->resume_later();
}

namespace detail {

template <class Task>
using task_value_t = typename std::remove_cvref_t<Task>::value_type;

template <class Body>
task<task_value_t<std::invoke_result_t<Body&, task_group&>>> run_in_group(Body body) {
    using value_type = task_value_t<std::invoke_result_t<Body&, task_group&>>;
    const environment outer = co_await current_environment();
    task_group group(outer);
    optional_value<value_type> value;

    co_await enter_scope(group.scope());
    try {
        if constexpr (std::is_void_v<value_type>) {
            co_await body(group);
            value.emplace();
        } else {
            value.emplace(co_await body(group));
        }
    } catch (...) {
        group.failed(std::current_exception());
    }
    co_await enter_scope(*outer.scope);

    co_await group.join();
    group.rethrow();
    co_return std::move(value).take();
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool temporary_closures_are_safe = false;
#else
inline constexpr bool temporary_closures_are_safe = true;
#endif

/// Whether a callable of this type may be a temporary of a full-expression that contains co_await.
template <class Callable>
inline constexpr bool safe_in_co_await =
    temporary_closures_are_safe || std::is_lvalue_reference_v<Callable> || std::is_trivially_destructible_v<Callable>;

}  // namespace detail

/// Runs `body(group)`, a coroutine that may spawn tasks into the group, and waits until the body and all of them
/// have ended. Gives what the body returns. Throws the first exception of the body or of a child, after all
/// have ended; `cancelled` when the scope around it was cancelled and something ended because of that. When the group
/// was cancelled by `group.cancel()`, a body of type `task<>` returns normally; one with a value that did not return it
/// throws `std::system_error` (`operation_canceled`).
///
/// `co_await with_task_group([&](task_group& group) -> task<> { ... })`
template <class Body>
requires std::invocable < std::remove_reference_t<Body>
&, task_group& > auto with_task_group(Body&& body) {
    static_assert(detail::safe_in_co_await<Body>,
                  "g++ before 13 destroys a temporary lambda with such captures twice inside co_await: name the lambda "
                  "first and pass the name, or capture by reference only");
    return detail::run_in_group<Body>(std::forward<Body>(body));
}

}  // namespace sennit
