#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <source_location>

#include <sennit/detail/awaitable.hpp>
#include <sennit/detail/ready_queue.hpp>
#include <sennit/environment.hpp>
#include <sennit/frame_pool.hpp>

namespace sennit::detail {

/// What all promises share. The inherited `handle` is whom to resume: the awaiting coroutine at the end of this one,
/// or, for a spawned task, this coroutine itself when its first turn comes.
class promise_base : public ready_node {
  public:
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { frame_pool::deallocate(frame, size); }

    std::suspend_always initial_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }

    environment where;
    std::exception_ptr error;
};

// `promise_of` finds the promise in a frame whose type it does not know: every promise of this library begins with a
// `promise_base`, and none is aligned so strictly that it would stand elsewhere in its frame.
inline constexpr std::size_t frame_alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

inline promise_base& promise_of(std::coroutine_handle<> coroutine) noexcept {
    return std::coroutine_handle<promise_base>::from_address(coroutine.address()).promise();
}

/// A coroutine that begins to wait: what `await_suspend` is given. Made of a handle right where the `co_await` stands,
/// so the default argument is that place. Keeping it costs a store.
class awaiting final {
  public:
    template <environment_promise Promise>
    awaiting(std::coroutine_handle<Promise> coroutine,
             std::source_location place = std::source_location::current()) noexcept
        : coroutine_(coroutine) {
        std::construct_at(&coroutine.promise().place, place);
    }

    const environment& where() const noexcept { return promise_of(coroutine_).where; }
    operator std::coroutine_handle<>() const noexcept { return coroutine_; }

  private:
    std::coroutine_handle<> coroutine_;
};

}  // namespace sennit::detail
