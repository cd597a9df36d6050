#pragma once

#include <sennit/time.hpp>

namespace sennit::detail {

/// How many coroutines a turn of the loop resumes before it looks at the kernel and the timers again: as many as take
/// about half a millisecond. So a look, which costs a microsecond or so, is cheap for tasks that do little between two
/// yields, and those that compute for long hold nobody up for much longer than they would by themselves.
class turn_budget {
  public:
    int resumptions() const noexcept { return resumptions_; }

    /// A turn has come to the limit at `now`, and more are ready.
    void used_up(time_point now) noexcept;
    /// A turn has not: few were ready, which is no reason to let fewer than a few share a turn.
    void not_used_up() noexcept {
        one_after_another_ = false;
        if (resumptions_ < few) resumptions_ = few;
    }

  private:
    static constexpr int few = 8;

    int resumptions_ = few;
    bool one_after_another_ = false;  ///< the turn before this one came to the limit too, at `last_`
    time_point last_{};
};

}  // namespace sennit::detail
