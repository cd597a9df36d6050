#pragma once

#include <cstdint>

#include <sennit/task.hpp>

#include "common/command_line.hpp"

namespace app {

/// Runs a demo on the backend it was asked for and gives the exit status for `main`: 0, or 1 after an exception, whose
/// text goes to standard error with a hint where there is one. Ctrl-C ends it as `sennit::run` says, with status 0.
int run(const loop_flags& flags, sennit::task<> program);
/// The same for a program that has an exit status of its own.
int run(const loop_flags& flags, sennit::task<int> program);

/// How many descriptors a demo may have open: `run` raises the limit that far.
std::uint64_t descriptor_limit();

}  // namespace app
