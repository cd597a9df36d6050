// Peers that send nothing, read nothing, or only connect. In the simulated world the defaults are shown in full; on the
// kernel the same happens with limits of milliseconds, and what is expected is an order of events, not a time.

#include <array>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::serve_timeout_test {

using namespace std::chrono_literals;

/// Runs a server for a test, and keeps how its handlers ended.
class ServeTimeout : public SocketTest {
  protected:
    net::serve_counters counters;
    std::vector<std::error_code> endings;

    /// Echoes, and remembers the error that ended it.
    task<> echo(net::tcp_stream peer) {
        std::array<std::byte, 4096> buffer;
        try {
            while (const auto count = co_await peer.recv(buffer)) {
                co_await peer.send(const_bytes(buffer).first(count));
            }
            note_ending({});
        } catch (const std::system_error& error) {
            note_ending(error.code());
        }
    }
    void note_ending(std::error_code how) {
        endings.push_back(how);
        another_ending_.set();
    }
    task<> serve_echo(net::tcp_listener& listener, net::serve_options options) {
        options.counters = &counters;
        const auto handler = [this](net::tcp_stream peer) { return echo(std::move(peer)); };
        co_await net::serve(listener, handler, options);
    }

    /// The default in the simulated world, where it takes no time; a short time elsewhere.
    duration shortened(std::optional<duration> limit) const { return GetParam().is_simulated() ? *limit : 40ms; }
    net::serve_options shortened_options() const {
        net::serve_options options;
        options.idle_timeout = shortened(options.idle_timeout);
        options.send_timeout = shortened(options.send_timeout);
        return options;
    }
    task<> wait_for_endings(std::size_t count) {
        while (endings.size() < count) {
            another_ending_.reset();
            co_await another_ending_.wait();
        }
    }
    /// In the simulated world the default patience of a test is less than the defaults of a server.
    template <class Body>
    auto run(Body body) {
        return OnBackends::run([&] { return with_timeout(GetParam().is_simulated() ? 24h : patience, body()); });
    }

  private:
    event another_ending_;
};
SENNIT_ON_ALL_BACKENDS(ServeTimeout);

TEST_P(ServeTimeout, PeerThatNeverSendsIsTimedOut) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::serve_options options = shortened_options();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            auto silent = co_await net::tcp_stream::connect(listener.local_endpoint());
            const time_point begin = loop().now();
            const std::string nothing = co_await read_all(silent);
            EXPECT_EQ(nothing, "");
            EXPECT_GE(loop().now() - begin, *options.idle_timeout - 1ms);
            if (GetParam().is_simulated()) {
                EXPECT_LE(loop().now() - begin, 10min * 5 / 4 + 1s);
            }
            co_await wait_for_endings(1);
            EXPECT_EQ(endings[0], std::errc::timed_out);
            EXPECT_EQ(counters.idle, 1u);
            EXPECT_EQ(counters.stalled, 0u);
            EXPECT_EQ(counters.served, 1u);
            group.cancel();
        });
    });
}

TEST_P(ServeTimeout, PeerThatNeverReadsIsTimedOut) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        net::serve_options options = shortened_options();
        options.idle_timeout = std::nullopt;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            auto greedy = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string much = noise(1 << 16);
            std::error_code failure;
            while (!failure) failure = co_await error_of(greedy.send(much));
            co_await wait_for_endings(1);
            EXPECT_EQ(endings[0], std::errc::timed_out);
            EXPECT_EQ(counters.stalled, 1u);
            EXPECT_EQ(counters.idle, 0u);
            group.cancel();
        });
    });
}

TEST_P(ServeTimeout, WhoeverSaysSomethingNowAndThenStays) {
    SENNIT_NEEDS_SIMULATION("the machine may stop a test for longer than any short limit");
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, {}));
            auto slow = co_await net::tcp_stream::connect(listener.local_endpoint());
            for (int i = 0; i < 20; ++i) {
                co_await sleep_for(9min);
                co_await slow.send("x");
                const std::string answer = co_await read_exactly(slow, 1);
                EXPECT_EQ(answer, "x");
            }
            co_await slow.shutdown_send();
            co_await wait_for_endings(1);
            EXPECT_EQ(endings[0], std::error_code());
            group.cancel();
        });
        EXPECT_EQ(counters.idle, 0u);
    });
}

TEST_P(ServeTimeout, WhoeverIsSentSomethingIsNotIdle) {
    SENNIT_NEEDS_SIMULATION("the machine may stop a test for longer than any short limit");
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        // A listener in a chat, say: it reads for hours and never says a word.
        const auto radio = [](net::tcp_stream peer) -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    std::array<std::byte, 16> buffer;
                    co_await peer.recv(buffer);
                });
                for (int i = 0; i < 30; ++i) {
                    co_await sleep_for(5min);
                    co_await peer.send("news");
                }
                group.cancel();
            });
        };
        net::serve_options options;
        options.counters = &counters;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, radio, options); });
            auto audience = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string all = co_await read_all(audience);
            EXPECT_EQ(all.size(), 30u * 4);
            group.cancel();
        });
        EXPECT_EQ(counters.idle, 0u);
    });
}

TEST_P(ServeTimeout, SlowReaderWhoGoesOnReadingGetsEverything) {
    SENNIT_NEEDS_SIMULATION("the machine may stop a test for longer than any short limit");
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const std::string much = noise(1 << 20);
        const auto publish = [&](net::tcp_stream peer) -> task<> { co_await peer.send(much); };
        net::serve_options options;
        options.counters = &counters;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, publish, options); });
            auto slow = co_await net::tcp_stream::connect(listener.local_endpoint());
            std::string all;
            std::vector<char> buffer(65536);
            while (const std::size_t count = co_await slow.recv(buffer)) {
                all.append(buffer.data(), count);
                co_await sleep_for(50s);
            }
            EXPECT_TRUE(all == much);
            group.cancel();
        });
        EXPECT_EQ(counters.stalled, 0u);
    });
}

TEST_P(ServeTimeout, ConnectionThatItsHandlerDoesNotWaitForIsNotIdle) {
    SENNIT_NEEDS_SIMULATION("it would depend on how long a turn takes");
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const auto computes = [](net::tcp_stream peer, duration time) -> task<> {
            co_await sleep_for(time);
            co_await peer.send("done");
        };
        net::serve_options options = shortened_options();
        options.counters = &counters;
        const duration long_time = 5 * *options.idle_timeout;
        const auto handler = [&](net::tcp_stream peer) { return computes(std::move(peer), long_time); };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler, options); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string answer = co_await read_all(client);
            EXPECT_EQ(answer, "done");
            group.cancel();
        });
        EXPECT_EQ(counters.idle, 0u);
    });
}

TEST_P(ServeTimeout, HandlerMaySayGoodbyeAndGoOnAfterATimeout) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const auto patient = [](net::tcp_stream peer) -> task<> {
            std::array<char, 16> buffer;
            for (;;) {
                const auto got = co_await as_result(peer.recv(buffer));
                if (!got) {
                    EXPECT_EQ(got.error(), std::errc::timed_out);
                    co_await peer.send("still there?");
                    continue;
                }
                if (*got == 0) co_return;
                co_await peer.send("good");
                co_return;
            }
        };
        net::serve_options options = shortened_options();
        options.counters = &counters;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, patient, options); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string question = co_await read_exactly(client, 12);
            EXPECT_EQ(question, "still there?");
            co_await client.send("yes");
            std::string rest = co_await read_all(client);
            while (rest.starts_with("still there?")) rest.erase(0, 12);
            EXPECT_EQ(rest, "good");
            group.cancel();
        });
        EXPECT_GE(counters.idle, 1u);
    });
}

TEST_P(ServeTimeout, LentBuffersAndExactReceivesTimeOutToo) {
    SENNIT_NEEDS_SIMULATION("it would depend on how long a turn takes");
    run([this]() -> task<> {
        const auto by_lease = [](net::tcp_stream& peer) -> task<std::error_code> {
            co_return co_await error_of(peer.recv_lease());
        };
        const auto exactly = [](net::tcp_stream& peer) -> task<std::error_code> {
            std::array<std::byte, 16> buffer;
            co_return co_await error_of(peer.recv_exactly(buffer));
        };
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const auto handler = [&](net::tcp_stream peer) -> task<> {
            const std::error_code lease_ended = co_await by_lease(peer);
            note_ending(lease_ended);
            co_await peer.send("1");
            const std::error_code exact_ended = co_await exactly(peer);
            note_ending(exact_ended);
        };
        const net::serve_options options = shortened_options();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler, options); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string first = co_await read_exactly(client, 1);
            co_await client.send("half");
            co_await wait_for_endings(2);
            EXPECT_EQ(endings[0], std::errc::timed_out);
            EXPECT_EQ(endings[1], std::errc::timed_out);
            group.cancel();
        });
    });
}

TEST_P(ServeTimeout, NoValueMeansForEver) {
    SENNIT_NEEDS_SIMULATION("it takes a day");
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        net::serve_options options;
        options.idle_timeout = std::nullopt;
        options.send_timeout = std::nullopt;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await shield(sleep_for(23h));
            co_await client.send("x");
            const std::string answer = co_await read_exactly(client, 1);
            EXPECT_EQ(answer, "x");
            group.cancel();
        });
    });
}

TEST_P(ServeTimeout, FloodOfConnectionsThatDoNothingMakesRoomForAGoodClient) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        constexpr std::size_t room = 8;
        net::serve_options options;
        options.max_connections = room;
        options.timeout_when_full = shortened(options.timeout_when_full);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            std::vector<net::tcp_stream> flood;
            for (std::size_t i = 0; i < 3 * room; ++i) {
                flood.push_back(co_await net::tcp_stream::connect(listener.local_endpoint()));
            }
            const std::size_t descriptors = open_descriptors();
            const time_point begin = loop().now();
            auto good = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await good.send("hello");
            const std::string answer = co_await read_exactly(good, 5);
            EXPECT_EQ(answer, "hello");
            // Those in front of it in the backlog were served, found to be idle, and ended, in three rounds.
            if (GetParam().is_simulated()) {
                EXPECT_LE(loop().now() - begin, 3 * 10s * 5 / 4 + 1s);
            }
            EXPECT_GE(counters.idle, 2 * room + 1);
            EXPECT_LE(open_descriptors(), descriptors + 1);
            RecordProperty("connections", static_cast<int>(3 * room + 1));
            group.cancel();
        });
    });
}

TEST_P(ServeTimeout, StopWhileAConnectionTimesOutEndsInOrder) {
    SENNIT_NEEDS_SIMULATION("it would depend on how long a turn takes");
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::serve_options options = shortened_options();
        std::vector<net::tcp_stream> clients;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            for (int i = 0; i < 5; ++i) {
                clients.push_back(co_await net::tcp_stream::connect(listener.local_endpoint()));
            }
            while (counters.idle == 0) co_await sleep_for(1ms);
            loop().stop().request();
        });
        EXPECT_EQ(counters.served, 5u);
        EXPECT_EQ(endings.size(), 5u);
    });
}

TEST_P(ServeTimeout, UnixStreamsHaveTheSameLimits) {
    run([this]() -> task<> {
        auto listener = co_await net::unix_listener::bind(net::endpoint::unix_abstract("sennit-serve-timeout"));
        const auto handler = [this](net::unix_stream peer) -> task<> {
            std::array<std::byte, 16> buffer;
            const std::error_code ended = co_await error_of(peer.recv(buffer));
            note_ending(ended);
        };
        const net::serve_options options = shortened_options();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler, options); });
            auto silent = co_await net::unix_stream::connect(listener.local_endpoint());
            const std::string nothing = co_await read_all(silent);
            EXPECT_EQ(nothing, "");
            EXPECT_EQ(endings.at(0), std::errc::timed_out);
            group.cancel();
        });
    });
}

}  // namespace sennit::testing::serve_timeout_test
