#pragma once

#include <coroutine>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <sennit/detail/awaitable.hpp>
#include <sennit/task.hpp>

namespace sennit {

/// A value or the error that stands in its place: what `co_await as_result(...)` gives.
template <class T>
class [[nodiscard]] result {
  public:
    using value_type = T;
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    result(stored value) : value_(std::move(value)) {}
    result() requires std::is_void_v<T> : value_(std::in_place) {}
    result(std::error_code error) noexcept : error_(error) {}

    bool has_value() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    /// The error; one that compares equal to no error when there is a value.
    std::error_code error() const noexcept { return error_; }

    /// The value; throws the error as a `std::system_error` when there is none.
    stored& value() & {
        if (!has_value()) throw std::system_error(error_);
        return *value_;
    }
    const stored& value() const& { return const_cast<result&>(*this).value(); }
    stored value() && { return std::move(value()); }

    /// The value, which must be there.
    stored& operator*() noexcept { return *value_; }
    const stored& operator*() const noexcept { return *value_; }
    stored* operator->() noexcept { return &*value_; }
    const stored* operator->() const noexcept { return &*value_; }

  private:
    // Two members where a variant would do: it takes a third of the time to compile.
    std::optional<stored> value_;
    std::error_code error_;
};

namespace detail {

template <class Operation>
class result_awaiter final {
  public:
    explicit result_awaiter(Operation&& operation) : operation_(std::move(operation)) {}
    bool await_ready() noexcept { return operation_.await_ready(); }
    auto await_suspend(awaiting coroutine) noexcept { return operation_.await_suspend(coroutine); }
    auto await_resume() { return operation_.await_result(); }

  private:
    Operation operation_;
};

template <class Awaitable>
task<result<await_result_t<Awaitable>>> catch_error(Awaitable awaitable) {
    using value_type = await_result_t<Awaitable>;
    std::error_code error;
    try {
        if constexpr (std::is_void_v<value_type>) {
            co_await std::move(awaitable);
            co_return result<void>();
        } else {
            value_type value = co_await std::move(awaitable);
            co_return result<value_type>(std::move(value));
        }
    } catch (const std::system_error& thrown) {
        error = thrown.code();
    }
    co_return result<value_type>(error);
}

}  // namespace detail

/// `co_await as_result(stream.recv(buffer))`: the same operation, but a `std::system_error` comes back as a
/// `result` instead of being thrown. Cancellation is still thrown, as are exceptions of other types.
template <class Awaitable>
requires(!std::is_lvalue_reference_v<Awaitable>) [[nodiscard("co_await it")]] auto as_result(Awaitable&& awaitable) {
    if constexpr (requires { awaitable.await_result(); }) {
        return detail::result_awaiter<Awaitable>(std::move(awaitable));
    } else {
        return detail::catch_error<Awaitable>(std::move(awaitable));
    }
}

}  // namespace sennit
