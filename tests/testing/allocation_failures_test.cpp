// Allocations that fail, one after the other, in everything that the library does. This file replaces operator new for
// the whole test program, as the exploration asks for.

#include <gtest/gtest.h>

#include <chrono>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <sennit/frame_pool.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/allocation_failures.hpp>
#include <sennit/testing/explore.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

#include "scenarios.hpp"
#include "sim_backend.hpp"

namespace sennit::testing::allocation_failures_test {

using namespace std::chrono_literals;

class WithoutMemory : public ::testing::Test {
  protected:
    /// Fails each allocation of `test`, of which there are `least` or more.
    void explore(const scenario& test, std::size_t least, const explore_options& options = {}) {
        constexpr std::size_t undisturbed = 2;  // the first run, and the one that ends before it comes to its point
        const std::size_t failed = for_each_allocation_failure(test, options) - undisturbed;
        EXPECT_GE(failed, least);
        RecordProperty("failed_allocations", std::to_string(failed));
    }
};

TEST_F(WithoutMemory, AServerLosesAConnectionAtTheMost) {
    explore(serve_bytes, 15);
}

TEST_F(WithoutMemory, AServerThatLendsBuffersDoesToo) {
    explore(serve_leases, 15);
}

TEST_F(WithoutMemory, AServerOfLinesDoesToo) {
    explore(serve_lines, 20);
}

TEST_F(WithoutMemory, AServerDrains) {
    explore(drain_connections, 15);
}

task<> serve_for_ever() {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
    co_await net::serve(listener, echo);
}

/// Asks a server each second until there is an answer.
task<> ask_each_second() {
    for (bool answered = false; !answered;) {
        co_await sleep_for(1s);
        const auto asked = co_await as_result(ask_once());
        answered = asked && *asked;
    }
}

TEST_F(WithoutMemory, AServerServesAgainAsSoonAsThereIsSome) {
    const sennit::detail::frame_pool::bypass frames_are_allocations;
    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    bool scarce = false;
    world.backend_of(server).disturb().allocation_fails = [&scarce] { return scarce; };
    world.after(500ms, [&scarce] { scarce = true; });
    world.after(10s, [&scarce] { scarce = false; });
    server.spawn_background(serve_for_ever());
    world.add_host("client", {"10.0.0.2"}).spawn(ask_each_second());

    const time_point start = world.now();
    world.run();
    EXPECT_GT(world.now() - start, 10s);
    EXPECT_LT(world.now() - start, 13s);
}

TEST_F(WithoutMemory, AClientThatResolvesConnectsAndReadsLines) {
    explore(ask_by_name, 40);
}

TEST_F(WithoutMemory, FailuresToConnectAndToResolve) {
    explore(connect_to_nobody, 30);
}

TEST_F(WithoutMemory, DatagramsInBatches) {
    explore(exchange_datagrams, 15);
}

TEST_F(WithoutMemory, Leases) {
    explore(exchange_leases, 5);
}

/// More leases than the pool has buffers at first: it grows, and where it cannot, receivers wait for what comes back.
task<> collect_leases(sim_world&, sim_host&) {
    std::vector<net::unix_stream> streams;
    std::vector<net::buffer_lease> held;
    for (int i = 0; i != 5; ++i) {
        auto pair = co_await net::unix_stream::pair();
        for (std::size_t n = 0; n != net::buffer_lease::most_per_stream; ++n) {
            co_await pair.first.send("x");
            auto lease = co_await move_on_after(1s, pair.second.recv_lease());
            if (!lease) {
                held.clear();
                lease = co_await pair.second.recv_lease();
            }
            held.push_back(std::move(*lease));
        }
        streams.push_back(std::move(pair.first));
        streams.push_back(std::move(pair.second));
    }
    require(!held.empty(), "none was lent");
}

TEST_F(WithoutMemory, LeasesWhoseBuffersHaveToBeMade) {
    explore(collect_leases, 5 * net::buffer_lease::most_per_stream);
}

TEST_F(WithoutMemory, AStreamInMemory) {
    explore(exchange_in_memory, 6);
}

TEST_F(WithoutMemory, TasksThatWaitForEachOther) {
    explore(wait_for_each_other, 10);
}

TEST_F(WithoutMemory, RacesAndTimeouts) {
    explore(race_and_time_out, 30);
}

/// A spawn that fails has had no effect: the group goes on.
task<> spawn_again(sim_world&, sim_host&) {
    int ran = 0;
    const auto count = [&ran]() -> task<> {
        co_await yield();
        ++ran;
    };
    bool failed = false;
    co_await with_task_group([&](task_group& group) -> task<> {
        for (int wanted = 0; wanted != 4;) {
            try {
                group.spawn(count());
                ++wanted;
            } catch (const std::bad_alloc&) {
                failed = true;
            }
        }
        co_return;
    });
    require(ran == 4, failed ? "the group was of no use after a spawn that failed" : "a task is missing");
}

TEST_F(WithoutMemory, AGroupIsUsableAfterASpawnThatFailed) {
    explore(spawn_again, 6);
}

TEST_F(WithoutMemory, BlockingCallsAndPosts) {
    explore(call_and_post, 5);
}

}  // namespace sennit::testing::allocation_failures_test
