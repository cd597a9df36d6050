#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sennit/event_loop_options.hpp>

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
    std::uint64_t bytes = 0;      // on streams
    std::uint64_t datagrams = 0;  // that arrived
};

/// Runs the program of a seed in a simulated world of its own and judges what happened.
verdict run_seed(std::uint64_t seed);

/// Runs it in a hurry and without faults on a backend of this machine. Throws `std::system_error` when that cannot be
/// had. The machine decides what happens when: twice the same seed is twice the same program, but not the same run.
verdict run_on_machine(std::uint64_t seed, backend_kind backend);

}  // namespace sennit::swarm
