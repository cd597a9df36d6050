#pragma once

#include <functional>

#include <sennit/time.hpp>

namespace sennit::swarm {

/// Where a program runs: its clock, and what may go wrong there.
class surroundings {
  public:
    surroundings() = default;
    surroundings(const surroundings&) = delete;
    surroundings& operator=(const surroundings&) = delete;

    virtual time_point now() = 0;
    /// Calls `what` when so much time has passed.
    virtual void after(duration delay, std::function<void()> what) = 0;
    /// Nothing goes wrong any more, and nothing will.
    virtual bool is_quiet() const = 0;
    /// A datagram that is sent now may arrive twice.
    virtual bool may_double() const = 0;

  protected:
    ~surroundings() = default;
};

}  // namespace sennit::swarm
