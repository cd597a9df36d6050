// Allocations that fail, one after the other, in everything that the library does. This file replaces operator new for
// the whole test program, as the exploration asks for.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <sennit/net/line_reader.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/sleep.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/allocation_failures.hpp>
#include <sennit/testing/explore.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/yield.hpp>

#include "scenarios.hpp"

namespace sennit::testing {
namespace {

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

task<> echo_leases(net::tcp_stream peer) {
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

task<> echo_lines(net::tcp_stream peer) {
    net::line_reader lines(peer);
    while (const auto line = co_await lines.read_line()) {
        const std::string answer = std::string(*line) + '\n';
        co_await peer.send(answer);
    }
}

/// Asks until it is answered: a server that is short of memory may drop a connection, but only that one.
task<> ask_until_answered(std::shared_ptr<std::size_t> answered) {
    co_await sleep_for(1s);
    const auto ask_once = []() -> task<bool> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        co_await stream.send("question\n");
        std::array<std::byte, 9> answer;
        const std::size_t size = co_await stream.recv_exactly(answer);
        co_await stream.shutdown_send();
        co_return size == answer.size();
    };
    for (int tries = 0; tries != 3; ++tries) {
        const auto asked = co_await as_result(ask_once());
        if (asked && *asked) {
            ++*answered;
            co_return;
        }
        co_await sleep_for(1s);
    }
}

constexpr std::size_t clients = 3;

task<> use_and_stop(sim_host& server, std::shared_ptr<std::size_t> answered) {
    std::vector<task<>> all;
    for (std::size_t i = 0; i != clients; ++i) all.push_back(ask_until_answered(answered));
    co_await when_all(std::move(all));
    server.loop().stop().request();
}

using handler = task<> (*)(net::tcp_stream);

/// A server whose clients are on another host. Once it serves, all of them are served, whichever allocation fails.
task<> serve_clients(sim_world& world, sim_host& tested, handler handle) {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
    const auto answered = std::make_shared<std::size_t>(0);
    world.add_host("clients", {"10.0.0.2"}).spawn_background(use_and_stop(tested, answered));

    net::serve_options options;
    options.max_connections_per_peer = clients;
    options.on_error = [](const net::endpoint&, std::exception_ptr) {};
    const time_point start = world.now();
    try {
        co_await net::serve(listener, handle, options);
    } catch (const std::bad_alloc&) {
        require(world.now() == start, "the server has ended, instead of a connection");
        throw;
    }
    require(*answered == clients, "a client was not served");
}

TEST_F(WithoutMemory, AServerLosesAConnectionAtTheMost) {
    explore([](sim_world& world, sim_host& tested) { return serve_clients(world, tested, echo); }, 15);
}

TEST_F(WithoutMemory, AServerThatLendsBuffersDoesToo) {
    explore([](sim_world& world, sim_host& tested) { return serve_clients(world, tested, echo_leases); }, 15);
}

TEST_F(WithoutMemory, AServerOfLinesDoesToo) {
    explore([](sim_world& world, sim_host& tested) { return serve_clients(world, tested, echo_lines); }, 20);
}

/// A server that is asked to stop while its connections are open: all of them end, and so does it.
task<> drain_connections(sim_world& world, sim_host& tested) {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
    sim_host& others = world.add_host("clients", {"10.0.0.2"});
    const auto wait_for_the_end = []() -> task<> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        std::array<std::byte, 16> buffer;
        static_cast<void>(co_await as_result(stream.recv(buffer)));
    };
    for (std::size_t i = 0; i != clients; ++i) others.spawn_background(wait_for_the_end());
    world.after(1s, [&tested] { tested.loop().stop().request(); });
    net::serve_options options;
    options.on_error = [](const net::endpoint&, std::exception_ptr) {};
    const time_point start = world.now();
    try {
        co_await net::serve(listener, echo, options);
    } catch (const std::bad_alloc&) {
        require(world.now() == start, "the server has ended badly");
        throw;
    }
    require(world.now() - start < 3s, "a connection held up the end");
}

TEST_F(WithoutMemory, AServerDrains) {
    explore(drain_connections, 15);
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

}  // namespace
}  // namespace sennit::testing
