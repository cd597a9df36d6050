#pragma once

#include <coroutine>

#include <sennit/cancel.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/task.hpp>

namespace sennit {

namespace detail {

class yield_awaiter final : private ready_node {
  public:
    yield_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }

    template <environment_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
        const environment& where = coroutine.promise().where;
        scope_ = where.scope;
        handle = coroutine;
        return where.loop->schedule_after_others(*this);
    }

    void await_resume() const {
        if (scope_->is_cancelled()) [[unlikely]]
            throw cancelled();
    }

  private:
    const cancel_scope* scope_ = nullptr;
};

/// Gives the awaiting coroutine's loop. Never suspends.
class loop_awaiter final {
  public:
    loop_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <environment_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
        loop_ = coroutine.promise().where.loop;
        return false;
    }
    event_loop& await_resume() const noexcept { return *loop_; }

  private:
    event_loop* loop_ = nullptr;
};

/// Gives the token of the scope around the awaiting coroutine. Never suspends.
class token_awaiter final {
  public:
    token_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <environment_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
        scope_ = coroutine.promise().where.scope;
        return false;
    }
    cancel_token await_resume() const noexcept { return scope_->token(); }

  private:
    const cancel_scope* scope_ = nullptr;
};

}  // namespace detail

/// Lets everything else that is ready run first. Throws `cancelled` when the scope was cancelled meanwhile: a
/// cancel point for loops that never wait.
[[nodiscard("co_await it")]] inline detail::yield_awaiter yield() noexcept {
    return {};
}

/// `event_loop& loop = co_await current_loop();` Never suspends.
[[nodiscard("co_await it")]] inline detail::loop_awaiter current_loop() noexcept {
    return {};
}

/// `cancel_token token = co_await current_cancel_token();` Never suspends.
[[nodiscard("co_await it")]] inline detail::token_awaiter current_cancel_token() noexcept {
    return {};
}

}  // namespace sennit
