// One seed from its program to the verdict: the run, then the models, then what may be left when a world has ended.

#include "run_seed.hpp"

#include <chrono>
#include <exception>

#include <sennit/frame_pool.hpp>

#include "interpreter.hpp"
#include "model.hpp"

namespace sennit::swarm {

namespace {

/// Longer than everything that a program can take: it sleeps at most as often as it has steps, 17 s at most each.
constexpr duration longest_run = std::chrono::hours(10);

std::string judge(testing::sim_world& world, network& streams, interpreter& tasks, const program& plan) {
    streams.tested().spawn(tasks.run());
    if (!world.run_for(longest_run)) return "did not come to an end\n" + world.describe();
    tasks.empty_channels();
    check_tasks(plan, tasks.seen());
    check_shared(plan, tasks.seen());
    if (!streams.complaint().empty()) return streams.complaint();
    world.end_tasks();
    return world.leaks();
}

}  // namespace

verdict run_seed(std::uint64_t seed) {
    verdict result;
    const program plan = generate(seed);
    const std::ptrdiff_t frames_before = sennit::detail::frame_pool::live();
    {
        testing::sim_options options;
        options.seed = seed;
        testing::sim_world world(options);
        network streams(world, plan);
        interpreter tasks(world, streams, plan);
        try {
            result.complaint = judge(world, streams, tasks, plan);
        } catch (const std::exception& what) {
            result.complaint = what.what();
        }
        world.end_tasks();
        result.story = describe(plan, tasks.seen());
        result.seen = tasks.seen();
        result.hash = world.trace_hash();
        result.faults = plan.faults.size();
        result.connections = streams.connections();
        result.bytes = streams.bytes();
    }
    const std::ptrdiff_t frames = sennit::detail::frame_pool::live() - frames_before;
    if (frames != 0 && result.complaint.empty()) result.complaint = std::to_string(frames) + " coroutine frames left";
    return result;
}

}  // namespace sennit::swarm
