// Cancelling and failing everywhere: what the explorations visit, and that they notice what is wrong.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/backend.hpp>
#include <sennit/event.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/explore.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

#include "scenarios.hpp"

namespace sennit::testing::explore_test {

using namespace std::chrono_literals;

// The first one, and the one that ends before it comes to its point.
constexpr std::size_t undisturbed_runs = 2;

/// What an exploration that does not end well says.
std::string complaint_about(std::size_t (*explore)(const scenario&, const explore_options&), const scenario& test) {
    try {
        explore(test, {});
    } catch (const violation& what) {
        return what.what();
    }
    return "none";
}

task<> serve_echo() {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.2", 7});
    co_await net::serve(listener, echo);
}

/// A client of an echo server on another host.
task<> ask_twice(sim_world& world, sim_host&) {
    world.add_host("server", {"10.0.0.2"}).spawn_background(serve_echo());
    co_await sleep_for(1ms);
    auto stream = co_await with_timeout(5s, net::tcp_stream::connect({"10.0.0.2", 7}));
    net::line_reader lines(stream);
    for (int i = 0; i < 2; ++i) {
        co_await stream.send("question\n");
        const auto answer = co_await lines.read_line();
        if (answer != "question") throw std::logic_error("another answer");
    }
}

/// A server whose client is on another host.
task<> serve_for_a_while(sim_world& world, sim_host&) {
    sim_host& client = world.add_host("client", {"10.0.0.2"});
    const auto ask = []() -> task<> {
        co_await sleep_for(1ms);
        const auto connected = co_await as_result(net::tcp_stream::connect({"10.0.0.1", 7}));
        if (!connected) co_return;
        co_await sleep_for(1s);
    };
    client.spawn_background(ask());
    auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
    auto peer = co_await listener.accept();
    std::array<std::byte, 16> buffer;
    co_await peer.recv(buffer);
    co_await peer.shutdown_send();
}

TEST(ForEachCancellationPoint, AClientCanBeCancelledAnywhere) {
    const std::size_t runs = for_each_cancellation_point(ask_twice);
    EXPECT_GT(runs, 10u);
    RecordProperty("cancellation_points", std::to_string(runs - undisturbed_runs));
}

TEST(ForEachCancellationPoint, AServerCanBeCancelledAnywhereWithAnySeed) {
    std::size_t points = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        explore_options options;
        options.seed = seed;
        const std::size_t runs = for_each_cancellation_point(serve_for_a_while, options);
        EXPECT_GT(runs, 5u);
        points += runs - undisturbed_runs;
    }
    RecordProperty("cancellation_points", std::to_string(points));
}

TEST(ForEachCancellationPoint, ChecksAfterEachRun) {
    std::size_t checks = 0;
    explore_options options;
    options.check = [&] { ++checks; };
    EXPECT_EQ(for_each_cancellation_point(ask_twice, options), checks);
}

TEST(ForEachCancellationPoint, NoticesADescriptorThatIsLeftOpen) {
    const auto leaky = [](sim_world&, sim_host& tested) -> task<> {
        const int fd = tested.loop().io().open_socket(2, 1, 0);  // AF_INET, SOCK_STREAM
        co_await sleep_for(1ms);
        tested.loop().io().close(fd);
    };
    std::string report;
    try {
        for_each_cancellation_point(leaky);
    } catch (const violation& what) {
        report = what.what();
    }
    EXPECT_NE(report.find("cancelled at point 1, seed 1: left behind: host tested: 1 open descriptors"), report.npos)
        << report;
}

TEST(ForEachCancellationPoint, EverythingCanBeCancelledAnywhereWithAnySeed) {
    std::size_t points = 0;
    for (const auto scenario :
         {serve_bytes, serve_leases, serve_lines, drain_connections, ask_by_name, connect_to_nobody, exchange_datagrams,
          exchange_leases, exchange_in_memory, wait_for_each_other, race_and_time_out, call_and_post}) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            explore_options options;
            options.seed = seed;
            points += for_each_cancellation_point(scenario, options) - undisturbed_runs;
        }
    }
    RecordProperty("cancellation_points", std::to_string(points));
}

TEST(ForEachCancellationPoint, EachSuspensionIsOne) {
    std::set<int> reached;
    int turns = 0;
    const auto yields = [&turns](sim_world&, sim_host&) -> task<> {
        for (turns = 0; turns != 10; ++turns) co_await yield();
    };
    explore_options options;
    options.check = [&] { reached.insert(turns); };
    for_each_cancellation_point(yields, options);
    EXPECT_EQ(reached.size(), 11u) << "all in one turn of the loop, and the end";
}

TEST(ForEachCancellationPoint, NoticesWhatIsLeftBetweenTwoTasksOfATurn) {
    const auto leaky = [](sim_world&, sim_host& tested) -> task<> {
        event handed_over;
        const auto give = [&handed_over]() -> task<> {
            handed_over.set();
            co_return;
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            const int fd = tested.loop().io().open_socket(2, 1, 0);  // AF_INET, SOCK_STREAM
            group.spawn(give());
            co_await handed_over.wait();
            tested.loop().io().close(fd);
        });
    };
    const std::string complaint = complaint_about(for_each_cancellation_point, leaky);
    EXPECT_NE(complaint.find("left behind: host tested: 1 open descriptors"), complaint.npos) << complaint;
}

TEST(ForEachCancellationPointDeathTest, SaysWhichRunHasEndedTheProgram) {
    const auto rash = [](sim_world&, sim_host&) -> task<> {
        try {
            co_await sleep_for(1ms);
        } catch (const cancelled&) {
            std::terminate();
        }
    };
    EXPECT_DEATH(for_each_cancellation_point(rash), "cancelled at point 1, seed 1");
}

TEST(ForEachCancellationPointDeathTest, SaysWhichRunHasNoEnd) {
    const auto deaf = [](sim_world&, sim_host&) -> task<> {
        event never;
        bool goes_on = false;
        try {
            co_await sleep_for(1ms);
        } catch (const cancelled&) {
            goes_on = true;
        }
        if (goes_on) co_await shield(never.wait());
    };
    EXPECT_DEATH(for_each_cancellation_point(deaf), "cannot end(.|\n)*cancelled at point 1, seed 1");
}

TEST(ForEachCancellationPoint, NoticesAnInvariantThatIsBroken) {
    int balance = 0;
    const auto careless = [&](sim_world&, sim_host&) -> task<> {
        ++balance;
        co_await sleep_for(1ms);
        --balance;
    };
    explore_options options;
    options.check = [&] {
        if (balance != 0) throw std::logic_error("the balance is wrong");
    };
    EXPECT_THROW(for_each_cancellation_point(careless, options), violation);
}

TEST(ForEachFailure, EveryOperationOfAClientMayFail) {
    // A connect, and for each of the two questions a send and a receive.
    const std::size_t runs = for_each_failure(ask_twice);
    EXPECT_EQ(runs, 1 + 5 + 1);
    RecordProperty("failed_operations", std::to_string(runs - undisturbed_runs));
}

TEST(ForEachFailure, EveryOperationOfAServerMayFail) {
    const std::size_t runs = for_each_failure(serve_for_a_while);
    EXPECT_GT(runs, 3u);
    RecordProperty("failed_operations", std::to_string(runs - undisturbed_runs));
}

TEST(ForEachFailure, NoticesAnErrorThatIsSwallowedForEver) {
    const auto stubborn = [](sim_world&, sim_host&) -> task<> {
        const auto connected = co_await as_result(net::tcp_stream::connect({"127.0.0.1", 7}));
        if (connected.error() != std::errc::connection_refused) throw std::logic_error("somebody is there");
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 7});
        const auto accepted = co_await as_result(listener.accept());
        if (!accepted) throw std::logic_error("accept failed");
    };
    EXPECT_THROW(for_each_failure(stubborn), violation);
}

TEST(ForEachAllocationFailure, AllocationsOfOtherHostsAndOfTheSimulationNeverFail) {
    std::size_t others = 0;
    const auto test = [&others](sim_world& world, sim_host&) -> task<> {
        const auto allocate = [](std::size_t& count) -> task<> {
            for (int i = 0; i != 10; ++i) {
                const std::string text(100, 'x');
                co_await sleep_for(1ms);
                ++count;
            }
        };
        sim_host& other = world.add_host("other", {"10.0.0.2"});
        world.add_name("name-that-takes-the-heap.of.other.test", {"10.0.0.2"});
        world.after(1ms, [] { const std::string text(100, 'x'); });
        other.spawn(allocate(others));
        co_await sleep_for(1s);
        static_cast<void>(co_await as_result(net::udp_socket::bind({"127.0.0.1", 7})));
    };
    explore_options options;
    options.check = [&others] {
        if (std::exchange(others, 0) % 10 != 0) throw std::logic_error("the other host was disturbed");
    };
    EXPECT_GT(for_each_allocation_failure(test, options), 5u);
}

TEST(ForEachAllocationFailure, TheSameAllocationsFailInEachRun) {
    EXPECT_EQ(for_each_allocation_failure(race_and_time_out), for_each_allocation_failure(race_and_time_out));
}

TEST(ForEachAllocationFailure, NoticesWhatIsLeftBehind) {
    const auto leaky = [](sim_world&, sim_host& tested) -> task<> {
        const int fd = tested.loop().io().open_socket(2, 1, 0);  // AF_INET, SOCK_STREAM
        const auto memory = std::make_unique<int>();
        co_await sleep_for(1ms);
        tested.loop().io().close(fd);
    };
    const std::string complaint = complaint_about(for_each_allocation_failure, leaky);
    EXPECT_NE(complaint.find("failure of allocation 2, seed 1: left behind: host tested: 1 open"), complaint.npos)
        << complaint;
}

TEST(ForEachAllocationFailure, NoticesAFailureThatIsSwallowedAndMissed) {
    const auto forgetful = [](sim_world&, sim_host&) -> task<> {
        event done;
        const auto work = [&done]() -> task<> {
            try {
                const auto memory = std::make_unique<int>();
                done.set();
            } catch (const std::bad_alloc&) {
                // And nobody will ever set it.
            }
            co_return;
        };
        co_await work();
        co_await done.wait();
    };
    const std::string complaint = complaint_about(for_each_allocation_failure, forgetful);
    EXPECT_NE(complaint.find("failure of allocation 3, seed 1: everybody waits"), complaint.npos) << complaint;
}

TEST(ForEachAllocationFailure, NoticesAnotherExceptionInItsPlace) {
    const auto misleading = [](sim_world&, sim_host&) -> task<> {
        try {
            const auto memory = std::make_unique<int>();
        } catch (const std::bad_alloc&) {
            throw std::system_error(std::make_error_code(std::errc::connection_reset));
        }
        co_return;
    };
    const std::string complaint = complaint_about(for_each_allocation_failure, misleading);
    EXPECT_NE(complaint.find("failure of allocation 2, seed 1: "), complaint.npos) << complaint;
}

TEST(ForEachAllocationFailureDeathTest, SaysWhichRunHasEndedTheProgram) {
    const auto rash = [](sim_world&, sim_host&) -> task<> {
        const auto allocate = []() noexcept { return std::make_unique<int>(); };
        static_cast<void>(allocate());
        co_return;
    };
    EXPECT_DEATH(for_each_allocation_failure(rash), "failure of allocation 2, seed 1");
}

}  // namespace sennit::testing::explore_test
