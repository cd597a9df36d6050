// The proxy, whole, between clients and an echo server that is whole as well: three programs on three hosts.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"

namespace sennit::testing {
namespace {

constexpr int seeds = 16;
constexpr std::uint64_t size = 60'000;  // of a transfer

struct chain {
    explicit chain(demo_world& run)
        : echo(run.start(run.far, demos::tcp_echo_server::main, {"--host", "10.0.0.3", "--port", "7"})),
          proxy(run.start(run.server, demos::tcp_proxy::main, {"10.0.0.1:21111", "10.0.0.3:7"})) {}

    const sim_program& echo;
    const sim_program& proxy;
};

bool all_complete(const std::vector<transfer>& all) {
    return std::all_of(all.begin(), all.end(), [](const transfer& each) { return each.is_complete(); });
}

std::vector<transfer> new_transfers(std::size_t count) {
    std::vector<transfer> all(count);
    for (std::size_t i = 0; i != count; ++i) all[i] = {1009 * i, size};
    return all;
}

TEST(DemoProxy, ForwardsEveryByteInBothDirections) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.world.link(run.server, run.far).loss = run.world.link(run.far, run.server).loss = 10'000;
        const chain programs(run);
        std::vector<transfer> clients = new_transfers(5);
        for (transfer& each : clients) run.near.spawn(exchange_with<net::tcp_stream>(server_place, each));
        run.run();
        EXPECT_TRUE(all_complete(clients));
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        EXPECT_EQ(programs.echo.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoProxy, PartitionOnEitherSideThatHealsIsOnlyADelay) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(10s, run.near, 30ms);
        run.partition_for(10s, run.far, 15s);
        const chain programs(run);
        std::vector<transfer> clients = new_transfers(3);
        std::vector<transfer> later = new_transfers(3);
        const auto wait_and_exchange = [](transfer& progress) -> task<> {
            co_await sleep_for(14980ms);
            co_await exchange_with<net::tcp_stream>(server_place, progress);
        };
        for (transfer& each : clients) run.near.spawn(exchange_with<net::tcp_stream>(server_place, each));
        for (transfer& each : later) run.near.spawn(wait_and_exchange(each));
        run.world.after(9s, [&] { EXPECT_FALSE(all_complete(clients)) << "the partition came too late"; });
        run.world.after(24s, [&] { EXPECT_FALSE(all_complete(later)) << "the partition came too late"; });
        run.run();
        EXPECT_TRUE(all_complete(clients));
        EXPECT_TRUE(all_complete(later));
        EXPECT_EQ(programs.proxy.exit_status(), 0);
    });
}

TEST(DemoProxy, BreaksWithTheServerAndServesTheNextOnes) {
    for_each_seed(seeds, [](demo_world& run) {
        run.world.after(60ms, [&] { run.world.reset_connections(run.server, run.far); });
        const chain programs(run);
        std::vector<transfer> broken = new_transfers(3);
        std::vector<transfer> again = new_transfers(3);
        const auto twice = [](transfer& first, transfer& second) -> task<> {
            co_await try_to_exchange_with<net::tcp_stream>(server_place, first);
            co_await exchange_with<net::tcp_stream>(server_place, second);
        };
        for (std::size_t i = 0; i != broken.size(); ++i) run.near.spawn(twice(broken[i], again[i]));
        run.run();
        EXPECT_FALSE(all_complete(broken));
        EXPECT_TRUE(all_complete(again));
        EXPECT_EQ(programs.proxy.exit_status(), 0);
        EXPECT_NE(run.err.find("a connection to 10.0.0.3:7 ended: "), std::string::npos);
    });
}

TEST(DemoProxy, ServerThatIsNotThereIsSaidAndEndsTheConnection) {
    for_each_seed(seeds, [](demo_world& run) {
        const sim_program& proxy = run.start(run.server, demos::tcp_proxy::main, {"10.0.0.1:21111", "10.0.0.3:7"});
        const auto ask = []() -> task<> {
            co_await sleep_for(1ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            std::array<std::byte, 16> buffer;
            CO_ASSERT_EQ(co_await stream.recv(buffer), 0u);
        };
        run.near.spawn(ask());
        run.run();
        EXPECT_EQ(proxy.exit_status(), 0);
        EXPECT_NE(run.err.find("a connection to 10.0.0.3:7 ended: "), std::string::npos) << run.err;
    });
}

}  // namespace
}  // namespace sennit::testing
