#pragma once

#include <coroutine>

#include <sennit/detail/wait_list.hpp>

namespace sennit {

/// A flag that coroutines can wait for. It stays set until `reset`. For one thread; other threads set it by
/// `event_loop::post`.
class event {
  public:
    event() noexcept = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;

    bool is_set() const noexcept { return set_; }

    /// Sets the flag and wakes all who wait.
    void set() noexcept {
        set_ = true;
        while (!waiters_.empty()) waiters_.pop_front().wake();
    }

    /// Clears the flag. Those woken by an earlier `set` go on nevertheless.
    void reset() noexcept { set_ = false; }

    class [[nodiscard]] wait_awaiter final : public detail::list_waiter {
      public:
        explicit wait_awaiter(event& target) noexcept : list_waiter("event"), target_(target) {}
        wait_awaiter(wait_awaiter&& other) noexcept : list_waiter("event"), target_(other.target_) {}

        bool await_ready() const noexcept { return target_.set_; }
        bool await_suspend(detail::awaiting coroutine) noexcept { return wait_in(target_.waiters_, coroutine); }
        void await_resume() const { throw_if_cancelled(); }

      private:
        event& target_;
    };

    /// Suspends until the flag is set; not at all when it is. Cancelling it has no effect on the flag.
    wait_awaiter wait() noexcept { return wait_awaiter(*this); }

  private:
    detail::wait_list waiters_;
    bool set_ = false;
};

}  // namespace sennit
