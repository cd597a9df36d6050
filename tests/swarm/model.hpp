#pragma once

#include <cstdint>
#include <string>

#include "program.hpp"
#include "record.hpp"

namespace sennit::swarm {

/// How exact the times are that were seen.
enum class timing : std::uint8_t {
    exact,  ///< of a simulated world: to the nanosecond
    late,   ///< of a real machine: anything may have happened later than it should
};

/// Holds what was seen of a run with exact times against what scopes, groups and time promise. Throws `disagreement`.
void check_tasks(const program& plan, const observations& seen);

/// The same for whatever times there are.
void check_order(const program& plan, const observations& seen);

/// The same for what tasks share: channels, mutexes and semaphores.
void check_shared(const program& plan, const observations& seen, timing times);

/// The program with what was seen of each step, for people.
std::string describe(const program& plan, const observations& seen);

}  // namespace sennit::swarm
