#pragma once

#include <cassert>
#include <coroutine>
#include <source_location>
#include <utility>

#include <sennit/detail/wait_list.hpp>

namespace sennit {

class mutex;

/// Ownership of a locked `mutex`; unlocks it when it ends.
class [[nodiscard]] mutex_lock {
  public:
    mutex_lock() noexcept = default;
    mutex_lock(mutex_lock&& other) noexcept;
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
        lock_awaiter(mutex& target, std::source_location place) noexcept
            : list_waiter("mutex"), target_(target), place_(place) {}
        lock_awaiter(lock_awaiter&& other) noexcept
            : list_waiter("mutex"), target_(other.target_), place_(other.place_) {}

        // Also a free mutex is taken in `await_suspend`, which is told who takes it.
        bool await_ready() const noexcept { return false; }
        bool await_suspend(detail::awaiting coroutine) noexcept {
            if (target_.locked_) return wait_in(target_.waiters_, coroutine);
            target_.locked_ = true;
            handle = coroutine;
            return false;
        }
        mutex_lock await_resume() const {
            throw_if_cancelled();
            target_.held_since_ = place_;
            target_.holder_ = handle;
            return mutex_lock(target_);
        }

        detail::wait_details details() const noexcept override { return target_.details(); }

      private:
        mutex& target_;
        std::source_location place_;
    };

    /// Suspends until the mutex is this coroutine's; not at all when it is free. When cancelling and
    /// getting it coincide, it is got.
    lock_awaiter lock(std::source_location place = std::source_location::current()) noexcept {
        return lock_awaiter(*this, place);
    }

    /// The lock if the mutex is free, otherwise an empty one.
    mutex_lock try_lock(std::source_location place = std::source_location::current()) noexcept {
        if (locked_) return {};
        locked_ = true;
        held_since_ = place;
        holder_ = nullptr;
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

    detail::wait_details details() const noexcept {
        detail::wait_details known;
        known.held_since = held_since_;
        known.holder = holder_;
        return known;
    }

    detail::wait_list waiters_;
    bool locked_ = false;
    // For reports. The coroutine is only named while its lock has not been moved: so long it cannot have ended.
    std::source_location held_since_;
    std::coroutine_handle<> holder_;
};

inline mutex_lock::mutex_lock(mutex_lock&& other) noexcept : owned_(std::exchange(other.owned_, nullptr)) {
    if (owned_ != nullptr) owned_->holder_ = nullptr;
}

inline void mutex_lock::unlock() noexcept {
    if (owned_ != nullptr) std::exchange(owned_, nullptr)->unlock();
}

}  // namespace sennit
