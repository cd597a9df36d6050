#pragma once

#include <coroutine>
#include <cstddef>

#include <sennit/detail/wait_list.hpp>

namespace sennit {

/// A count of permits shared by coroutines of one loop. Fair: permits go to whoever has waited longest.
class semaphore {
  public:
    explicit semaphore(std::size_t permits) noexcept : available_(permits) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;

    class [[nodiscard]] acquire_awaiter final : public detail::list_waiter {
      public:
        explicit acquire_awaiter(semaphore& target) noexcept : list_waiter("semaphore"), target_(target) {}
        acquire_awaiter(acquire_awaiter&& other) noexcept : list_waiter("semaphore"), target_(other.target_) {}

        bool await_ready() noexcept { return target_.try_acquire(); }
        bool await_suspend(detail::awaiting coroutine) noexcept { return wait_in(target_.waiters_, coroutine); }
        void await_resume() const { throw_if_cancelled(); }

      private:
        semaphore& target_;
    };

    /// Takes a permit; suspends until there is one. Cancelling it takes none; when both coincide, it is taken.
    acquire_awaiter acquire() noexcept { return acquire_awaiter(*this); }

    /// Takes a permit if there is one.
    bool try_acquire() noexcept {
        if (available_ == 0) return false;
        --available_;
        return true;
    }

    /// Gives back permits, or adds them.
    void release(std::size_t permits = 1) noexcept {
        for (; permits != 0 && !waiters_.empty(); --permits) waiters_.pop_front().wake();
        available_ += permits;
    }

    std::size_t available() const noexcept { return available_; }

  private:
    detail::wait_list waiters_;
    std::size_t available_;
};

}  // namespace sennit
