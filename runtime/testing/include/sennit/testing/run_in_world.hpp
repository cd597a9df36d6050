#pragma once

// To be included by one file of a test program, and one only: it defines what every form of `sennit::run` comes to, in
// place of the library's own. Programs that the test program calls by `sim_programs` then run in their world.

#include <utility>

#include <sennit/run.hpp>
#include <sennit/testing/sim_programs.hpp>

/// The backend is the world's, whatever the options say.
int sennit::detail::run_main(task<int> main, const event_loop_options&) {
    return testing::sim_programs::run_in_world(std::move(main));
}

int sennit::detail::run_main(task<> main, const event_loop_options&) {
    return testing::sim_programs::run_in_world(with_exit_status(std::move(main)));
}
