#pragma once

#include <cassert>
#include <coroutine>
#include <utility>

#include <sennit/detail/wait_list.hpp>

namespace sennit {

class mutex;

/// Ownership of a locked `mutex`; unlocks it when it ends.
class [[nodiscard]] mutex_lock {
  public:
    mutex_lock() noexcept = default;
    mutex_lock(mutex_lock&& other) noexcept : owned_(std::exchange(other.owned_, nullptr)) {}
    mutex_lock& operator=(mutex_lock&& other) noexcept {
        mutex_lock moved(std::move(other));
        std::swap(owned_, moved.owned_);
        return *this;
    }
    ~mutex_lock() { unlock(); }

    /// Unlocks early. Nothing happens when nothing is locked.
    void unlock() noexcept;
    explicit operator bool() const noexcept { return owned_ != nullptr; }

  private:
    friend class mutex;
    explicit mutex_lock(mutex& owned) noexcept : owned_(&owned) {}

    mutex* owned_ = nullptr;
};

/// Mutual exclusion between coroutines of one loop, across their suspensions. Fair: it is handed to whoever has
/// waited longest.
class mutex {
  public:
    mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    class [[nodiscard]] lock_awaiter final : public detail::list_waiter {
      public:
        explicit lock_awaiter(mutex& target) noexcept : list_waiter("mutex"), target_(target) {}
        lock_awaiter(lock_awaiter&& other) noexcept : list_waiter("mutex"), target_(other.target_) {}

        bool await_ready() noexcept {
            if (target_.locked_) return false;
            target_.locked_ = true;
            return true;
        }
        bool await_suspend(detail::awaiting coroutine) noexcept { return wait_in(target_.waiters_, coroutine); }
        mutex_lock await_resume() const {
            throw_if_cancelled();
            return mutex_lock(target_);
        }

      private:
        mutex& target_;
    };

    /// Suspends until the mutex is this coroutine's; not at all when it is free. When cancelling and
    /// getting it coincide, it is got.
    lock_awaiter lock() noexcept { return lock_awaiter(*this); }

    /// The lock if the mutex is free, otherwise an empty one.
    mutex_lock try_lock() noexcept {
        if (locked_) return {};
        locked_ = true;
        return mutex_lock(*this);
    }

    bool is_locked() const noexcept { return locked_; }

  private:
    friend class mutex_lock;
    void unlock() noexcept {
        assert(locked_);
        if (waiters_.empty()) {
            locked_ = false;
        } else {
            waiters_.pop_front().wake();  // it stays locked: it has passed to the one that is woken
        }
    }

    detail::wait_list waiters_;
    bool locked_ = false;
};

inline void mutex_lock::unlock() noexcept {
    if (owned_ != nullptr) std::exchange(owned_, nullptr)->unlock();
}

}  // namespace sennit
