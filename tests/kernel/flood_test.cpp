// One peer floods the server, and the others do not notice: what happens between two answers to one of them is counted
// in turns of the flood's own handler, not in time.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include "kernel_test.hpp"

namespace sennit::testing::flood_test {

class Flood : public KernelTest {};
SENNIT_ON_KERNEL_BACKENDS(Flood);

constexpr int good_clients = 8;
constexpr int questions = 100;
// A question and its answer take a handful of turns of the loop; the flood may have one of its own in each.
constexpr std::uint64_t most_turns = 64;

/// Sends back what it receives, and counts how often.
task<> count_and_echo(net::tcp_stream& peer, std::uint64_t& turns) {
    std::vector<std::byte> buffer(4096);
    while (const std::size_t count = co_await peer.recv(buffer)) {
        ++turns;
        co_await peer.send(const_bytes(buffer).first(count));
    }
}

/// As much as the connection takes, always; the answers are thrown away.
task<> flood(net::tcp_stream& stream) {
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> {
            const std::string requests(1 << 18, 'x');
            for (;;) co_await stream.send(requests);
        });
        group.spawn([&]() -> task<> {
            std::vector<std::byte> buffer(1 << 18);
            for (;;) static_cast<void>(co_await stream.recv(buffer));
        });
        co_return;
    });
}

TEST_P(Flood, HoldsUpNeitherTheOtherConnectionsNorTheTimers) {
    std::uint64_t turns = 0;
    std::uint64_t longest_wait = 0;
    std::uint64_t latest_timer = 0;
    run([&]() -> task<> {
        auto [flooder, flooded] = co_await tcp_pair();
        std::vector<std::pair<net::tcp_stream, net::tcp_stream>> good;
        for (int i = 0; i != good_clients; ++i) good.push_back(co_await tcp_pair());
        co_await with_task_group([&](task_group& background) -> task<> {
            background.spawn(count_and_echo(flooded, turns));
            background.spawn(flood(flooder));
            for (auto& pair : good) background.spawn(echo(std::move(pair.second)));
            while (turns < 10) co_await settle(1);
            co_await with_task_group([&](task_group& group) -> task<> {
                for (auto& pair : good) {
                    group.spawn([&]() -> task<> {
                        for (int i = 0; i != questions; ++i) {
                            const std::uint64_t before = turns;
                            co_await pair.first.send("question");
                            const std::string answer = co_await read_exactly(pair.first, 8);
                            EXPECT_EQ(answer, "question");
                            longest_wait = std::max(longest_wait, turns - before);
                        }
                    });
                }
                for (int i = 0; i != questions; ++i) {
                    const std::uint64_t before = turns;
                    co_await sleep_for(std::chrono::nanoseconds(0));
                    latest_timer = std::max(latest_timer, turns - before);
                }
            });
            background.cancel();
        });
    });
    EXPECT_LE(longest_wait, most_turns) << "turns of the flood between a question and its answer";
    EXPECT_LE(latest_timer, most_turns) << "turns of the flood before a timer that was due";
    EXPECT_GT(turns, 0U);
    record("most_turns_of_the_flood", std::max(longest_wait, latest_timer));
}

}  // namespace sennit::testing::flood_test
