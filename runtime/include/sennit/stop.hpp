#pragma once

#include <cstddef>

#include <sennit/event.hpp>

namespace sennit {

/// The polite request to end: finish what has been accepted, take nothing new. `sennit::run` makes it at the first
/// SIGINT or SIGTERM; a program may make it too. It is not a cancellation: what runs goes on.
///
/// Whoever has something to finish (`net::serve` has) holds a `drain_guard`. When the request was made and no guard
/// is left, `sennit::run` cancels the main task.
class stop_state {
  public:
    stop_state() noexcept { drained_.set(); }

    /// Makes the request. Making it again has no effect.
    void request() noexcept { requested_.set(); }
    bool requested() const noexcept { return requested_.is_set(); }

    /// Suspends until the request is made; not at all when it has been.
    event::wait_awaiter requested_event() noexcept { return requested_.wait(); }

    /// Suspends until nobody drains.
    event::wait_awaiter drained() noexcept { return drained_.wait(); }

    class drain_guard {
      public:
        explicit drain_guard(stop_state& state) noexcept : state_(state) {
            if (state_.draining_++ == 0) state_.drained_.reset();
        }
        drain_guard(const drain_guard&) = delete;
        drain_guard& operator=(const drain_guard&) = delete;
        ~drain_guard() {
            if (--state_.draining_ == 0) state_.drained_.set();
        }

      private:
        stop_state& state_;
    };

  private:
    event requested_;
    event drained_;
    std::size_t draining_ = 0;
};

}  // namespace sennit
