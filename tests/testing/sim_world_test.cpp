// The simulated world as a whole: time, several hosts, the same run again, and the report of a run that is stuck.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sennit/backend.hpp>
#include <sennit/blocking.hpp>
#include <sennit/event.hpp>
#include <sennit/net/connect.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/testing/sim_world.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::sim_world_test {

using namespace std::chrono_literals;

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (const auto n = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(n));
}

task<> serve_echo() {
    auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 7});
    co_await net::serve(listener, echo);
}

task<> ask(std::string host, int questions) {
    auto stream = co_await net::connect(host, 7);
    net::line_reader lines(stream);
    for (int i = 0; i < questions; ++i) {
        const std::string question = "question " + std::to_string(i);
        co_await stream.send(question + "\n");
        const auto answer = co_await lines.read_line();
        CO_ASSERT_TRUE(answer.has_value());
        CO_ASSERT_EQ(*answer, question);
    }
}

task<> nap(duration length) {
    co_await sleep_for(length);
}

TEST(SimWorld, UnmodifiedServerAnswersAClientOnAnotherHost) {
    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    sim_host& client = world.add_host("client", {"10.0.0.2"});
    world.add_name("echo.test", {"10.0.0.1"}, 3ms);
    server.spawn_background(serve_echo());
    client.spawn(ask("echo.test", 10));
    const auto start = world.now();
    world.run();
    // The name, the handshake and ten questions, at 200 us each way.
    EXPECT_EQ(world.now() - start, 3ms + 11 * 400us);
}

TEST(SimWorld, TimeJumpsAndIsExact) {
    sim_world world;
    sim_host& host = world.add_host("host");
    const auto start = world.now();
    host.spawn(nap(std::chrono::hours(1000)));
    world.run();
    EXPECT_EQ(world.now() - start, std::chrono::hours(1000));
}

TEST(SimWorld, AdvanceStopsWhereItWasTold) {
    sim_world world;
    sim_host& host = world.add_host("host");
    int ticks = 0;
    const auto tick = [&]() -> task<> {
        for (;;) {
            co_await sleep_for(10ms);
            ++ticks;
        }
    };
    host.spawn_background(tick());
    const auto start = world.now();
    world.advance(35ms);
    EXPECT_EQ(ticks, 3);
    EXPECT_EQ(world.now() - start, 35ms);
    world.advance(5ms);
    EXPECT_EQ(ticks, 4);
}

TEST(SimWorld, RunForSaysWhetherAllHaveEnded) {
    sim_world world;
    sim_host& host = world.add_host("host");
    host.spawn(nap(10ms));
    EXPECT_FALSE(world.run_for(9ms));
    EXPECT_TRUE(world.run_for(9ms));
}

TEST(SimWorld, RunThrowsWhatATaskThrows) {
    sim_world world;
    sim_host& host = world.add_host("host");
    host.spawn([]() -> task<> {
        co_await sleep_for(1ms);
        throw std::runtime_error("the task failed");
    });
    EXPECT_THROW(world.run(), std::runtime_error);
}

TEST(SimWorld, ALoopThatOnlyYieldsDoesNotStopTheClock) {
    sim_world world;
    sim_host& host = world.add_host("host");
    host.spawn([]() -> task<> {
        bool woken = false;
        const auto wake = [&]() -> task<> {
            co_await sleep_for(1ms);
            woken = true;
        };
        const auto body = [&](task_group& group) -> task<> {
            group.spawn(wake());
            while (!woken) co_await yield();
        };
        co_await with_task_group(body);
    });
    world.run();
}

TEST(SimWorld, BlockingCallsRunOnTheLoopsThread) {
    sim_world world;
    sim_host& host = world.add_host("host");
    host.spawn([]() -> task<> {
        const auto here = std::this_thread::get_id();
        const auto there = co_await run_blocking([] { return std::this_thread::get_id(); });
        CO_ASSERT_EQ(here, there);
    });
    world.run();
}

TEST(SimWorld, AFunctionIsCalledAtItsTime) {
    sim_world world;
    sim_host& host = world.add_host("host");
    const auto start = world.now();
    duration called_after{};
    world.after(7ms, [&] { called_after = world.now() - start; });
    host.spawn(nap(10ms));
    world.run();
    EXPECT_EQ(called_after, 7ms);
}

TEST(SimWorld, APausedHostStandsStill) {
    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    sim_host& client = world.add_host("client", {"10.0.0.2"});
    server.spawn_background(serve_echo());
    world.advance(1ms);
    server.pause();
    world.after(5s, [&] { server.resume(); });
    const auto start = world.now();
    client.spawn(ask("10.0.0.1", 1));
    world.run();
    EXPECT_EQ(world.now() - start, 5s + 200us);
}

struct trace {
    std::uint64_t hash = 0;
    std::vector<std::string> lines;
};

trace busy_run(std::uint64_t seed) {
    trace done;
    sim_options options;
    options.seed = seed;
    options.trace = [&](std::string_view line) { done.lines.emplace_back(line); };
    sim_world world(options);
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    server.spawn_background(serve_echo());
    for (int i = 2; i < 6; ++i) {
        sim_host& client = world.add_host("client", {"10.0.0." + std::to_string(i)});
        link_options link;
        link.jitter = 1ms;
        link.loss = 20'000;
        world.set_link(server, client, link);
        client.faults().short_receive = 300'000;
        client.faults().short_send = 300'000;
        client.spawn(ask("10.0.0.1", 20));
    }
    world.run();
    done.hash = world.trace_hash();
    return done;
}

TEST(SimWorld, TheSameSeedGivesTheSameRun) {
    const trace first = busy_run(7);
    const trace second = busy_run(7);
    EXPECT_EQ(first.lines, second.lines);
    EXPECT_EQ(first.hash, second.hash);
    EXPECT_NE(first.hash, busy_run(8).hash);
    // With every compiler and in every kind of build.
    EXPECT_EQ(first.hash, 18421894274807081200u);
}

TEST(SimWorld, TimersThatComeToNothingDoNotHideThatARunIsStuck) {
    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    sim_host& client = world.add_host("client", {"10.0.0.2"});
    server.spawn([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
        // The server looks at its connection now and then, which does not help a handler that waits for no peer.
        co_await net::serve(listener, [](net::tcp_stream) -> task<> {
            event never;
            co_await never.wait();
        });
    });
    client.spawn([]() -> task<> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        std::array<std::byte, 16> buffer;
        co_await stream.recv(buffer);
    });
    std::string report;
    try {
        world.run();
    } catch (const stuck& why) {
        report = why.what();
    }
    EXPECT_NE(report.find("nothing but timers"), report.npos) << report;
    EXPECT_NE(report.find("event"), report.npos) << report;
}

TEST(SimWorld, ADescriptorOfTheSimulationIsNoRealOne) {
    sim_world world;
    sim_host& host = world.add_host("host");
    const int fd = host.loop().io().open_socket(2, 1, 0);  // AF_INET, SOCK_STREAM
    EXPECT_GE(fd, 1'000'000);
    EXPECT_NE(world.leaks(), "");
    host.loop().io().close(fd);
    EXPECT_EQ(world.leaks(), "");
}

TEST(SimWorld, ALeaseThatIsKeptIsALeak) {
    sim_world world;
    sim_host& host = world.add_host("host");
    net::buffer_lease kept;
    host.spawn([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 7});
        auto stream = co_await net::tcp_stream::connect({"127.0.0.1", 7});
        auto peer = co_await listener.accept();
        co_await stream.send("kept");
        kept = co_await peer.recv_lease();
    });
    world.run();
    world.end_tasks();
    EXPECT_EQ(world.leaks(), "host host: 1 receive buffers that were not given back\n");
    kept = net::buffer_lease();
    EXPECT_EQ(world.leaks(), "");
}

}  // namespace sennit::testing::sim_world_test
