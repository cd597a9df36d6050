// The swarm: random programs of tasks, scopes, shared things and streams under faults, each judged by a model.
//
// SENNIT_SWARM_SEED=N runs the program of that seed alone and prints it; with SENNIT_SWARM_SECONDS=S as well, the seeds
// from N on for so long. `tests/run --seed N swarm` and `tests/run --fuzz S` set them.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "run_seed.hpp"

namespace sennit::swarm {
namespace {

constexpr std::uint64_t usual_seeds = 1500;
constexpr std::uint64_t run_twice_every = 10;

std::optional<std::uint64_t> variable(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::strtoull(value, nullptr, 10);
}

class Swarm : public ::testing::Test {
  protected:
    void run(std::uint64_t seed) {
        // Said before, as a run that ends the program says nothing any more.
        std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
        std::fflush(stdout);
        const verdict once = run_seed(seed);
        ++seeds_;
        faults_ += once.faults;
        connections_ += once.connections;
        bytes_ += once.bytes;
        ASSERT_EQ(once.complaint, "") << once.story << "replay: tests/run --seed " << seed << " swarm";
        if (seed % run_twice_every != 0) return;
        const verdict again = run_seed(seed);
        ASSERT_EQ(once.hash, again.hash) << "seed " << seed << " came out differently the second time";
        ASSERT_EQ(once.story, again.story);
    }

    void TearDown() override {
        RecordProperty("seeds", std::to_string(seeds_));
        RecordProperty("faults", std::to_string(faults_));
        RecordProperty("connections", std::to_string(connections_));
        RecordProperty("bytes", std::to_string(bytes_));
    }

  private:
    std::uint64_t seeds_ = 0;
    std::uint64_t faults_ = 0;
    std::uint64_t connections_ = 0;
    std::uint64_t bytes_ = 0;
};

TEST_F(Swarm, RandomProgramsKeepEveryPromise) {
    const auto first = variable("SENNIT_SWARM_SEED");
    const auto seconds = variable("SENNIT_SWARM_SECONDS");
    if (first && !seconds) {
        std::printf("%s", run_seed(*first).story.c_str());
        return run(*first);
    }
    // Only how many seeds there are depends on the machine's clock.
    const auto start = std::chrono::steady_clock::now();
    const auto goes_on = [&](std::uint64_t done) {
        if (!seconds) return done != usual_seeds;
        return std::chrono::steady_clock::now() - start < std::chrono::seconds(*seconds);
    };
    for (std::uint64_t done = 0; goes_on(done) && !HasFatalFailure(); ++done) run(first.value_or(1) + done);
}

TEST(SwarmSeed, GivesTheSameRunWithEveryCompilerAndInEveryKindOfBuild) {
    const verdict run = run_seed(2);
    EXPECT_GT(run.bytes, 0u) << "a run without streams shows little";
    EXPECT_EQ(run.hash, 10353114729338397155u);
}

}  // namespace
}  // namespace sennit::swarm
