// Streams on which small messages go to and fro. On such a one io_uring may receive what nobody has asked for yet. No
// backend may let that be seen: order, ends, errors, cancellation and the peer's being slowed down are as ever.

#include <netinet/tcp.h>

#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::conversation_test {

using namespace std::chrono_literals;

class Conversation : public SocketTest {
  protected:
    std::optional<net::tcp_stream> outlives_the_loop_;
};
SENNIT_ON_ALL_BACKENDS(Conversation);

/// A stream and a peer whose small messages leave at once.
task<std::pair<net::tcp_stream, raw_socket>> stream_and_peer() {
    auto pair = co_await tcp_with_raw_peer();
    const int on = 1;
    raw_calls::set_option(pair.second.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    co_return pair;
}

task<std::string> receive(net::tcp_stream& stream, std::size_t most = 64) {
    std::string buffer(most, '?');
    const std::size_t count = co_await stream.recv(buffer);
    buffer.resize(count);
    co_return buffer;
}

/// The peer says something while the stream waits for it; this many times.
task<> talk(net::tcp_stream& stream, raw_socket& peer, int times = 10) {
    for (int i = 0; i != times; ++i) {
        const std::string message = "message " + std::to_string(i);
        std::string got;
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto wait = [&]() -> task<> { got = co_await receive(stream); };
            group.spawn(wait);
            co_await settle();
            peer.send(message);
        });
        EXPECT_EQ(got, message);
        co_await stream.send("yes");
        co_await settle();
        EXPECT_EQ(peer.recv_now(), "yes");
    }
}

/// How a receive ends when something happens while it waits.
template <class Event>
task<std::error_code> error_of_a_wait(net::tcp_stream& stream, Event& happens) {
    std::error_code error;
    co_await with_task_group([&](task_group& group) -> task<> {
        const auto wait = [&]() -> task<> { error = co_await error_of(receive(stream)); };
        group.spawn(wait);
        co_await settle();
        happens();
    });
    co_return error;
}

TEST_P(Conversation, GoesOn) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second, 300);
    });
}

TEST_P(Conversation, WhatComesUnaskedWaitsForTheNextReceives) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        for (int i = 0; i != 3; ++i) {
            co_await talk(pair.first, pair.second);
            std::string all;
            for (const std::string part : {"one,", "two,", "three,", "four"}) {
                pair.second.send(part);
                all += part;
                co_await settle();
            }
            const std::string got = co_await read_exactly(pair.first, all.size());
            EXPECT_EQ(got, all);
        }
    });
}

TEST_P(Conversation, SmallBuffersTakeAMessagePieceByPiece) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        pair.second.send("0123456789");
        co_await settle();
        for (const std::string part : {"012", "345", "678", "9"}) {
            const std::string got = co_await receive(pair.first, 3);
            EXPECT_EQ(got, part);
        }
        co_await talk(pair.first, pair.second);
    });
}

TEST_P(Conversation, LeasesAndBuffersTakeTurns) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        pair.second.send("abcdef");
        co_await settle();
        const std::string begin = co_await receive(pair.first, 2);
        EXPECT_EQ(begin, "ab");
        const auto rest = co_await pair.first.recv_lease();
        EXPECT_EQ(const_bytes(rest).text(), "cdef");
        pair.second.send("gh");
        const std::string next = co_await receive(pair.first);
        EXPECT_EQ(next, "gh");
        EXPECT_EQ(const_bytes(rest).text(), "cdef") << "the lease is still its holder's";
    });
}

TEST_P(Conversation, CancelledReceiveLosesNothing) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        // Before and after the message has come.
        for (const bool early : {true, false}) {
            std::string got;
            co_await with_task_group([&](task_group& group) -> task<> {
                const auto wait = [&]() -> task<> { got = co_await receive(pair.first); };
                group.spawn(wait);
                co_await settle();
                if (!early) pair.second.send("first,");
                group.cancel();
            });
            if (early) pair.second.send("first,");
            pair.second.send("second");
            got += co_await read_exactly(pair.first, 12 - got.size());
            EXPECT_EQ(got, "first,second");
            co_await talk(pair.first, pair.second);
        }
    });
}

TEST_P(Conversation, TimeoutLosesNothing) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        for (int i = 0; i != 3; ++i) {
            const std::error_code error = co_await error_of(with_timeout(1ms, receive(pair.first)));
            EXPECT_EQ(error, std::errc::timed_out);
        }
        pair.second.send("late");
        const std::string got = co_await receive(pair.first);
        EXPECT_EQ(got, "late");
    });
}

TEST_P(Conversation, PeerThatIsNotListenedToIsSlowedDown) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        net::tcp_stream& talker = pair.first;
        net::tcp_stream& listener = pair.second;
        for (int i = 0; i != 10; ++i) {
            co_await talker.send("question");
            const std::string got = co_await receive(listener);
            EXPECT_EQ(got, "question");
            co_await listener.send("answer");
            const std::string answer = co_await receive(talker);
            EXPECT_EQ(answer, "answer");
        }
        const std::string message = noise(1000);
        constexpr std::size_t far_too_much = std::size_t{256} << 20;
        std::size_t sent = 0;
        running_hash sent_bytes;
        const auto talk_on = [&]() -> task<> {
            while (sent < far_too_much) {
                const std::size_t count = co_await talker.send_some(message);
                sent_bytes.add(message.data(), count);
                sent += count;
            }
        };
        const auto held_up = co_await move_on_after(500ms, talk_on());
        EXPECT_FALSE(held_up) << "sent " << sent << " bytes to nobody";
        co_await talker.shutdown_send();

        running_hash got_bytes;
        std::size_t got = 0;
        std::vector<char> buffer(4096);
        while (const std::size_t count = co_await listener.recv(buffer)) {
            got_bytes.add(buffer.data(), count);
            got += count;
        }
        EXPECT_EQ(got, sent);
        EXPECT_EQ(got_bytes.value(), sent_bytes.value());
    });
}

TEST_P(Conversation, LargeMessagesComeIntact) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        const std::string large = noise(100000);
        for (int i = 0; i != 3; ++i) {
            pair.second.send(large);
            const std::string got = co_await read_exactly(pair.first, large.size());
            EXPECT_TRUE(got == large);
            co_await talk(pair.first, pair.second);
        }
    });
}

TEST_P(Conversation, EndComesAfterTheLastWord) {
    run([]() -> task<> {
        for (const bool half : {true, false}) {
            auto pair = co_await stream_and_peer();
            co_await talk(pair.first, pair.second);
            pair.second.send("good ");
            co_await settle();
            pair.second.send("bye");
            if (half) {
                pair.second.shutdown(SHUT_WR);
            } else {
                pair.second.close();
            }
            co_await settle();
            const std::string all = co_await read_all(pair.first);
            EXPECT_EQ(all, "good bye");
            for (int i = 0; i != 3; ++i) {
                const std::string end = co_await receive(pair.first);
                EXPECT_EQ(end, "");
            }
        }
    });
}

TEST_P(Conversation, WaitingReceiveHearsOfTheEndAndOfAReset) {
    run([]() -> task<> {
        for (const bool reset : {true, false}) {
            auto pair = co_await stream_and_peer();
            co_await talk(pair.first, pair.second);
            const auto leave = [&] {
                if (reset) pair.second.reset_on_close();
                pair.second.close();
            };
            const std::error_code error = co_await error_of_a_wait(pair.first, leave);
            if (reset) {
                EXPECT_EQ(error, std::errc::connection_reset);
            } else {
                EXPECT_FALSE(error);
            }
        }
    });
}

TEST_P(Conversation, ResetWhileNobodyReceivesIsHeardOfNext) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        pair.second.reset_on_close();
        pair.second.close();
        co_await settle();
        const std::error_code error = co_await error_of(receive(pair.first));
        EXPECT_EQ(error, std::errc::connection_reset);
    });
}

TEST_P(Conversation, ClosingIsSeenByThePeer) {
    run([]() -> task<> {
        for (int i = 0; i != 20; ++i) {
            auto pair = co_await stream_and_peer();
            co_await talk(pair.first, pair.second);
            pair.first.close();
            co_await settle();
            EXPECT_EQ(pair.second.recv_now(), "EOF");
        }
    });
}

TEST_P(Conversation, ClosingWithSomethingUnreadGivesTheDescriptorBack) {
    run([]() -> task<> {
        const std::size_t before = open_descriptors();
        for (int i = 0; i != 20; ++i) {
            auto pair = co_await stream_and_peer();
            co_await talk(pair.first, pair.second);
            for (int part = 0; part != i % 4; ++part) {
                pair.second.send("never read");
                co_await settle();
            }
            pair.first.close();
            co_await settle();
            pair.second.close();
        }
        EXPECT_EQ(open_descriptors(), before);
    });
}

TEST_P(Conversation, ClosingEndsAReceiveThatWaits) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        const auto close = [&] { pair.first.close(); };
        const std::error_code error = co_await error_of_a_wait(pair.first, close);
        EXPECT_EQ(error, std::errc::operation_canceled);
        co_await settle();
        EXPECT_EQ(pair.second.recv_now(), "EOF");
    });
}

TEST_P(Conversation, SecondReceiverIsRefused) {
    run([]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        std::string got;
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto wait = [&]() -> task<> { got = co_await receive(pair.first); };
            group.spawn(wait);
            co_await settle();
            const std::error_code error = co_await error_of(receive(pair.first));
            EXPECT_EQ(error, std::errc::device_or_resource_busy);
            pair.second.send("to the first");
        });
        EXPECT_EQ(got, "to the first");
    });
}

TEST_P(Conversation, ManyAtATime) {
    run([]() -> task<> {
        constexpr std::size_t crowd = 150;
        constexpr std::size_t talkers = 8;  // at a time, so that there is little to do in each turn
        std::vector<std::pair<net::tcp_stream, raw_socket>> pairs;
        for (std::size_t i = 0; i != crowd; ++i) pairs.push_back(co_await stream_and_peer());
        for (std::size_t first = 0; first + talkers <= 2 * crowd; first += talkers) {
            co_await with_task_group([&](task_group& group) -> task<> {
                for (std::size_t i = first; i != first + talkers; ++i) {
                    auto& each = pairs[i % crowd];
                    group.spawn(talk(each.first, each.second));
                }
                co_return;
            });
        }
        // All of them still hear what they are told while nobody listens.
        for (auto& each : pairs) each.second.send("news");
        for (auto& each : pairs) {
            const std::string news = co_await receive(each.first);
            EXPECT_EQ(news, "news");
        }
    });
}

TEST_P(Conversation, NewStreamOfTheSameNumberHearsNothingOfTheOld) {
    run([]() -> task<> {
        for (int i = 0; i != 50; ++i) {
            auto old = co_await stream_and_peer();
            co_await talk(old.first, old.second, 6);
            old.second.send("for the old one");
            old.first.close();
            auto fresh = co_await stream_and_peer();
            fresh.second.send("for the new one");
            const std::string got = co_await receive(fresh.first);
            EXPECT_EQ(got, "for the new one");
        }
    });
}

TEST_P(Conversation, LoopMayEndBeforeTheStream) {
    run([this]() -> task<> {
        auto pair = co_await stream_and_peer();
        co_await talk(pair.first, pair.second);
        pair.second.send("never read");
        co_await settle();
        outlives_the_loop_.emplace(std::move(pair.first));
    });
}

TEST_P(Conversation, WhatArrivedBeforeTheStopIsReceivedByItsHandler) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        event goes_on;
        std::string last;
        const auto handler = [&](net::tcp_stream peer) -> task<> {
            for (int i = 0; i != 10; ++i) {
                const std::string question = co_await receive(peer);
                co_await peer.send(question);
            }
            co_await goes_on.wait();
            last = co_await read_all(peer);
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(net::serve(listener, handler));
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await converse(client);
            for (const char* const word : {"one last ", "word"}) {
                co_await client.send(word);
                co_await settle();
            }
            loop().stop().request();
            co_await settle();
            goes_on.set();
            const std::string nothing = co_await read_all(client);
            EXPECT_EQ(nothing, "");
        });
        EXPECT_EQ(last, "one last word");
    });
}

TEST_P(Conversation, WhoeverKnowsTheDescriptorCanReadFromIt) {
    run([]() -> task<> {
        for (const bool early : {true, false}) {
            auto pair = co_await stream_and_peer();
            if (early) static_cast<void>(pair.first.native_handle());
            co_await talk(pair.first, pair.second);
            const int fd = pair.first.native_handle();
            co_await settle();
            pair.second.send("plain");
            co_await settle();
            char buffer[16];
            EXPECT_EQ(raw_calls::recv_now(fd, buffer, sizeof buffer), 5);
            co_await talk(pair.first, pair.second);
        }
    });
}

}  // namespace sennit::testing::conversation_test
