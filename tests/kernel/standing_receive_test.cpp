// When a receive stays armed and when it does not, seen by the entries that the kernel is handed.

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/event.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/when_all.hpp>
#include <sennit/yield.hpp>

#include "backends/uring_tag.hpp"
#include "completion_seam.hpp"
#include "kernel_test.hpp"
#include "support/sockets.hpp"

namespace sennit::testing::standing_receive_test {

/// What the kernel was asked for, and what it said.
struct counted {
    std::size_t standing = 0;
    std::size_t receives = 0;  // those that end with what they bring
    std::size_t completions = 0;
    std::size_t brought = 0;  // by standing receives: times, not bytes
};

class StandingReceive : public ::testing::Test {
  protected:
    /// Runs `body` while counting what is received.
    template <class Body>
    void run(Body body) {
        completion_seam seam;
        seam.on_submission = [this](io_uring_sqe& entry) {
            const auto tag = static_cast<uring_tag>(entry.user_data & uring_tag_mask);
            const bool in_self_test = entry.user_data == 0 || tag == uring_tag::own;
            if (entry.opcode != IORING_OP_RECV || in_self_test) return;
            ++((entry.ioprio & IORING_RECV_MULTISHOT) != 0 ? count_.standing : count_.receives);
        };
        seam.on_completion = [this](io_uring_cqe& entry) {
            ++count_.completions;
            if (misses_the_end_ && entry.user_data == tagged(uring_errand::nobody) && entry.res == 0) entry.res = 1;
            const bool standing = static_cast<uring_tag>(entry.user_data & uring_tag_mask) == uring_tag::standing;
            if (standing && entry.res > 0) ++count_.brought;
        };
        event_loop_options options;
        options.backend = backend_kind::io_uring;
        try {
            event_loop loop(options);
            loop.run(with_timeout(patience, body()));
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
        if (count_.completions == 0) GTEST_SKIP() << "liburing is a part of the library: nothing gets between";
    }

    const counted& count() const { return count_; }

    /// The kernel seems not to tell of the end.
    void miss_the_end() { misses_the_end_ = true; }

  private:
    counted count_;
    bool misses_the_end_ = false;
};

constexpr std::size_t rounds = 200;

/// Questions of this size, each answered before the next one comes.
task<> talk(net::tcp_stream& asks, net::tcp_stream& answers, std::size_t size) {
    const std::string question = noise(size);
    for (std::size_t i = 0; i != rounds; ++i) {
        const auto ask = [&]() -> task<> {
            co_await asks.send(question);
            const std::string answer = co_await read_exactly(asks, 3);
            EXPECT_EQ(answer, "yes");
        };
        const auto reply = [&]() -> task<> {
            std::string buffer(65536, '?');
            std::size_t got = 0;
            while (got < size) got += co_await answers.recv(buffer);
            co_await answers.send("yes");
        };
        co_await when_all(reply(), ask());
    }
}

TEST_F(StandingReceive, ServesAConversationOfSmallMessages) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        co_await talk(pair.first, pair.second, 64);
    });
    if (IsSkipped()) return;
    EXPECT_GT(count().standing, 0U);
    EXPECT_LT(count().standing + count().receives, rounds / 4) << "for both ends";
}

TEST_F(StandingReceive, EndsWhenNobodyReceives) {
    std::size_t unasked = 0;
    run([&]() -> task<> {
        auto pair = co_await tcp_pair();
        co_await talk(pair.first, pair.second, 64);
        const std::size_t before = count().brought;
        std::string all;
        for (int i = 0; i != 20; ++i) {
            const std::string message = "message " + std::to_string(i);
            co_await pair.first.send(message);
            co_await settle();
            all += message;
        }
        unasked = count().brought - before;
        const std::string got = co_await read_exactly(pair.second, all.size());
        EXPECT_EQ(got, all);
    });
    if (IsSkipped()) return;
    EXPECT_EQ(unasked, 2U);
}

/// The buffer of the kernel, which limits what a server that drains takes for arrived, is smaller than what it had
/// received before.
TEST_F(StandingReceive, WhatItHasBroughtIsReceivedByAServerThatDrains) {
    std::string last;
    const std::string parts = noise(2800);
    run([&]() -> task<> {
        event_loop& loop = co_await current_loop();
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        event goes_on;
        const auto handler = [&](net::tcp_stream peer) -> task<> {
            peer.set_receive_buffer_size(1);
            std::string buffer(64, '?');
            for (int i = 0; i != 10; ++i) {
                const std::size_t count = co_await peer.recv(buffer);
                co_await peer.send(const_bytes(buffer).first(count));
            }
            co_await goes_on.wait();
            while (const std::size_t count = co_await peer.recv(buffer)) last.append(buffer, 0, count);
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(net::serve(listener, handler));
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await converse(client);
            for (const std::size_t begin : {std::size_t{0}, parts.size() / 2}) {
                const std::string part = parts.substr(begin, parts.size() / 2);
                co_await client.send(part);
                co_await settle();
            }
            loop.stop().request();
            co_await settle();
            goes_on.set();
            const std::string nothing = co_await read_all(client);
            EXPECT_EQ(nothing, "");
        });
    });
    if (IsSkipped()) return;
    EXPECT_EQ(last.size(), parts.size());
    EXPECT_TRUE(last == parts);
}

TEST_F(StandingReceive, IsNotThereWhereItMissesTheEnd) {
    miss_the_end();
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        co_await talk(pair.first, pair.second, 64);
    });
    if (IsSkipped()) return;
    EXPECT_EQ(count().standing, 0U);
    EXPECT_GE(count().receives, 2 * rounds);
}

TEST_F(StandingReceive, IsNotThereForLargeMessages) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        static_cast<void>(pair.first.native_handle());  // the one that is answered receives small messages
        co_await talk(pair.first, pair.second, 16384);
    });
    if (IsSkipped()) return;
    EXPECT_EQ(count().standing, 0U);
    EXPECT_GE(count().receives, 2 * rounds);
}

}  // namespace sennit::testing::standing_receive_test
