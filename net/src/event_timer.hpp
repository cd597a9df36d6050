#pragma once

#include <sennit/detail/timer.hpp>
#include <sennit/event.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/time.hpp>

namespace sennit::net::detail {

/// Sets an event when its time has come. Waiting for that event is then a wait with a timeout that takes no coroutine,
/// hence no memory: for those who must be able to wait when there is none.
class event_timer final : private sennit::detail::timer {
  public:
    event_timer(event_loop& loop, event& target) noexcept : loop_(loop), target_(target) {}
    ~event_timer() { loop_.disarm(*this); }

    /// From now on; an earlier time is forgotten.
    void start(duration timeout) noexcept {
        loop_.disarm(*this);
        loop_.arm(*this, saturating_add(loop_.now(), timeout));
    }

  private:
    void expire() noexcept override { target_.set(); }

    event_loop& loop_;
    event& target_;
};

}  // namespace sennit::net::detail
