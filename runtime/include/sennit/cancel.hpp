#pragma once

#include <cstddef>
#include <source_location>
#include <vector>

#include <sennit/detail/intrusive_list.hpp>
#include <sennit/detail/promise_base.hpp>
#include <sennit/detail/ready_queue.hpp>
#include <sennit/environment.hpp>

namespace sennit {

/// Thrown out of a `co_await` when the scope around it was cancelled. It is not derived from `std::exception`, so
/// that `catch (const std::exception&)` around a request cannot swallow the end of the program. Catch it only to
/// clean up, and rethrow it.
class cancelled final {};

class cancel_scope;

namespace detail {

struct scope_tag;
struct listed_wait;

/// What a wait knows of what it waits for, beyond its name: for reports.
struct wait_details {
    int descriptor = -1;                     ///< that has to become ready
    const cancel_scope* children = nullptr;  ///< all that is under it has to end
    std::source_location held_since{};       ///< where it was locked; line 0 when nothing is held
    std::coroutine_handle<> holder{};        ///< who locked it; null when that is not known
};

/// Something a coroutine waits for that a scope can cancel: base of operations, timers and the waits of `event`,
/// `mutex`, `channel` and their like. It lives in the awaiter, hence in the frame of the waiting coroutine.
class waiter : public list_hook<scope_tag>, public ready_node {
  public:
    /// The scope was cancelled. The waiter has left the scope's list; it must see to it that its coroutine is
    /// resumed, now or when the kernel has let go of it.
    virtual void cancel_wait() noexcept = 0;

    /// What is waited for, in a word, for reports ("recv", "mutex").
    virtual const char* waiting_for() const noexcept = 0;

    /// What else is known of it.
    virtual wait_details details() const noexcept { return {}; }

    /// The environment of the coroutine, which does not change while it waits.
    const environment& where() const noexcept { return promise_of(handle).where; }

  protected:
    waiter() noexcept = default;
    ~waiter() = default;

    /// Joins the scope of `coroutine`. False when that scope is cancelled already: nothing may be waited for then.
    bool enroll(awaiting coroutine) noexcept;

    /// Leaves the scope and queues the coroutine behind those that are ready.
    void resume_later() noexcept;

    bool scope_cancelled() const noexcept;
};

/// Everything that is waited for under a scope, in the order of the tree.
std::vector<listed_wait> list_waits(const cancel_scope& root);

}  // namespace detail

/// A view of a scope through which code can ask whether it should stop. Cheap to copy; it must not outlive the scope.
class cancel_token {
  public:
    explicit cancel_token(const cancel_scope& scope) noexcept : scope_(&scope) {}

    /// True from the moment the scope or one around it is cancelled.
    bool cancelled() const noexcept;

    /// Throws `sennit::cancelled` when the scope is cancelled: a cancel point for code that computes for long.
    void throw_if_cancelled() const;

  private:
    const cancel_scope* scope_;
};

/// A node of the tree of things that are cancelled together. Single-threaded, without atomics or allocation.
/// Cancelling is a request and stays in force: whatever waits under the scope is asked to stop, and each later
/// wait under it throws `cancelled` at once. What was already complete keeps its result.
class cancel_scope : public detail::list_hook<detail::scope_tag> {
  public:
    /// A scope that nothing outside can cancel.
    cancel_scope() noexcept = default;
    /// A scope under `parent`; it starts out cancelled when `parent` is.
    explicit cancel_scope(cancel_scope& parent) noexcept { attach(parent); }
    ~cancel_scope();

    /// Puts a scope that has no parent yet under `parent`.
    void attach(cancel_scope& parent) noexcept;

    /// Puts a scope that has no parent yet under `parent` for reports alone: cancelling does not reach it from there.
    void attach_shielded(cancel_scope& parent) noexcept;

    /// Asks everything under this scope to stop. Calling it again has no effect.
    void cancel() noexcept;

    bool is_cancelled() const noexcept { return cancelled_; }
    cancel_scope* parent() const noexcept { return parent_; }
    cancel_token token() const noexcept { return cancel_token(*this); }

  private:
    friend class detail::waiter;
    friend std::vector<detail::listed_wait> detail::list_waits(const cancel_scope& root);

    void tell_waiters() noexcept;

    cancel_scope* parent_ = nullptr;
    bool cancelled_ = false;
    bool shielded_ = false;
    detail::intrusive_list<cancel_scope, detail::scope_tag> children_;
    detail::intrusive_list<detail::waiter, detail::scope_tag> waiters_;
};

inline bool cancel_token::cancelled() const noexcept {
    return scope_->is_cancelled();
}

namespace detail {
inline bool waiter::scope_cancelled() const noexcept {
    return where().scope->is_cancelled();
}

inline bool waiter::enroll(awaiting coroutine) noexcept {
    handle = coroutine;
    cancel_scope& scope = *coroutine.where().scope;
    if (scope.cancelled_) return false;
    scope.waiters_.push_back(*this);
    return true;
}
}  // namespace detail

}  // namespace sennit
