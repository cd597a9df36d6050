// Letters from other threads: a lock-free stack that the loop's thread takes whole and reverses. Only the thread
// that finds the stack empty wakes the loop, so a burst costs one wake-up.

#include <utility>

#include <sennit/backend.hpp>
#include <sennit/detail/mailbox.hpp>

namespace sennit::detail {

mailbox::~mailbox() {
    while (take() != nullptr) {
    }
}

bool mailbox::post(std::unique_ptr<letter> mail) {
    letter* const added = mail.release();
    // The letter belongs to the loop from the exchange on: nothing of it may be touched afterwards.
    letter* before = newest_.load(std::memory_order_relaxed);
    do {
        added->next_ = before;
    } while (!newest_.compare_exchange_weak(before, added, std::memory_order_release, std::memory_order_relaxed));
    if (before != nullptr) return true;

    const std::lock_guard lock(mutex_);
    if (backend_ == nullptr) return false;  // the destructor of the mailbox frees the letter
    backend_->wake();
    return true;
}

std::unique_ptr<letter> mailbox::take() noexcept {
    if (oldest_ == nullptr) {
        letter* mail = newest_.exchange(nullptr, std::memory_order_acquire);
        while (mail != nullptr) {
            letter* const next = std::exchange(mail->next_, oldest_);
            oldest_ = std::exchange(mail, next);
        }
    }
    return take_rest();
}

std::unique_ptr<letter> mailbox::take_rest() noexcept {
    letter* const first = oldest_;
    if (first != nullptr) oldest_ = std::exchange(first->next_, nullptr);
    return std::unique_ptr<letter>(first);
}

void mailbox::close() noexcept {
    const std::lock_guard lock(mutex_);
    backend_ = nullptr;
}

}  // namespace sennit::detail
