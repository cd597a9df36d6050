#pragma once

#include <string>

namespace sennit::testing::sim {

class network;

/// How the report of a run begins in which there are neither events nor timers left.
inline const std::string nothing_can_happen = "everybody waits and nothing can happen any more\n";

/// What every host waits for, a line each, and a cycle of waiting if there is one.
std::string describe_waits(const network& net);

}  // namespace sennit::testing::sim
