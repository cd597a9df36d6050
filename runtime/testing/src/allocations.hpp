#pragma once

#include <functional>

namespace sennit::testing::sim {

/// Decides of an allocation whether it fails. It must not allocate. An empty one lets all be.
using allocation_judge = std::function<bool()>;

/// While it exists, what this thread allocates is allocated by somebody: by the programs of a host, of which a judge
/// decides, or by the simulation, which has none. The innermost one counts.
class allocations_by {
  public:
    explicit allocations_by(const allocation_judge* judge) noexcept;
    allocations_by(const allocations_by&) = delete;
    allocations_by& operator=(const allocations_by&) = delete;
    ~allocations_by();

  private:
    const allocation_judge* around_;
};

/// Whether this program has the operators of <sennit/testing/allocation_failures.hpp>.
bool allocations_are_seen();

}  // namespace sennit::testing::sim
