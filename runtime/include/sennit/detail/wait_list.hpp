#pragma once

#include <cstddef>

#include <sennit/cancel.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/detail/intrusive_list.hpp>
#include <sennit/environment.hpp>
#include <sennit/task.hpp>

namespace sennit::detail {

struct wait_tag;

/// A coroutine that waits for another to do something: base of the waits of `event`, `mutex`, `semaphore` and
/// `channel`. It stands in the list of what it waits for; being woken or being cancelled takes it out.
class list_waiter : public waiter, public list_hook<wait_tag> {
  public:
    const char* waiting_for() const noexcept override { return name_; }

    /// What was waited for has happened: the coroutine is queued. Taken out of the list by the caller.
    void wake() noexcept { resume_later(); }

    void cancel_wait() noexcept override {
        list_hook<wait_tag>::unlink();
        was_cancelled_ = true;
        resume_later();
    }

  protected:
    explicit list_waiter(const char* name) noexcept : name_(name) {}
    ~list_waiter() = default;

    /// Joins `list` and the scope of `coroutine`. False, and neither, when the scope is cancelled.
    bool wait_in(intrusive_list<list_waiter, wait_tag>& list, awaiting coroutine) noexcept {
        if (!enroll(coroutine)) {
            was_cancelled_ = true;
            return false;
        }
        list.push_back(*this);
        return true;
    }

    void throw_if_cancelled() const {
        if (was_cancelled_) [[unlikely]]
            throw cancelled();
    }

  private:
    const char* name_;
    bool was_cancelled_ = false;
};

using wait_list = intrusive_list<list_waiter, wait_tag>;

}  // namespace sennit::detail
