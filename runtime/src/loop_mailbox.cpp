// Letters from other threads: a lock-free stack that the loop's thread takes whole and reverses. Only the thread
// that finds the stack empty wakes the loop, so a burst costs one wake-up. A mark that takes the place of the stack
// says that the loop is gone: so no letter can be left behind in a mailbox that nobody empties any more.

#include <utility>

#include "loop_mailbox.hpp"

#include <sennit/backend.hpp>

namespace sennit::detail {

loop_mailbox::~loop_mailbox() {
    throw_away();
}

bool mailbox::post(std::unique_ptr<letter> mail) {
    return static_cast<loop_mailbox&>(*this).add(std::move(mail));
}

bool loop_mailbox::add(std::unique_ptr<letter> mail) {
    letter* before = newest_.load(std::memory_order_relaxed);
    do {
        if (before == &closed_) return false;
        mail->next_ = before;
    } while (!newest_.compare_exchange_weak(before, mail.get(), std::memory_order_release, std::memory_order_relaxed));
    // The letter belongs to the loop from the exchange on: nothing of it may be touched any more.
    static_cast<void>(mail.release());
    if (before != nullptr) return true;

    const std::lock_guard lock(mutex_);
    if (backend_ != nullptr) backend_->wake();
    return true;
}

std::unique_ptr<letter> loop_mailbox::take() noexcept {
    if (oldest_ == nullptr) reverse(newest_.exchange(nullptr, std::memory_order_acquire));
    return take_rest();
}

std::unique_ptr<letter> loop_mailbox::take_rest() noexcept {
    letter* const first = oldest_;
    if (first != nullptr) oldest_ = std::exchange(first->next_, nullptr);
    return std::unique_ptr<letter>(first);
}

void loop_mailbox::close() noexcept {
    {
        const std::lock_guard lock(mutex_);
        backend_ = nullptr;
    }
    throw_away();
}

void loop_mailbox::reverse(letter* newest) noexcept {
    while (newest != nullptr) {
        letter* const next = std::exchange(newest->next_, oldest_);
        oldest_ = std::exchange(newest, next);
    }
}

void loop_mailbox::throw_away() noexcept {
    letter* const newest = newest_.exchange(&closed_, std::memory_order_acquire);
    if (newest != &closed_) reverse(newest);
    while (take_rest() != nullptr) {
    }
}

}  // namespace sennit::detail
