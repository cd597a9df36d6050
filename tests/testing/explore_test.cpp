// Cancelling and failing everywhere: what the exploration visits, and that it notices what is wrong.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <system_error>

#include <sennit/backend.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/testing/explore.hpp>
#include <sennit/timeout.hpp>

namespace sennit::testing {
namespace {

using namespace std::chrono_literals;

// The first one, and the one that ends before it comes to its point.
constexpr std::size_t undisturbed_runs = 2;

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (const auto n = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(n));
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

}  // namespace
}  // namespace sennit::testing
