// TCP between simulated hosts: what a Linux kernel would do, without one.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <system_error>

#include <sennit/net/tcp.hpp>
#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/testing/sim_world.hpp>

namespace sennit::testing::sim_tcp_test {

using namespace std::chrono_literals;

/// Two hosts, and a connection that is made before the test begins.
class SimTcp : public ::testing::Test {
  protected:
    using body = std::function<task<>(net::tcp_stream&)>;

    /// `at_server` has the accepted end, `at_client` the other.
    void run(body at_server, body at_client) {
        server.spawn(accept_one, std::move(at_server));
        client.spawn(connect_one, std::move(at_client));
        world.run();
        EXPECT_EQ(world.leaks(), "");
    }

    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    sim_host& client = world.add_host("client", {"10.0.0.2"});

  private:
    static task<> accept_one(body use) {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
        auto stream = co_await listener.accept();
        co_await use(stream);
    }
    static task<> connect_one(body use) {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        co_await use(stream);
    }
};

task<std::error_code> connect_error(net::endpoint where) {
    const auto done = co_await as_result(net::tcp_stream::connect(where));
    co_return done.error();
}

task<std::string> read_all(net::tcp_stream& stream) {
    std::string all;
    std::array<char, 4096> buffer;
    while (const auto n = co_await stream.recv(buffer)) all.append(buffer.data(), n);
    co_return all;
}

TEST_F(SimTcp, BytesArriveInOrderAndTheEndAfterThem) {
    std::string sent(3'000'000, '?');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 8);
    run([&](net::tcp_stream& stream) -> task<> { co_await stream.send(sent); },
        [&](net::tcp_stream& stream) -> task<> {
            const std::string got = co_await read_all(stream);
            CO_ASSERT_TRUE(got == sent);
        });
}

TEST_F(SimTcp, BytesArriveInOrderThroughLossJitterAndSmallSegments) {
    link_options link;
    link.jitter = 2ms;
    link.loss = 50'000;
    link.mtu = 1500;
    link.bandwidth = 10'000'000;
    world.set_link(server, client, link);
    std::string sent(300'000, '?');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 8);
    run([&](net::tcp_stream& stream) -> task<> { co_await stream.send(sent); },
        [&](net::tcp_stream& stream) -> task<> {
            const std::string got = co_await read_all(stream);
            CO_ASSERT_TRUE(got == sent);
        });
}

TEST_F(SimTcp, ASenderWaitsForAReaderThatDoesNotRead) {
    bool sent_all = false;
    run(
        [&](net::tcp_stream& stream) -> task<> {
            const std::string much(4'000'000, 'x');
            co_await stream.send(much);
            sent_all = true;
        },
        [&](net::tcp_stream& stream) -> task<> {
            co_await sleep_for(1min);
            EXPECT_FALSE(sent_all);
            const std::string got = co_await read_all(stream);
            CO_ASSERT_EQ(got.size(), 4'000'000u);
        });
}

TEST_F(SimTcp, AHalfClosedConnectionStillCarriesTheOtherHalf) {
    run(
        [](net::tcp_stream& stream) -> task<> {
            const std::string question = co_await read_all(stream);
            co_await stream.send("answer to " + question);
        },
        [](net::tcp_stream& stream) -> task<> {
            co_await stream.send("question");
            co_await stream.shutdown_send();
            const std::string answer = co_await read_all(stream);
            CO_ASSERT_EQ(answer, "answer to question");
        });
}

TEST_F(SimTcp, ClosingWithUnreadDataResetsThePeer) {
    run([](net::tcp_stream&) -> task<> { co_await sleep_for(10ms); },
        [](net::tcp_stream& stream) -> task<> {
            co_await stream.send("never read");
            std::array<char, 16> buffer;
            const auto got = co_await as_result(stream.recv(buffer));
            CO_ASSERT_EQ(got.error(), std::errc::connection_reset);
        });
}

TEST_F(SimTcp, SendingToAClosedPeerFailsAfterItsReset) {
    run([](net::tcp_stream&) -> task<> { co_return; },
        [](net::tcp_stream& stream) -> task<> {
            co_await sleep_for(10ms);
            co_await stream.send("into the void");  // nobody has said yet that there is nobody
            co_await sleep_for(10ms);
            const auto sent = co_await as_result(stream.send("again"));
            CO_ASSERT_EQ(sent.error(), std::errc::broken_pipe);
        });
}

TEST_F(SimTcp, APortWithoutListenerRefuses) {
    client.spawn([]() -> task<> {
        const auto error = co_await connect_error({"10.0.0.1", 9});
        CO_ASSERT_EQ(error, std::errc::connection_refused);
    });
    const auto start = world.now();
    world.run();
    EXPECT_EQ(world.now() - start, 400us);
}

TEST_F(SimTcp, AnAddressThatNobodyHasTimesOut) {
    client.spawn([]() -> task<> {
        const auto error = co_await connect_error({"10.9.9.9", 9});
        CO_ASSERT_EQ(error, std::errc::timed_out);
    });
    const auto start = world.now();
    world.run();
    EXPECT_EQ(world.now() - start, 127s);
}

TEST_F(SimTcp, AnAnswerToAConnectIsSentAgainForAMinute) {
    // Of the tries after 1, 2, 4, 8 and 16 seconds the last one gets through.
    world.cut(server, client);
    world.after(20s, [&] { world.heal(server, client); });
    run([](net::tcp_stream& stream) -> task<> { co_await stream.send("here"); },
        [&](net::tcp_stream& stream) -> task<> {
            CO_ASSERT_GE(world.now().time_since_epoch(), 1h + 31s);
            CO_ASSERT_LT(world.now().time_since_epoch(), 1h + 32s);
            const std::string got = co_await read_all(stream);
            CO_ASSERT_EQ(got, "here");
        });
}

TEST_F(SimTcp, AFamilyTheHostDoesNotHaveIsUnreachable) {
    client.spawn([]() -> task<> {
        const auto error = co_await connect_error({"fd00::1", 9});
        CO_ASSERT_EQ(error, std::errc::network_unreachable);
    });
    world.run();
}

TEST_F(SimTcp, APartitionDelaysAndLosesNothing) {
    world.after(1ms, [&] { world.partition(server, client); });
    world.after(10s, [&] { world.heal(server, client); });
    run(
        [](net::tcp_stream& stream) -> task<> {
            co_await sleep_for(2ms);
            co_await stream.send("late");
        },
        [&](net::tcp_stream& stream) -> task<> {
            const std::string got = co_await read_all(stream);
            CO_ASSERT_EQ(got, "late");
        });
    EXPECT_GE(world.now().time_since_epoch(), 1h + 10s);
}

TEST_F(SimTcp, APartitionThatLastsEndsTheConnection) {
    run(
        [&](net::tcp_stream& stream) -> task<> {
            co_await sleep_for(1ms);
            world.partition(server, client);
            co_await stream.send("lost");
            std::array<char, 16> buffer;
            const auto got = co_await as_result(stream.recv(buffer));
            CO_ASSERT_EQ(got.error(), std::errc::timed_out);
            world.heal(server, client);
        },
        [](net::tcp_stream& stream) -> task<> {
            co_await sleep_for(30min);
            const auto sent = co_await as_result(stream.send("is anyone there"));
            CO_ASSERT_TRUE(sent.has_value());
            co_await sleep_for(1s);
            const auto again = co_await as_result(stream.send("no"));
            CO_ASSERT_FALSE(again.has_value());
        });
}

TEST_F(SimTcp, AConnectionCanBeResetFromOutside) {
    world.after(5ms, [&] { world.reset_connections(server, client); });
    const auto fails = [](net::tcp_stream& stream) -> task<> {
        std::array<char, 16> buffer;
        const auto got = co_await as_result(stream.recv(buffer));
        CO_ASSERT_EQ(got.error(), std::errc::connection_reset);
    };
    run(fails, fails);
}

TEST_F(SimTcp, AFullBacklogLetsConnectsWait) {
    bool accepting = false;
    server.spawn([&]() -> task<> {
        net::listen_options options;
        options.backlog = 1;
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7}, options);
        co_await sleep_for(10s);
        accepting = true;
        for (int i = 0; i < 4; ++i) co_await listener.accept();
        co_await sleep_for(1min);
    });
    int late = 0;
    for (int i = 0; i < 4; ++i) {
        client.spawn([&]() -> task<> {
            co_await sleep_for(1ms);
            const auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
            late += accepting;
        });
    }
    world.run();
    EXPECT_EQ(late, 2);
}

}  // namespace sennit::testing::sim_tcp_test
