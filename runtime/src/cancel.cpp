// The tree of cancel scopes. Its one hard idea: a scope is marked before anyone in it is told, and each waiter is
// taken out of its list before it is told. So a waiter may leave or be queued at once, and whoever starts to wait
// later sees a scope that is cancelled already. Nobody is resumed from here.

#include <cassert>

#include <sennit/cancel.hpp>
#include <sennit/event_loop.hpp>

namespace sennit {

void cancel_token::throw_if_cancelled() const {
    if (cancelled()) throw sennit::cancelled();
}

cancel_scope::~cancel_scope() {
    assert(children_.empty() && waiters_.empty());
    unlink();
}

void cancel_scope::attach(cancel_scope& parent) noexcept {
    assert(parent_ == nullptr && children_.empty() && waiters_.empty());
    parent_ = &parent;
    cancelled_ = cancelled_ || parent.cancelled_;
    parent.children_.push_back(*this);
}

void cancel_scope::attach_shielded(cancel_scope& parent) noexcept {
    assert(parent_ == nullptr);
    parent_ = &parent;
    shielded_ = true;
    parent.children_.push_back(*this);
}

void cancel_scope::cancel() noexcept {
    if (cancelled_) return;
    tell_waiters();

    // Not recursive: scopes can be nested as deep as tasks. Those to visit are lent out of their parents' lists.
    detail::intrusive_list<cancel_scope, detail::scope_tag> below;
    below.splice_back(children_);
    while (!below.empty()) {
        cancel_scope& next = below.pop_front();
        next.parent_->children_.push_back(next);
        // One that was cancelled before told those under it then.
        if (next.cancelled_ || next.shielded_) continue;
        next.tell_waiters();
        below.splice_back(next.children_);
    }
}

void cancel_scope::tell_waiters() noexcept {
    cancelled_ = true;
    while (!waiters_.empty()) waiters_.pop_front().cancel_wait();
}

namespace detail {

void waiter::resume_later() noexcept {
    unlink();
    where().loop->schedule(*this);
}

}  // namespace detail

}  // namespace sennit
