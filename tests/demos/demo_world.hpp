#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include <sennit/frame_pool.hpp>
#include <sennit/sleep.hpp>
#include <sennit/testing/sim_programs.hpp>
#include <sennit/testing/sim_world.hpp>

#include "demos/mains.hpp"

namespace sennit::testing {

using namespace std::chrono_literals;

/// A server's host and two others, with demos to run on them.
class demo_world {
  public:
    explicit demo_world(std::uint64_t seed) : world(options(seed)) {
        link_options wide_area;
        wide_area.latency = 2ms;
        wide_area.jitter = 3ms;
        wide_area.bandwidth = 2'000'000;  // so that a transfer takes a while, and faults meet it
        wide_area.mtu = 1500;
        for (sim_host* each : {&near, &far}) world.set_link(server, *each, wide_area);
        world.set_link(near, far, wide_area);
    }

    sim_program& start(sim_host& host, sim_program::main_function main, std::vector<std::string> arguments = {}) {
        arguments.insert(arguments.begin(), "demo");
        return programs.add(host, std::move(main), std::move(arguments));
    }

    /// Transfers that move less than they could, and accepts that end, on every host.
    void disturb_system_calls() {
        for (sim_host* each : {&server, &near, &far}) {
            each->faults().short_receive = each->faults().short_send = 300'000;
            each->faults().multishot_end = 100'000;
        }
    }

    /// Nothing gets through between the server and `other` from then on, for so long.
    void partition_for(duration length, sim_host& other, duration from_then_on) {
        world.after(from_then_on, [&] { world.partition(server, other); });
        world.after(from_then_on + length, [&] { world.heal(server, other); });
    }

    /// Also when all clients have ended before.
    void lasts_at_least(duration length) {
        far.spawn([](duration time) -> task<> { co_await sleep_for(time); }(length));
    }

    /// Runs everything; `out` and `err` have what was printed then.
    void run() {
        ::testing::internal::CaptureStdout();
        ::testing::internal::CaptureStderr();
        try {
            programs.run();
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
        err = ::testing::internal::GetCapturedStderr();
        out = ::testing::internal::GetCapturedStdout();
    }

    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    sim_host& near = world.add_host("near", {"10.0.0.2"});
    sim_host& far = world.add_host("far", {"10.0.0.3"});
    sim_programs programs{world};
    std::string out;
    std::string err;

  private:
    static sim_options options(std::uint64_t seed) {
        sim_options chosen;
        chosen.seed = seed;
        return chosen;
    }
};

struct demo_run {
    std::uint64_t trace_hash;
    std::string out;
    std::string err;

    bool operator==(const demo_run&) const = default;
};

template <class Scenario>
demo_run run_once(std::uint64_t seed, Scenario scenario) {
    const std::ptrdiff_t frames_before = sennit::detail::frame_pool::live();
    demo_run result;
    {
        demo_world run(seed);
        scenario(run);
        run.world.end_tasks();
        EXPECT_EQ(run.world.leaks(), "");
        result = {run.world.trace_hash(), run.out, run.err};
    }
    EXPECT_EQ(sennit::detail::frame_pool::live(), frames_before) << "coroutine frames";
    return result;
}

/// Runs `scenario(demo_world&)` with so many seeds (with fewer under sanitizers, where each takes ten times as long),
/// up to the first that fails, and with the first one twice: that has to come to the same.
template <class Scenario>
void for_each_seed(std::uint64_t seeds, Scenario scenario) {
    constexpr bool sanitized = SENNIT_FRAME_POOL == 0;
    const std::uint64_t count = sanitized ? (seeds + 3) / 4 : seeds;
    for (std::uint64_t seed = 1; seed <= count && !::testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const demo_run run = run_once(seed, scenario);
        if (seed == 1) {
            EXPECT_TRUE(run_once(seed, scenario) == run) << "the same seed, another run";
        }
        if (::testing::Test::HasFailure()) ADD_FAILURE() << "it printed:\n" << run.out << run.err;
    }
    ::testing::Test::RecordProperty("seeds", std::to_string(count));
}

}  // namespace sennit::testing
