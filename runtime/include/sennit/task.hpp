#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <sennit/detail/awaitable.hpp>
#include <sennit/detail/misuse.hpp>
#include <sennit/detail/promise_base.hpp>
#include <sennit/event_loop.hpp>

// Resuming one coroutine from another's await_suspend must not grow the stack: 10^6 awaits of a finished task would
// end the program. Clang and optimising g++ make it a jump; g++ with sanitizers or without sibling-call optimisation
// does not, and there the loop does the jump.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define SENNIT_TRAMPOLINE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SENNIT_TRAMPOLINE 1
#endif
#endif
#ifndef SENNIT_TRAMPOLINE
#define SENNIT_TRAMPOLINE 0
#endif

namespace sennit {

template <class T = void>
class task;
class task_group;

namespace detail {

/// Goes on with `next` when the await_suspend that returns this value has returned.
inline std::coroutine_handle<> transfer(event_loop& loop, std::coroutine_handle<> next) noexcept {
#if SENNIT_TRAMPOLINE
    loop.transfer_to(next);
    return std::noop_coroutine();
#else
    static_cast<void>(loop);
    return next;
#endif
}

template <class T>
class promise;

/// Hears of the end of the tasks it has spawned.
class task_owner {
  public:
    /// The task stands at its end; what it threw is in its promise. Its frame goes as soon as this returns, so nobody
    /// may be resumed from here.
    virtual void child_ended(promise<void>& child) noexcept = 0;

  protected:
    ~task_owner() = default;
};

/// The end of a task: the awaiting coroutine goes on, and destroys this one. A spawned task has nobody who would; it
/// runs on into the end of its own frame.
class final_awaiter {
  public:
    explicit final_awaiter(bool is_awaited) noexcept : is_awaited_(is_awaited) {}

    bool await_ready() const noexcept { return !is_awaited_; }

    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
        const Promise& promise = finished.promise();
        return transfer(*promise.where.loop, promise.handle);
    }

    void await_resume() const noexcept {}

  private:
    bool is_awaited_;
};

template <class T>
class promise final : public promise_base {
    static_assert(alignof(T) <= frame_alignment, "a coroutine frame has no place for a result so strictly aligned");

  public:
    promise() noexcept {}
    promise(const promise&) = delete;
    promise& operator=(const promise&) = delete;
    ~promise() {
        if (has_value_) std::destroy_at(&value_);
    }

    task<T> get_return_object() noexcept;
    final_awaiter final_suspend() const noexcept { return final_awaiter(true); }

    template <class U = T>
    requires std::constructible_from<T, U>
    void return_value(U&& value) noexcept(std::is_nothrow_constructible_v<T, U>) {
        std::construct_at(&value_, std::forward<U>(value));
        has_value_ = true;
    }

    T take() {
        if (error != nullptr) [[unlikely]]
            std::rethrow_exception(std::move(error));
        return std::move(value_);
    }

  private:
    union {
        T value_;
    };
    bool has_value_ = false;
};

template <class T>
class promise<T&> final : public promise_base {
  public:
    task<T&> get_return_object() noexcept;
    final_awaiter final_suspend() const noexcept { return final_awaiter(true); }
    void return_value(T& value) noexcept { value_ = std::addressof(value); }

    T& take() {
        if (error != nullptr) [[unlikely]]
            std::rethrow_exception(std::move(error));
        return *value_;
    }

  private:
    T* value_ = nullptr;
};

template <>
class promise<void> final : public promise_base {
  public:
    task<void> get_return_object() noexcept;
    final_awaiter final_suspend() noexcept {
        if (owner != nullptr) owner->child_ended(*this);
        return final_awaiter(owner == nullptr);
    }
    void return_void() const noexcept {}

    void take() {
        if (error != nullptr) [[unlikely]]
            std::rethrow_exception(std::move(error));
    }

    task_owner* owner = nullptr;  ///< set when the task was spawned instead of awaited
};

template <class T>
class task_awaiter final {
  public:
    explicit task_awaiter(std::coroutine_handle<promise<T>> child) noexcept : child_(child) {}

    bool await_ready() const noexcept { return false; }

    std::coroutine_handle<> await_suspend(awaiting parent) const noexcept {
        promise<T>& promise = child_.promise();
        promise.where = parent.where();
        promise.handle = parent;
        return transfer(*promise.where.loop, child_);
    }

    T await_resume() const { return child_.promise().take(); }

  private:
    std::coroutine_handle<promise<T>> child_;
};

}  // namespace detail

/// A coroutine that runs when it is awaited, inside the environment of the one that awaits it, and that returns
/// `T` or throws. A task is awaited once or given to a group once; one that is neither does nothing, which is an
/// error in the program and reported on standard error.
template <class T>
class [[nodiscard]] task {
  public:
    using promise_type = detail::promise<T>;
    using value_type = T;

    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        task moved(std::move(other));
        std::swap(coroutine_, moved.coroutine_);
        return *this;
    }
    ~task() {
        if (!coroutine_) return;
        if (coroutine_.promise().where.loop == nullptr) [[unlikely]]
            dropped();
        coroutine_.destroy();
    }

    /// Runs the task; suspends until it has ended. Throws what the task throws, and `std::logic_error` when it was
    /// awaited, spawned or moved away before.
    detail::task_awaiter<T> operator co_await() && {
        check_unused();
        return detail::task_awaiter<T>(coroutine_);
    }

    /// For the library: gives up the coroutine, which the caller must run to its end. Throws like `co_await`.
    std::coroutine_handle<promise_type> release() {
        check_unused();
        return std::exchange(coroutine_, nullptr);
    }

    /// For the library: the task will not run, and why is told elsewhere.
    void give_up() noexcept {
        if (coroutine_) std::exchange(coroutine_, nullptr).destroy();
    }

  private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}

    void check_unused() const {
        if (!coroutine_ || coroutine_.promise().where.loop != nullptr) [[unlikely]] {
            throw std::logic_error("sennit::task: used twice, or after it was moved away");
        }
    }

    static void dropped() noexcept {
        // An exception between making a task and awaiting it is no error of the program.
        if (std::uncaught_exceptions() == 0) {
            detail::report("a task was destroyed without having run; co_await it or spawn it into a group");
        }
    }

    std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

template <class T>
task<T> promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<promise>::from_promise(*this));
}

template <class T>
task<T&> promise<T&>::get_return_object() noexcept {
    return task<T&>(std::coroutine_handle<promise>::from_promise(*this));
}

inline task<void> promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

}  // namespace detail

}  // namespace sennit
