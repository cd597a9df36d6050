// Sleeping: a timer that resumes a coroutine.

#include <sennit/event_loop.hpp>
#include <sennit/sleep.hpp>

namespace sennit::detail {

bool sleep_awaiter::start(awaiting coroutine) noexcept {
    if (!enroll(coroutine)) {
        was_cancelled_ = true;
        return false;
    }
    event_loop& loop = *coroutine.where().loop;
    loop.arm(*this, is_relative_ ? saturating_add(loop.now(), relative_) : until_);
    return true;
}

void sleep_awaiter::cancel_wait() noexcept {
    where().loop->disarm(*this);
    was_cancelled_ = true;
    resume_later();
}

}  // namespace sennit::detail
