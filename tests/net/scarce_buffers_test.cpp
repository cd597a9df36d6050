// Receiving into buffers of which there are too few. Its one hard idea: what would spin is seen by counting turns of
// the loop, not by measuring time.

#include <array>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/net/buffer_lease.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::scarce_buffers_test {

using namespace std::chrono_literals;

std::string text_in(const net::buffer_lease& lease) {
    return std::string(const_bytes(lease).text());
}

task<std::pair<net::unix_stream, net::unix_stream>> unix_pair() {
    return net::unix_stream::pair();
}

/// Loops with few buffers.
class ScarceBuffers : public ::testing::TestWithParam<test_backend> {
  protected:
    void TearDown() override { raw_calls_on_the_machine(); }

    /// Runs `body` on a loop with this many buffers, and counts its turns.
    template <class Body>
    void run(receive_buffer_options buffers, Body body) {
        std::optional<event_loop> loop;
        try {
            event_loop_options options;
            options.receive_buffers = buffers;
            loop.emplace(GetParam().make(options));
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
        raw_calls_on(*loop);
        bool over = false;
        turns_ = 0;
        loop->root().spawn([&]() -> task<> {
            co_await with_timeout(patience, body());
            over = true;
        });
        for (; !over && turns_ != most_turns; ++turns_) loop->run_once(no_deadline);
        EXPECT_TRUE(over) << "after " << turns_ << " turns";
        EXPECT_EQ(loop->describe(), "");
    }
    std::size_t turns() const { return turns_; }

    static constexpr std::size_t most_turns = 1000000;
    static constexpr int crowd = sanitized ? 200 : 1000;

  private:
    std::size_t turns_ = 0;
};
SENNIT_ON_ALL_BACKENDS(ScarceBuffers);

TEST_P(ScarceBuffers, SizeBoundsOneLease) {
    run({100, 2}, []() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        const std::string sent = noise(1000);
        pair.second.send(sent);
        std::string got;
        for (int i = 0; i != 10; ++i) {
            const auto lease = co_await pair.first.recv_lease();
            EXPECT_EQ(lease.size(), 100u);
            got += text_in(lease);
        }
        EXPECT_TRUE(got == sent);
    });
}

TEST_P(ScarceBuffers, OneBufferServesACrowd) {
    run({64, 1}, []() -> task<> {
        std::vector<std::pair<net::unix_stream, net::unix_stream>> pairs;
        for (int i = 0; i != crowd; ++i) pairs.push_back(co_await unix_pair());
        int answered = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (auto& pair : pairs) {
                group.spawn([&]() -> task<> {
                    while (const auto lease = co_await pair.second.recv_lease()) co_await pair.second.send(lease);
                });
            }
            co_await settle();
            // All at once, and again when all have been answered.
            for (int round = 0; round != 3; ++round) {
                for (auto& pair : pairs) co_await pair.first.send("ping");
                for (auto& pair : pairs) {
                    const std::string answer = co_await read_exactly(pair.first, 4);
                    if (answer == "ping") ++answered;
                }
            }
            for (auto& pair : pairs) co_await pair.first.shutdown_send();
        });
        EXPECT_EQ(answered, 3 * crowd);
    });
    // Each message takes some turns of its own; a loop that asks again and again takes many more.
    EXPECT_LT(turns(), static_cast<std::size_t>(50 * crowd));
}

TEST_P(ScarceBuffers, NoSpinWhileTheOnlyBufferIsLent) {
    run({64, 1}, []() -> task<> {
        auto holder = co_await unix_pair();
        co_await holder.first.send("x");
        auto held = co_await holder.second.recv_lease();
        auto other = co_await unix_pair();
        co_await other.first.send("y");
        std::string got;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto lease = co_await other.second.recv_lease();
                got = text_in(lease);
            });
            // Enough time for thousands of turns.
            event never;
            const bool came = co_await move_on_after(5ms, never.wait());
            EXPECT_FALSE(came);
            EXPECT_EQ(got, "");
            held.release();
        });
        EXPECT_EQ(got, "y");
    });
    EXPECT_LT(turns(), 100u);
}

TEST_P(ScarceBuffers, IdleReceiversDoNotKeepTheBufferFromOthers) {
    run({64, 1}, []() -> task<> {
        std::vector<std::pair<net::unix_stream, net::unix_stream>> idle;
        for (int i = 0; i != 50; ++i) idle.push_back(co_await unix_pair());
        auto holder = co_await unix_pair();
        co_await holder.first.send("x");
        auto held = co_await holder.second.recv_lease();
        auto last = co_await unix_pair();
        co_await last.first.send("y");
        co_await with_task_group([&](task_group& group) -> task<> {
            for (auto& pair : idle) {
                group.spawn([&]() -> task<> { static_cast<void>(co_await pair.second.recv_lease()); });
            }
            co_await settle();
            group.spawn([&]() -> task<> {
                const auto lease = co_await last.second.recv_lease();
                EXPECT_EQ(text_in(lease), "y");
                group.cancel();
            });
            co_await settle();
            held.release();
        });
    });
    EXPECT_LT(turns(), 400u);
}

TEST_P(ScarceBuffers, CancelAndCloseReachThoseThatWaitForABuffer) {
    run({64, 1}, []() -> task<> {
        auto holder = co_await unix_pair();
        co_await holder.first.send("x");
        auto held = co_await holder.second.recv_lease();
        auto other = co_await unix_pair();
        co_await other.first.send("y");
        const auto late = co_await move_on_after(1ms, other.second.recv_lease());
        EXPECT_FALSE(late.has_value());
        std::error_code error;
        auto closed = co_await unix_pair();
        co_await closed.first.send("z");
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = co_await error_of(closed.second.recv_lease()); });
            co_await settle();
            closed.second.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
        held.release();
        const auto lease = co_await other.second.recv_lease();
        EXPECT_EQ(text_in(lease), "y");
    });
}

TEST_P(ScarceBuffers, ThePoolGrowsToWhatIsAllowed) {
    run({32, 300}, []() -> task<> {
        std::vector<std::pair<net::unix_stream, net::unix_stream>> pairs;
        for (int i = 0; i != 301; ++i) {
            pairs.push_back(co_await unix_pair());
            co_await pairs.back().first.send(std::to_string(i));
        }
        std::vector<net::buffer_lease> leases(301);
        int lent = 0;
        const auto receive = [&](int number) -> task<> {
            leases[static_cast<std::size_t>(number)] =
                co_await pairs[static_cast<std::size_t>(number)].second.recv_lease();
            ++lent;
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 301; ++i) group.spawn(receive(i));
            for (int i = 0; i != 1000 && lent != 300; ++i) co_await settle();
            co_await settle(20);
            EXPECT_EQ(lent, 300);
            for (net::buffer_lease& each : leases) {
                if (each.empty()) continue;
                each.release();
                break;
            }
        });
        EXPECT_EQ(lent, 301);
        EXPECT_EQ(text_in(leases.back()), "300");
    });
}

TEST_P(ScarceBuffers, FirstComeFirstServed) {
    run({64, 1}, []() -> task<> {
        auto holder = co_await unix_pair();
        co_await holder.first.send("x");
        auto held = co_await holder.second.recv_lease();
        std::vector<std::pair<net::unix_stream, net::unix_stream>> pairs;
        std::vector<int> order;
        const auto receive = [&](int number) -> task<> {
            static_cast<void>(co_await pairs[static_cast<std::size_t>(number)].second.recv_lease());
            order.push_back(number);
        };
        for (int i = 0; i != 10; ++i) {
            pairs.push_back(co_await unix_pair());
            co_await pairs.back().first.send("y");
        }
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 10; ++i) {
                group.spawn(receive(i));
                co_await settle();
            }
            held.release();
        });
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    });
}

}  // namespace sennit::testing::scarce_buffers_test
