// Cancelling against completing. Its one hard idea: the two are made to meet in every order that there is, by counting
// turns of the loop between them, and whatever wins, each byte and each connection must turn up exactly once.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_any.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::cancel_race_test {

using namespace std::chrono_literals;

class CancelRace : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(CancelRace);

constexpr int rounds = 1000;

/// Runs `wait` in a group and cancels it `turns_after` turns after `event` or, when that is negative, as many turns
/// before it. In between nothing but the kernel moves.
template <class Wait, class Event>
task<> let_meet(int turns_before, int turns_after, Wait& wait, Event& event) {
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(wait());
        co_await settle(turns_before);
        if (turns_after < 0) {
            group.cancel();
            co_await shield(settle(-turns_after - 1));
            event();
        } else {
            event();
            co_await settle(turns_after);
            group.cancel();
        }
    });
}

template <class Stream>
task<> conserve_received_bytes(Stream& stream, raw_socket& peer) {
    std::string sent;
    std::string received;
    int ended_with_bytes = 0;
    int ended_without = 0;
    const auto wait = [&]() -> task<> {
        std::array<char, 256> buffer;
        bool got = false;
        try {
            const std::size_t count = co_await stream.recv(buffer);
            received.append(buffer.data(), count);
            got = true;
        } catch (const cancelled&) {
        }
        ++(got ? ended_with_bytes : ended_without);
    };
    for (int round = 0; round != rounds; ++round) {
        const std::string piece = noise(1 + static_cast<std::size_t>(round * 7 % 200), static_cast<unsigned>(round));
        const auto event = [&] { peer.send(piece); };
        co_await let_meet(round % 4, round / 4 % 6 - 2, wait, event);
        sent += piece;
    }
    EXPECT_GT(ended_with_bytes, rounds / 10);
    EXPECT_GT(ended_without, rounds / 10);
    received += co_await read_exactly(stream, sent.size() - received.size());
    EXPECT_EQ(received.size(), sent.size());
    EXPECT_TRUE(received == sent);
    peer.close();
    const std::string rest = co_await read_all(stream);
    EXPECT_EQ(rest, "");
}

TEST_P(CancelRace, RecvKeepsArrivedBytes) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        co_await conserve_received_bytes(pair.first, pair.second);
    });
}

TEST_P(CancelRace, RecvOnAUnixStreamKeepsArrivedBytes) {
    run([]() -> task<> {
        auto listener = co_await net::unix_listener::bind(net::endpoint::unix_abstract("sennit-test-cancel-race"));
        raw_socket peer = raw_connect(listener.local_endpoint());
        auto stream = co_await listener.accept();
        co_await conserve_received_bytes(stream, peer);
    });
}

TEST_P(CancelRace, RecvFromLosesNoDatagram) {
    run([]() -> task<> {
        auto socket = co_await net::udp_socket::bind({"127.0.0.1", 0});
        auto sender = co_await net::udp_socket::connect(socket.local_endpoint());
        int next = 0;
        int cancelled_rounds = 0;
        std::array<char, 16> buffer;
        const auto wait = [&]() -> task<> {
            bool got = false;
            try {
                const net::datagram one = co_await socket.recv_from(buffer);
                EXPECT_EQ(std::string(buffer.data(), one.size), std::to_string(next));
                EXPECT_EQ(one.sender, sender.local_endpoint());
                got = true;
            } catch (const cancelled&) {
            }
            got ? ++next : ++cancelled_rounds;
        };
        for (int round = 0; round != rounds; ++round) {
            const std::string text = std::to_string(round);
            const auto event = [&] { raw_calls::send(sender.native_handle(), text.data(), text.size()); };
            co_await let_meet(round % 4, round / 4 % 6 - 2, wait, event);
            while (next <= round) co_await wait();
        }
        EXPECT_GT(cancelled_rounds, rounds / 10);
        EXPECT_EQ(next, rounds);
    });
}

TEST_P(CancelRace, AcceptLosesNoConnection) {
    run([]() -> task<> {
        const std::size_t before = open_descriptors();
        int ended_with_connection = 0;
        int ended_without = 0;
        {
            auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
            raw_socket client;
            std::optional<net::tcp_stream> accepted;
            const auto wait = [&]() -> task<> {
                try {
                    accepted.emplace(co_await listener.accept());
                } catch (const cancelled&) {
                }
            };
            const auto event = [&] { client = raw_connect(listener.local_endpoint()); };
            for (int round = 0; round != rounds; ++round) {
                accepted.reset();
                co_await let_meet(round % 4, round / 4 % 6 - 2, wait, event);
                ++(accepted ? ended_with_connection : ended_without);
                if (!accepted) accepted.emplace(co_await listener.accept());
                // It is this round's client, not one that was left over.
                const std::string name = std::to_string(round);
                client.send(name);
                const std::string received = co_await read_exactly(*accepted, name.size());
                EXPECT_EQ(received, name);
            }
        }
        co_await settle();
        EXPECT_GT(ended_with_connection, rounds / 10);
        EXPECT_GT(ended_without, rounds / 10);
        EXPECT_EQ(open_descriptors(), before) << "every descriptor has been closed";
    });
}

TEST_P(CancelRace, SendSomeCountsWhatLeft) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.first.set_send_buffer_size(8192);
        const std::string bytes = noise(50000);
        std::size_t sent = 0;
        std::size_t arrived = 0;
        int ended_without = 0;
        const auto wait = [&]() -> task<> {
            bool got = false;
            try {
                for (;;) {
                    sent += co_await pair.first.send_some(bytes);
                    got = true;
                }
            } catch (const cancelled&) {
            }
            ended_without += !got;
        };
        const auto event = [&] { arrived += pair.second.drain(); };
        for (int round = 0; round != rounds / 4; ++round) {
            co_await let_meet(round % 4, round / 4 % 6 - 2, wait, event);
        }
        EXPECT_GT(ended_without, 0);
        while (arrived < sent) {
            event();
            co_await settle();
        }
        co_await settle();
        event();
        EXPECT_EQ(arrived, sent);
    });
}

TEST_P(CancelRace, CancelledSendEndsAndTheStreamCanBeClosed) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.first.set_send_buffer_size(4096);
        const std::string much = noise(8 << 20);
        bool was_cancelled = false;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                try {
                    co_await pair.first.send(much);
                } catch (const cancelled&) {
                    was_cancelled = true;
                }
            });
            co_await settle();
            pair.second.drain();
            co_await settle();
            group.cancel();
        });
        EXPECT_TRUE(was_cancelled);
        const std::size_t arrived = pair.second.drain();
        EXPECT_GT(arrived, 0u);
        pair.first.close();
        while (pair.second.drain() != 0) co_await settle();
        co_await settle();
        EXPECT_EQ(pair.second.recv_now(), "EOF");
    });
}

TEST_P(CancelRace, TimeoutOnRecvLeavesTheStreamUsable) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::array<char, 16> buffer;
        const std::error_code error = co_await error_of(with_timeout(2ms, pair.first.recv(buffer)));
        EXPECT_EQ(error, std::errc::timed_out);
        const auto moved_on = co_await move_on_after(2ms, pair.first.recv(buffer));
        EXPECT_FALSE(moved_on.has_value());

        pair.second.send("late");
        const std::size_t count = co_await with_timeout(10s, pair.first.recv(buffer));
        EXPECT_EQ(std::string(buffer.data(), count), "late");
    });
}

TEST_P(CancelRace, LoserOfARaceKeepsWhatItReceived) {
    run([]() -> task<> {
        auto one = co_await tcp_with_raw_peer();
        auto two = co_await tcp_with_raw_peer();
        std::array<char, 16> first{}, second{};
        std::size_t received = 0;
        int both = 0;
        for (int round = 0; round != 200; ++round) {
            if (round % 3 != 1) one.second.send("1");
            if (round % 3 != 0) two.second.send("2");
            const auto outcome = co_await when_any(one.first.recv(first), two.first.recv(second));
            const auto& left = std::get<0>(outcome.values);
            const auto& right = std::get<1>(outcome.values);
            received += left.value_or(0) + right.value_or(0);
            both += left.has_value() && right.has_value();
        }
        EXPECT_GT(both, 0);
        const auto rest_one = co_await move_on_after(1ms, one.first.recv(first));
        const auto rest_two = co_await move_on_after(1ms, two.first.recv(second));
        const std::size_t sent = 200 - 67 + 200 - 67;
        EXPECT_EQ(received + rest_one.value_or(0) + rest_two.value_or(0), sent);
    });
}

TEST_P(CancelRace, OperationInACancelledScopeDoesNotBegin) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.send("there");
        int refused = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                for (const mutable_bytes place : {mutable_bytes(buffer), mutable_bytes()}) {
                    try {
                        co_await pair.first.recv(place);
                    } catch (const cancelled&) {
                        ++refused;
                    }
                }
                try {
                    co_await pair.first.send("never sent");
                } catch (const cancelled&) {
                    ++refused;
                }
            });
            group.cancel();
            co_return;
        });
        EXPECT_EQ(refused, 3);
        co_await settle();
        EXPECT_EQ(pair.second.recv_now(), "");
        const std::string kept = co_await read_exactly(pair.first, 5);
        EXPECT_EQ(kept, "there");
    });
}

TEST_P(CancelRace, ConnectToAFullBacklogCanBeCancelled) {
    run([]() -> task<> {
        std::size_t before = 0;
        for (int round = 0; round != 3; ++round) {
            co_await settle();
            if (round == 1) before = open_descriptors();  // a backend may open something for its own use, once
            const auto name = net::endpoint::unix_abstract("sennit-test-full-backlog");
            auto listener = co_await net::unix_listener::bind(name, 0);
            const raw_socket fills_it = raw_connect(name);
            const auto waiting = co_await move_on_after(5ms, net::unix_stream::connect(name));
            EXPECT_FALSE(waiting.has_value());
            auto first = co_await listener.accept();
            auto stream = co_await net::unix_stream::connect(name);
            EXPECT_TRUE(stream.is_open());
        }
        co_await settle();
        EXPECT_EQ(open_descriptors(), before);
    });
}

}  // namespace sennit::testing::cancel_race_test
