#pragma once

#include <string>

namespace sennit::testing::sim {

class network;

/// What the sockets of all hosts wait for, a line each, and a cycle of waiting if there is one.
std::string describe_sockets(const network& net);

}  // namespace sennit::testing::sim
