#pragma once

#include "program.hpp"
#include "record.hpp"

namespace sennit::swarm {

/// Holds what was seen of a run against what scopes, groups and time promise. Throws `disagreement`.
void check_tasks(const program& plan, const observations& seen);

/// The same for what tasks share: channels, mutexes and semaphores.
void check_shared(const program& plan, const observations& seen);

/// The program with what was seen of each step, for people.
std::string describe(const program& plan, const observations& seen);

}  // namespace sennit::swarm
