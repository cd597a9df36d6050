// The swarm: random programs of tasks, scopes, shared things, streams and datagrams under faults, each judged by a
// model.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "swarm_fixture.hpp"

namespace sennit::swarm {
namespace {

constexpr std::uint64_t usual_seeds = 1500;
constexpr std::uint64_t run_twice_every = 10;
constexpr unsigned share = 50;  // percent of the time that there is

class Swarm : public SwarmTest {};

TEST_F(Swarm, RandomProgramsKeepEveryPromise) {
    const auto run = [](std::uint64_t seed) {
        verdict once = run_seed(seed);
        if (seed % run_twice_every != 0 || !once.complaint.empty()) return once;
        const verdict again = run_seed(seed);
        if (once.hash != again.hash || once.story != again.story) {
            once.complaint = "it came out differently the second time:\n" + again.story;
        }
        return once;
    };
    run_seeds("", usual_seeds, 1, share, run);
}

TEST(SwarmSeed, GivesTheSameRunWithEveryCompilerAndInEveryKindOfBuild) {
    const verdict run = run_seed(53);
    EXPECT_GT(run.bytes, 0u) << "a run without streams shows little";
    EXPECT_GT(run.datagrams, 0u);
    EXPECT_EQ(run.hash, 7849002175752168811u);
}

}  // namespace
}  // namespace sennit::swarm
