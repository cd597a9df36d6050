#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>

#include <sennit/task.hpp>
#include <sennit/testing/sim_world.hpp>

namespace sennit::testing {

/// What is run again and again. It is given a fresh world and a host of it, "tested" with the address 10.0.0.1, adds
/// whatever other hosts and tasks it needs, and is itself the task that is disturbed.
using scenario = std::function<task<>(sim_world& world, sim_host& tested)>;

/// How a scenario is explored.
struct explore_options {
    std::uint64_t seed = 1;
    /// Is called after each run, when every task has ended: the place for the invariants of what is tested. It throws
    /// what it does not like.
    std::function<void()> check;
    /// So many runs are enough; reaching it is an error, as something is left that was not tried.
    std::size_t most_runs = 100'000;
};

/// Thrown when a run broke a promise. The text says which run, so that it can be had again, and which promise.
class violation : public std::logic_error {
  public:
    using std::logic_error::logic_error;
};

/// Runs the scenario undisturbed, then cancels it at the first moment at which somebody outside could, then at the
/// second, and so on until it ends without having got there. Such moments are all those at which none of the host's
/// coroutines runs: after each suspension, whatever it waits for, which is before the next coroutine is resumed; before
/// the operations of a turn of the loop are tried; and when their results are there and nobody has seen them yet.
///
/// Each run must end, by `cancelled` or as if nothing had happened; at its end no descriptor may be open, no operation
/// in flight, no coroutine frame left. Returns how many runs there were. Throws `violation`; when a run ends the
/// program, standard error has which one it was.
std::size_t for_each_cancellation_point(const scenario& test, const explore_options& options = {});

/// The same with failures: the first operation of the host fails, then the second, and so on, with an error that a
/// kernel gives for such an operation. Each run must end, normally or with a `std::system_error`, and leave nothing.
std::size_t for_each_failure(const scenario& test, const explore_options& options = {});

/// The same with memory: the first allocation that the host's programs make while the scenario runs fails, by
/// `std::bad_alloc`, then the second, and so on. Those of the library under them count, and each coroutine frame counts
/// as an allocation, although frames are pooled otherwise; those of the simulation and of other hosts never fail. Each
/// run must end, normally, with `std::bad_alloc`, or with a `std::system_error` of `std::errc::not_enough_memory`, and
/// leave nothing.
///
/// One source file of the program must include <sennit/testing/allocation_failures.hpp>. Throws `std::logic_error`
/// that says so when none does.
std::size_t for_each_allocation_failure(const scenario& test, const explore_options& options = {});

/// For the operators of <sennit/testing/allocation_failures.hpp>, on any thread: counts an allocation; true when it has
/// to fail.
bool allocation_fails() noexcept;

}  // namespace sennit::testing
