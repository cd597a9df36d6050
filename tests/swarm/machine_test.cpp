// The swarm on this machine: the same random programs on epoll and on io_uring, without faults, over real sockets. What
// has to happen is the same; when it happens is up to the kernel, so a seed that failed is the same program again, but
// perhaps another run: with the seed alone it is run many times.

#include <gtest/gtest.h>

#include <string>
#include <system_error>

#include <sennit/event_loop.hpp>

#include "model.hpp"
#include "swarm_fixture.hpp"

namespace sennit::swarm {
namespace {

constexpr std::uint64_t usual_seeds = 100;
constexpr std::uint64_t runs_of_one_seed = 50;
constexpr unsigned share = 25;  // percent of the time that there is, on each backend

std::string label(backend_kind backend) {
    return backend == backend_kind::epoll ? "epoll" : "io_uring";
}

class SwarmOnMachine : public SwarmTest, public ::testing::WithParamInterface<backend_kind> {
  protected:
    void SetUp() override {
        try {
            const event_loop probe(event_loop_options{.backend = GetParam()});
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, SwarmOnMachine, ::testing::Values(backend_kind::epoll, backend_kind::io_uring),
                         [](const auto& info) { return label(info.param); });

TEST_P(SwarmOnMachine, RandomProgramsKeepEveryPromise) {
    const auto run = [](std::uint64_t seed) { return run_on_machine(seed, GetParam()); };
    run_seeds(" on " + label(GetParam()), usual_seeds, runs_of_one_seed, share, run);
}

bool is_accepted(const program& plan, const observations& seen) {
    try {
        check_order(plan, seen);
    } catch (const disagreement&) {
        return false;
    }
    return true;
}

TEST_P(SwarmOnMachine, ItsModelNoticesWhatEndsInAnotherWay) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const program plan = for_the_machine(generate(seed));
        observations seen = run_on_machine(seed, GetParam()).seen;
        ASSERT_TRUE(is_accepted(plan, seen)) << seed;
        for (observation& each : seen.of) {
            if (!each.ended) continue;
            const outcome before = each.how;
            each.how = before == outcome::failed ? outcome::done : outcome::failed;
            EXPECT_FALSE(is_accepted(plan, seen)) << seed;
            each.how = before;
        }
    }
}

TEST_P(SwarmOnMachine, ItsModelNoticesWhatEndsBeforeItBegins) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const program plan = for_the_machine(generate(seed));
        observations seen = run_on_machine(seed, GetParam()).seen;
        for (observation& each : seen.of) {
            if (!each.ended) continue;
            const std::uint64_t before = each.ended->order;
            each.ended->order = each.began->order;
            EXPECT_FALSE(is_accepted(plan, seen)) << seed;
            each.ended->order = before;
        }
    }
}

}  // namespace
}  // namespace sennit::swarm
