// One seed from its program to the verdict: the run, then the models, then what may be left when a world has ended.

#include "run_seed.hpp"

#include <chrono>
#include <exception>

#include <sennit/frame_pool.hpp>

#include "interpreter.hpp"
#include "model.hpp"
#include "network.hpp"

namespace sennit::swarm {

namespace {

/// Longer than everything that a program can take: it sleeps at most as often as it has steps, 17 s at most each.
constexpr duration longest_run = std::chrono::hours(10);

/// Longer than the peer needs to notice that nobody is at the other end any more: TCP, or its server, gives up.
constexpr duration longest_silence = std::chrono::minutes(30);

std::string judge(testing::sim_world& world, network& between, interpreter& tasks, const program& plan) {
    between.tested().spawn(tasks.run());
    const bool has_ended = world.run_for(longest_run);
    if (!between.found().first().empty()) return between.found().first();
    if (!has_ended) return "did not come to an end\n" + world.describe();
    between.peer().spawn(between.connections().all_ended());
    if (!world.run_for(longest_silence)) return "an end of a stream hangs\n" + world.describe();
    between.connections().must_have_ended_promptly();
    if (!between.found().first().empty()) return between.found().first();
    tasks.empty_channels();
    check_tasks(plan, tasks.seen());
    check_order(plan, tasks.seen());
    check_shared(plan, tasks.seen(), timing::exact);
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
        network between(world, plan);
        interpreter tasks(between, between.connections(), between.letters(), plan);
        try {
            result.complaint = judge(world, between, tasks, plan);
        } catch (const std::exception& what) {
            result.complaint = what.what();
        }
        world.end_tasks();
        result.story = describe(plan, tasks.seen());
        result.seen = tasks.seen();
        result.hash = world.trace_hash();
        result.faults = plan.faults.size();
        result.connections = between.connections().connections();
        result.bytes = between.connections().bytes();
        result.datagrams = between.letters().arrived();
    }
    const std::ptrdiff_t frames = sennit::detail::frame_pool::live() - frames_before;
    if (frames != 0 && result.complaint.empty()) result.complaint = std::to_string(frames) + " coroutine frames left";
    return result;
}

}  // namespace sennit::swarm
