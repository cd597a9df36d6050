#pragma once

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

#include <sennit/environment.hpp>

namespace sennit::detail {

class promise_base;

/// A promise that carries an environment: that of `sennit::task`, or one derived from it.
template <class Promise>
concept environment_promise = std::derived_from<Promise, promise_base>;

template <class Awaitable>
concept has_member_co_await = requires(Awaitable&& awaitable) {
    std::forward<Awaitable>(awaitable).operator co_await();
};

template <class Awaitable>
decltype(auto) awaiter_of(Awaitable&& awaitable) {
    if constexpr (has_member_co_await<Awaitable>) {
        return std::forward<Awaitable>(awaitable).operator co_await();
    } else {
        return std::forward<Awaitable>(awaitable);
    }
}

/// What `co_await std::move(awaitable)` gives.
template <class Awaitable>
using await_result_t = decltype(awaiter_of(std::declval<std::remove_reference_t<Awaitable>&&>()).await_resume());

}  // namespace sennit::detail
