#pragma once

#include <coroutine>
#include <source_location>

namespace sennit::detail {

/// What the loop can resume: a coroutine handle and the link that queues it. It lives in the awaiter or in the
/// promise, so that making something ready never allocates.
struct ready_node {
    ready_node() noexcept {}

    union {
        ready_node* next_ready = nullptr;  ///< while it is queued
        std::source_location place;        ///< in a promise, while the coroutine waits: where, for reports
    };
    std::coroutine_handle<> handle;
};

/// The coroutines that can go on, first in, first out.
class ready_queue {
  public:
    bool empty() const noexcept { return head_ == nullptr; }

    void push(ready_node& node) noexcept {
        node.next_ready = nullptr;
        *(head_ == nullptr ? &head_ : &tail_->next_ready) = &node;
        tail_ = &node;
    }

    ready_node& pop() noexcept {
        ready_node& first = *head_;
        head_ = first.next_ready;
        return first;
    }

  private:
    ready_node* head_ = nullptr;
    ready_node* tail_ = nullptr;
};

}  // namespace sennit::detail
