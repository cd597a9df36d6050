#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <sennit/detail/awaitable.hpp>
#include <sennit/environment.hpp>
#include <sennit/task.hpp>

namespace sennit::detail {

/// `co_await current_environment()`: the awaiting coroutine's own environment. Never suspends.
class environment_awaiter final {
  public:
    environment_awaiter() noexcept {}
    bool await_ready() const noexcept { return false; }

    template <environment_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
        where_ = coroutine.promise().where;
        return false;
    }

    environment await_resume() const noexcept { return where_; }

  private:
    environment where_;
};

inline environment_awaiter current_environment() noexcept {
    return {};
}

/// `co_await enter_scope(scope)`: what the coroutine awaits from now on is cancelled by `scope`. Never suspends.
class enter_scope final {
  public:
    explicit enter_scope(cancel_scope& scope) noexcept : scope_(&scope) {}
    bool await_ready() const noexcept { return false; }

    template <environment_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) const noexcept {
        coroutine.promise().where.scope = scope_;
        return false;
    }

    void await_resume() const noexcept {}

  private:
    cancel_scope* scope_;
};

/// A value that may not have come about, `void` included.
template <class T>
class optional_value {
  public:
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate,
                                      std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;

    template <class... Arguments>
    void emplace(Arguments&&... arguments) {
        if constexpr (std::is_reference_v<T>) {
            value_.emplace(std::addressof(arguments)...);
        } else {
            value_.emplace(std::forward<Arguments>(arguments)...);
        }
    }

    bool has_value() const noexcept { return value_.has_value(); }

    /// The value. Without one: nothing for `void`, otherwise `operation_canceled`, as only a cancel leaves none.
    T take() && {
        if constexpr (std::is_void_v<T>) {
            return;
        } else {
            if (!value_) {
                throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                                        "the group was cancelled before its body returned a value");
            }
            if constexpr (std::is_reference_v<T>) {
                return **value_;
            } else {
                return *std::move(value_);
            }
        }
    }

  private:
    std::optional<stored> value_;
};

}  // namespace sennit::detail
