#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "record.hpp"

namespace sennit::swarm {

/// What a run came to.
struct verdict {
    std::string complaint;  ///< empty: everything was as promised
    std::string story;      ///< the program, and what was seen of each step
    observations seen;
    std::uint64_t hash = 0;
    std::size_t faults = 0;
    std::uint64_t connections = 0;
    std::uint64_t bytes = 0;
};

/// Runs the program of a seed in a simulated world of its own and judges what happened.
verdict run_seed(std::uint64_t seed);

}  // namespace sennit::swarm
