// The echo servers, whole: every byte comes back once whatever went wrong has been repaired, and no wrong one before.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <sennit/timeout.hpp>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"

namespace sennit::testing::echo_test {

constexpr int seeds = 24;
constexpr std::uint64_t size = transfers::usual_size;

sim_program& start_tcp_echo(demo_world& run, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--host", "10.0.0.1"});
    return run.start(run.server, demos::tcp_echo_server::main, std::move(more));
}

std::string served(int connections, std::uint64_t received, std::uint64_t sent) {
    return "served " + std::to_string(connections) + " connections, received " + std::to_string(received) +
           " bytes, sent " + std::to_string(sent) + " bytes\n";
}

TEST(DemoEcho, TcpServerSendsEverythingBack) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.world.link(run.near, run.server).loss = run.world.link(run.server, run.near).loss = 10'000;
        const sim_program& echo = start_tcp_echo(run, {"--verbose"});
        transfers clients(6);
        for (int i = 0; i < 3; ++i) run.near.spawn(exchange_with<net::tcp_stream>(server_place, clients[i]));
        for (int i = 3; i < 6; ++i) run.far.spawn(exchange_with<net::tcp_stream>(server_place, clients[i]));
        run.run();
        EXPECT_TRUE(clients.are_complete());
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on 10.0.0.1:21111 (sim)\nbackend: sim: host server, seed " +
                               std::to_string(run.world.seed()) + "\n" + served(6, 6 * size, 6 * size));
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoEcho, UnixServerSendsEverythingBack) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        const sim_program& echo = run.start(run.server, demos::unix_echo_server::main, {"--path", "/run/echo"});
        transfers clients(4);
        const auto where = net::endpoint::unix_path("/run/echo");
        for (int i = 0; i < 4; ++i) run.server.spawn(exchange_with<net::unix_stream>(where, clients[i]));
        run.run();
        EXPECT_TRUE(clients.are_complete());
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on unix:/run/echo (sim)\n" + served(4, 4 * size, 4 * size));
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoEcho, MinimalServerSendsEverythingBack) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        const auto without_arguments = [](int, char**) { return demos::minimal_echo_server::main(); };
        const sim_program& echo = run.start(run.server, without_arguments);
        transfers clients(4);
        const net::endpoint where{"127.0.0.1", 21111};
        for (int i = 0; i < 4; ++i) run.server.spawn(exchange_with<net::tcp_stream>(where, clients[i]));
        run.run();
        EXPECT_TRUE(clients.are_complete());
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.out + run.err, "");
    });
}

TEST(DemoEcho, PartitionThatHealsIsOnlyADelay) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(20s, run.near, 30ms);
        const sim_program& echo = start_tcp_echo(run);
        transfers cut_off(3);
        transfers others(3);
        for (int i = 0; i < 3; ++i) {
            run.near.spawn(exchange_with<net::tcp_stream>(server_place, cut_off[i]));
            run.far.spawn(exchange_with<net::tcp_stream>(server_place, others[i]));
        }
        run.world.after(10s, [&] {
            EXPECT_TRUE(others.are_complete()) << "they have no part in it";
            EXPECT_LT(cut_off.echoed(), 3 * size) << "the partition came too late";
        });
        run.run();
        EXPECT_TRUE(cut_off.are_complete());
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoEcho, ResetEndsTheConnectionsThatItMeets) {
    for_each_seed(seeds, [](demo_world& run) {
        run.world.after(30ms, [&] { run.world.reset_connections(run.server, run.near); });
        const sim_program& echo = start_tcp_echo(run);
        transfers broken(3);
        transfers again(3);
        transfers others(3);
        const auto twice = [](transfer& first, transfer& second) -> task<> {
            CO_ASSERT_ERROR(std::errc::connection_reset, exchange_with<net::tcp_stream>(server_place, first));
            co_await exchange_with<net::tcp_stream>(server_place, second);
        };
        for (int i = 0; i < 3; ++i) {
            run.near.spawn(twice(broken[i], again[i]));
            run.far.spawn(exchange_with<net::tcp_stream>(server_place, others[i]));
        }
        run.run();
        EXPECT_LT(broken.echoed(), 3 * size);
        EXPECT_TRUE(again.are_complete());
        EXPECT_TRUE(others.are_complete());
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.err, "") << "a peer that went away is nothing to report";
    });
}

TEST(DemoEcho, InterruptedServerAnswersAllItHasTaken) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        sim_program& echo = start_tcp_echo(run);
        transfers clients(6, 100 * size);  // more than there is time for
        for (int i = 0; i < 6; ++i) {
            run.near.spawn(try_to_exchange_with<net::tcp_stream>(server_place, clients[i]));
        }
        run.world.after(150ms, [&] { echo.interrupt(); });
        run.run();
        for (int i = 0; i < 6; ++i) EXPECT_TRUE(clients[i].end_seen) << i;
        EXPECT_GT(clients.echoed(), 0u);
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on 10.0.0.1:21111 (sim)\n" + served(6, clients.echoed(), clients.echoed()));
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoEcho, InterruptedServerDoesNotWaitForThoseOutOfReach) {
    for_each_seed(seeds, [](demo_world& run) {
        sim_program& echo = start_tcp_echo(run);
        transfers clients(3, 100 * size);
        for (int i = 0; i < 3; ++i) {
            run.near.spawn(try_to_exchange_with<net::tcp_stream>(server_place, clients[i]));
        }
        run.world.after(100ms, [&] { run.world.partition(run.server, run.near); });
        run.world.after(1s, [&] { echo.interrupt(); });
        run.world.after(1999ms, [&] { EXPECT_FALSE(echo.has_ended()) << "it says goodbye for a second"; });
        run.world.after(2001ms, [&] { EXPECT_TRUE(echo.has_ended()) << run.world.describe(); });
        run.run();
        EXPECT_EQ(echo.exit_status(), 0);
    });
}

TEST(DemoEcho, InterruptedServerGivesThoseWhoDoNotReadTenSeconds) {
    for_each_seed(seeds, [](demo_world& run) {
        sim_program& echo = start_tcp_echo(run);
        transfer never_read{0, 1000 * size};
        const auto only_send = [](transfer& progress) -> task<> {
            co_await sleep_for(1ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            CO_ASSERT_ERROR(std::errc::connection_reset, send_pattern(stream, progress));
        };
        run.near.spawn(only_send(never_read));
        run.world.after(9s, [&] { echo.interrupt(); });
        run.world.after(18999ms, [&] { EXPECT_FALSE(echo.has_ended()); });
        run.world.after(19001ms, [&] { EXPECT_TRUE(echo.has_ended()) << run.world.describe(); });
        run.run();
        EXPECT_EQ(echo.exit_status(), 0);
    });
}

TEST(DemoEcho, SecondInterruptEndsItAtOnce) {
    for_each_seed(seeds, [](demo_world& run) {
        sim_program& echo = start_tcp_echo(run);
        transfers clients(3, 100 * size);
        for (int i = 0; i < 3; ++i) {
            run.near.spawn(try_to_exchange_with<net::tcp_stream>(server_place, clients[i]));
        }
        run.world.after(100ms, [&] { run.world.partition(run.server, run.near); });
        run.world.after(1s, [&] { echo.interrupt(); });
        run.world.after(2s, [&] { echo.interrupt(); });
        run.world.after(2s + 1ms, [&] {
            EXPECT_TRUE(echo.has_ended()) << run.world.describe();
            EXPECT_EQ(run.server.open_descriptors(), 0u);
            run.world.heal(run.server, run.near);
        });
        run.run();
        EXPECT_EQ(echo.exit_status(), sim_program::killed);
    });
}

TEST(DemoEcho, WantOfDescriptorsIsOnlyADelay) {
    for_each_seed(seeds, [](demo_world& run) {
        run.server.faults().max_descriptors = 3;  // the listener's and those of two connections
        const sim_program& echo = start_tcp_echo(run);
        transfers clients(6);
        for (int i = 0; i < 6; ++i) run.near.spawn(exchange_with<net::tcp_stream>(server_place, clients[i]));
        run.run();
        EXPECT_TRUE(clients.are_complete());
        EXPECT_EQ(echo.exit_status(), 0);
        EXPECT_EQ(run.err.find("sennit: accept: Too many open files; waiting before the next try\n"), 0u) << run.err;
    });
}

TEST(DemoEcho, CommandLineSaysHowLongConnectionsMayBeIdle) {
    for_each_seed(seeds, [](demo_world& run) {
        const sim_program& echo = start_tcp_echo(run, {"--idle-timeout", "30s"});
        const auto be_silent = [](sim_world& world) -> task<> {
            auto stream = co_await net::tcp_stream::connect(server_place);
            const auto since = world.now();
            std::array<char, 1> buffer;
            const auto count = co_await stream.recv(buffer);
            CO_ASSERT_EQ(count, 0u);
            CO_ASSERT_GE(world.now() - since, 29s);
            CO_ASSERT_LE(world.now() - since, 38s);
        };
        const auto speak_now_and_then = []() -> task<> {
            auto stream = co_await net::tcp_stream::connect(server_place);
            for (int i = 0; i < 10; ++i) {
                std::array<char, 1> buffer;
                co_await stream.send("x");
                const auto count = co_await stream.recv(buffer);
                CO_ASSERT_EQ(count, 1u);
                co_await sleep_for(29s);
            }
        };
        const auto both = [=](sim_world& world) -> task<> {
            co_await sleep_for(1ms);
            co_await when_all(be_silent(world), speak_now_and_then());
        };
        run.near.spawn(both(run.world));
        run.run();
        EXPECT_EQ(echo.exit_status(), 0);
    });
}

TEST(DemoEcho, AddressThatIsTakenIsExplained) {
    for_each_seed(1, [](demo_world& run) {
        run.server.spawn([]() -> task<> {
            const auto taken = co_await net::tcp_listener::bind(server_place);
            co_await sleep_for(1s);
        });
        const sim_program& echo = start_tcp_echo(run);
        run.run();
        EXPECT_EQ(echo.exit_status(), 1);
        EXPECT_EQ(run.out, "");
        EXPECT_NE(run.err.find("10.0.0.1:21111"), std::string::npos) << run.err;
        EXPECT_NE(run.err.find("; end what listens there, or choose another"), std::string::npos) << run.err;
    });
}

}  // namespace sennit::testing::echo_test
