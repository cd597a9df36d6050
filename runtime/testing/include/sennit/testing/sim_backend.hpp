#pragma once

#include <sennit/backend.hpp>
#include <sennit/testing/sim_options.hpp>

namespace sennit::testing {

/// A simulated host that is alone in its world, for `event_loop`: sockets reach each other through 127.0.0.1, ::1 and
/// Unix names, and the clock jumps whenever everybody waits. When nothing can happen any more the program ends with
/// a report of what is waited for.
chosen_backend make_sim_backend(const sim_options& options = {});

}  // namespace sennit::testing
