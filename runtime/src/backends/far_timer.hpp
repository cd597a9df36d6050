#pragma once

#include <chrono>

#include <sennit/time.hpp>

namespace sennit {

/// A timer of the kernel's that stays set over many sleeps. A sleep with a limit has the kernel set up a timer and take
/// it down again, half a microsecond of the ten that a message costs which comes alone; but the next deadline of a
/// server is mostly that of an idle connection, minutes away. Whoever sleeps until then can do so without a limit as
/// long as this timer ends the sleep in time. It may end it too early: then the loop has nothing to do once.
class far_timer {
  public:
    /// Deadlines that are nearer are not worth setting it.
    static constexpr duration far = std::chrono::milliseconds(50);

    /// Without a descriptor left for it, it is never set.
    far_timer() noexcept;
    far_timer(const far_timer&) = delete;
    far_timer& operator=(const far_timer&) = delete;
    ~far_timer();

    /// Becomes readable, with an edge, when the time has come; -1 if there is none. Nobody needs to read it.
    int descriptor() const noexcept { return descriptor_; }
    /// The descriptor has told so.
    void has_ended() noexcept { set_for_ = no_deadline; }

    /// Whether a sleep without a limit ends at `deadline` at the latest.
    bool ends_by(time_point deadline) const noexcept { return set_for_ <= deadline; }
    /// Sets it anew. False when that failed.
    bool set(time_point deadline) noexcept;

  private:
    int descriptor_;
    time_point set_for_ = no_deadline;
};

}  // namespace sennit
