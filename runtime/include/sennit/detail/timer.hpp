#pragma once

#include <cassert>

#include <sennit/time.hpp>

namespace sennit::detail {

class timer_wheel;

/// The links of a timer. A type of its own because the heads of the wheel's lists are links without a timer.
class timer_link {
  public:
    timer_link() noexcept = default;
    timer_link(const timer_link&) = delete;
    timer_link& operator=(const timer_link&) = delete;

  private:
    friend class timer;
    friend class timer_wheel;

    timer_link* previous_ = nullptr;
    timer_link* next_ = nullptr;
};

/// Something that happens at a deadline. It lives in the awaiter, hence in the frame of the waiting
/// coroutine, so that arming it never allocates. It must be disarmed, by expiry or by `timer_wheel::cancel`,
/// before it ends.
class timer : public timer_link {
  public:
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;

    /// The deadline has passed. The wheel has let go of the timer: it may be armed again, or destroyed, from
    /// here.
    virtual void expire() noexcept = 0;

    /// True from `timer_wheel::arm` until the timer expires or is cancelled.
    bool armed() const noexcept { return next_ != nullptr; }

    /// The deadline it was constructed with or last armed for.
    time_point deadline() const noexcept { return deadline_; }

  protected:
    timer() noexcept = default;
    explicit timer(time_point deadline) noexcept : deadline_(deadline) {}
    /// A timer can be moved until it is armed, so that awaitables can be handed on; only the deadline goes
    /// along.
    timer(timer&& other) noexcept : timer_link(), deadline_(other.deadline_) { assert(!other.armed()); }
    ~timer() { assert(!armed()); }

  private:
    friend class timer_wheel;

    time_point deadline_ = no_deadline;
};

}  // namespace sennit::detail
