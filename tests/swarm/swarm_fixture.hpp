#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "run_seed.hpp"

namespace sennit::swarm {

/// A test that runs seeds: its usual ones, or what the environment asks for.
///
/// SENNIT_SWARM_SEED=N runs the program of that seed alone and prints it; with SENNIT_SWARM_SECONDS=S as well, the
/// seeds from N on for a part of that time. `tests/run --seed N swarm` and `tests/run --fuzz S` set them.
class SwarmTest : public ::testing::Test {
  protected:
    static std::optional<std::uint64_t> variable(const char* name) {
        const char* const value = std::getenv(name);
        if (value == nullptr || *value == '\0') return std::nullopt;
        return std::strtoull(value, nullptr, 10);
    }

    /// `run(seed)` gives a verdict. `place` says where, and `alone` how often a seed is run that is asked for.
    template <class Run>
    void run_seeds(const std::string& place, std::uint64_t usual, std::uint64_t alone, unsigned percent, Run run) {
        const auto first = variable("SENNIT_SWARM_SEED");
        const auto seconds = variable("SENNIT_SWARM_SECONDS");
        if (first && !seconds) {
            std::printf("seed %llu%s\n%s", static_cast<unsigned long long>(*first), place.c_str(),
                        run(*first).story.c_str());
            for (std::uint64_t i = 0; i != alone && !HasFatalFailure(); ++i) judge(*first, place, run);
            return;
        }
        // Only how many seeds there are depends on the machine's clock.
        const auto start = std::chrono::steady_clock::now();
        const auto goes_on = [&](std::uint64_t done) {
            if (!seconds) return done != usual;
            return std::chrono::steady_clock::now() - start < std::chrono::milliseconds(10 * percent * *seconds);
        };
        for (std::uint64_t done = 0; goes_on(done) && !HasFatalFailure(); ++done) {
            judge(first.value_or(1) + done, place, run);
        }
    }

    void TearDown() override {
        RecordProperty("seeds", std::to_string(seeds_));
        RecordProperty("faults", std::to_string(faults_));
        RecordProperty("connections", std::to_string(connections_));
        RecordProperty("bytes", std::to_string(bytes_));
        RecordProperty("datagrams", std::to_string(datagrams_));
    }

  private:
    template <class Run>
    void judge(std::uint64_t seed, const std::string& place, Run& run) {
        // Said before, as a run that ends the program says nothing any more.
        std::printf("seed %llu%s\n", static_cast<unsigned long long>(seed), place.c_str());
        std::fflush(stdout);
        const verdict came_to = run(seed);
        ++seeds_;
        faults_ += came_to.faults;
        connections_ += came_to.connections;
        bytes_ += came_to.bytes;
        datagrams_ += came_to.datagrams;
        ASSERT_EQ(came_to.complaint, "") << came_to.story << "replay: tests/run --seed " << seed << " swarm";
    }

    std::uint64_t seeds_ = 0;
    std::uint64_t faults_ = 0;
    std::uint64_t connections_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t datagrams_ = 0;
};

}  // namespace sennit::swarm
