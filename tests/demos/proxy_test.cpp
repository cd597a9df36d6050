// The proxy and an echo server behind it, two whole programs on hosts of their own: what one side of the proxy does to
// the other.

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"

namespace sennit::testing::proxy_test {

constexpr int seeds = 16;
constexpr std::uint64_t size = transfers::usual_size;
const net::endpoint proxy_place{"10.0.0.2", 80};

/// The proxy runs on `near`, the clients on `far`.
struct proxy_and_target {
    explicit proxy_and_target(demo_world& run)
        : target(run.start(run.server, demos::tcp_echo_server::main, {"--host", "10.0.0.1"})),
          proxy(run.start(run.near, demos::tcp_proxy::main, {"10.0.0.2:80", "echo.test:21111"})) {
        run.world.add_name("echo.test", {"10.0.0.1"}, 5ms);
    }

    sim_program& target;
    sim_program& proxy;
};

void start_clients(demo_world& run, transfers& clients, int count) {
    for (int i = 0; i < count; ++i) run.far.spawn(exchange_with<net::tcp_stream>(proxy_place, clients[i]));
}

/// Clients whose connections may break.
void start_disappointed_clients(demo_world& run, transfers& clients, int count) {
    for (int i = 0; i < count; ++i) run.far.spawn(try_to_exchange_with<net::tcp_stream>(proxy_place, clients[i]));
}

/// The connections of this many clients ended for this reason.
bool tells_of(const std::string& reason, int clients, const std::string& err) {
    const std::string line = "a connection to echo.test:21111 ended: " + reason + "\n";
    int found = 0;
    for (auto at = err.find(line); at != err.npos; at = err.find(line, at + 1)) ++found;
    return found == clients;
}

TEST(DemoProxy, ForwardsEverythingBothWays) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.world.link(run.near, run.server).loss = run.world.link(run.far, run.near).loss = 10'000;
        const proxy_and_target programs(run);
        transfers clients(5);
        start_clients(run, clients, 5);
        run.run();
        EXPECT_TRUE(clients.are_complete());
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        EXPECT_EQ(programs.target.exit_status(), 0);
        EXPECT_NE(run.out.find("listening on 10.0.0.2:80 (sim)\n"), std::string::npos);
        EXPECT_NE(run.out.find("served 5 connections, received 300000 bytes, sent 300000 bytes\n"), std::string::npos)
            << run.out;
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoProxy, PartitionOnEitherSideThatHealsIsOnlyADelay) {
    for_each_seed(seeds, [](demo_world& run) {
        sim_host& cut_off_from_proxy = run.world.seed() % 2 == 0 ? run.server : run.far;
        run.world.after(40ms, [&] { run.world.partition(run.near, cut_off_from_proxy); });
        run.world.after(20s, [&] { run.world.heal(run.near, cut_off_from_proxy); });
        const proxy_and_target programs(run);
        transfers clients(5);
        start_clients(run, clients, 5);
        run.world.after(19s, [&] { EXPECT_LT(clients.echoed(), 5 * size) << "the partition came too late"; });
        run.run();
        EXPECT_TRUE(clients.are_complete());
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoProxy, GivesUpOnATargetOutOfReachAndTriesAgainForTheNext) {
    for_each_seed(seeds, [](demo_world& run) {
        run.world.partition(run.server, run.near);
        const proxy_and_target programs(run);
        transfers too_early(3);
        transfers later(3);
        start_disappointed_clients(run, too_early, 3);
        run.world.after(9s, [&] { EXPECT_FALSE(too_early[0].end_seen); });
        // Its ten seconds are over, and the last word has got through.
        run.world.after(11s, [&] {
            EXPECT_EQ(run.near.open_descriptors(), 1u) << run.world.describe();
            run.world.heal(run.server, run.near);
            start_clients(run, later, 3);
        });
        run.lasts_at_least(12s);
        run.run();
        EXPECT_EQ(too_early.echoed(), 0u);
        EXPECT_TRUE(later.are_complete());
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        EXPECT_TRUE(tells_of("the deadline has passed: Connection timed out", 3, run.err)) << run.err;
    });
}

TEST(DemoProxy, TargetThatIsKilledEndsItsConnectionsAndItsSuccessorGetsTheNext) {
    for_each_seed(seeds, [](demo_world& run) {
        sim_host& spare = run.world.add_host("spare", {"10.0.0.4"});
        const proxy_and_target programs(run);
        const sim_program& successor = run.start(spare, demos::tcp_echo_server::main, {"--host", "10.0.0.4"});
        transfers broken(3, 100 * size);
        transfers refused(3);
        transfers later(3);
        start_disappointed_clients(run, broken, 3);
        run.world.after(200ms, [&] {
            EXPECT_GT(broken.echoed(), 0u);
            programs.target.interrupt();
            programs.target.interrupt();
        });
        run.world.after(2s, [&] {
            EXPECT_EQ(run.near.open_descriptors(), 1u) << run.world.describe();
            start_disappointed_clients(run, refused, 3);
        });
        run.world.after(4s, [&] {
            run.world.add_name("echo.test", {"10.0.0.4"});
            start_clients(run, later, 3);
        });
        run.lasts_at_least(5s);
        run.run();
        EXPECT_EQ(refused.echoed(), 0u);
        EXPECT_TRUE(later.are_complete());
        EXPECT_EQ(programs.target.exit_status(), sim_program::killed);
        EXPECT_EQ(successor.exit_status(), 0);
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        const std::string refusal = "connect to echo.test:21111 (10.0.0.1:21111): Connection refused";
        EXPECT_TRUE(tells_of(refusal, 3, run.err)) << run.err;
    });
}

TEST(DemoProxy, ResetOnOneSideEndsTheOther) {
    for_each_seed(seeds, [](demo_world& run) {
        const proxy_and_target programs(run);
        const bool before_the_proxy = run.world.seed() % 2 == 0;
        transfers clients(3, 100 * size);
        start_disappointed_clients(run, clients, 3);
        run.world.after(200ms, [&, before_the_proxy] {
            run.world.reset_connections(run.near, before_the_proxy ? run.far : run.server);
        });
        run.world.after(2s, [&] {
            EXPECT_EQ(run.near.open_descriptors(), 1u) << "the listener alone";
            EXPECT_EQ(run.server.open_descriptors(), 1u);
        });
        run.lasts_at_least(3s);
        run.run();
        EXPECT_GT(clients.echoed(), 0u);
        EXPECT_EQ(programs.proxy.exit_status(), 0);
    });
}

TEST(DemoProxy, InterruptedProxyPassesOnWhatItHasTaken) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        const proxy_and_target programs(run);
        transfers clients(4, 100 * size);
        start_disappointed_clients(run, clients, 4);
        run.world.after(150ms, [&] { programs.proxy.interrupt(); });
        run.run();
        for (int i = 0; i < 4; ++i) EXPECT_TRUE(clients[i].end_seen) << i;
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        EXPECT_EQ(programs.target.exit_status(), 0);
        const std::string bytes = std::to_string(clients.echoed());
        EXPECT_NE(run.out.find("served 4 connections, received " + bytes + " bytes, sent " + bytes + " bytes\n"),
                  std::string::npos)
            << clients.echoed() << " came back";
        EXPECT_EQ(run.err, "");
    });
}

}  // namespace sennit::testing::proxy_test
