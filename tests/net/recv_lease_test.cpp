// Receiving into buffers that the loop lends: what a lease is, and that recv_lease keeps the promises of recv.

#include <sennit/net/buffer_lease.hpp>

#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::recv_lease_test {

using namespace std::chrono_literals;

class RecvLease : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(RecvLease);

std::string text_in(const net::buffer_lease& lease) {
    return std::string(const_bytes(lease).text());
}

task<> echo(net::tcp_stream peer) {
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

task<std::pair<net::unix_stream, net::unix_stream>> unix_pair() {
    return net::unix_stream::pair();
}

TEST_P(RecvLease, BringsWhatHasArrivedAndThenTheEnd) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.send("hello");
        auto lease = co_await pair.first.recv_lease();
        EXPECT_EQ(text_in(lease), "hello");
        EXPECT_EQ(lease.size(), 5u);
        EXPECT_EQ(lease.bytes().size(), 5u);
        EXPECT_FALSE(lease.empty());
        lease.release();
        EXPECT_TRUE(lease.empty());
        EXPECT_EQ(lease.size(), 0u);
        pair.second.close();
        for (int i = 0; i != 2; ++i) {
            const auto end = co_await pair.first.recv_lease();
            EXPECT_TRUE(end.empty());
        }
    });
}

TEST_P(RecvLease, WaitsForWhatArrivesLater) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::string got;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (int i = 0; i != 3; ++i) {
                    const auto lease = co_await pair.first.recv_lease();
                    got += text_in(lease) + ";";
                }
            });
            for (const char* const each : {"one", "two", "three"}) {
                co_await settle();
                pair.second.send(each);
            }
        });
        EXPECT_EQ(got, "one;two;three;");
    });
}

TEST_P(RecvLease, LeaseMoves) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.send("a");
        auto first = co_await pair.first.recv_lease();
        pair.second.send("b");
        auto second = co_await pair.first.recv_lease();
        net::buffer_lease third(std::move(first));
        EXPECT_TRUE(first.empty());
        EXPECT_EQ(text_in(third), "a");
        third = std::move(second);
        EXPECT_EQ(text_in(third), "b");
        auto& same = third;
        third = std::move(same);
        EXPECT_EQ(text_in(third), "b");
    });
}

/// Sends `bytes` in pieces and receives them by lease; the sizes are kept, the bytes are compared by hash.
template <class Stream>
task<> carry(Stream& from, Stream& to, std::size_t total, std::size_t piece) {
    const std::string bytes = noise(piece);
    running_hash sent;
    running_hash got;
    std::size_t received = 0;
    const auto send = [&]() -> task<> {
        for (std::size_t done = 0; done < total; done += piece) {
            sent.add(bytes.data(), piece);
            co_await from.send(bytes);
        }
        co_await from.shutdown_send();
    };
    const auto receive = [&]() -> task<> {
        while (const auto lease = co_await to.recv_lease()) {
            got.add(lease.bytes().data(), lease.size());
            received += lease.size();
        }
    };
    co_await when_all(send(), receive());
    EXPECT_EQ(received, total);
    EXPECT_EQ(got.value(), sent.value());
}

TEST_P(RecvLease, CarriesTcpIntact) {
    run([]() -> task<> {
        auto bytewise = co_await tcp_pair();
        co_await carry(bytewise.first, bytewise.second, 2000, 1);
        auto in_bulk = co_await tcp_pair();
        co_await carry(in_bulk.first, in_bulk.second, 16 << 20, 1 << 20);
    });
}

TEST_P(RecvLease, CarriesUnixStreamsIntact) {
    run([]() -> task<> {
        auto bytewise = co_await unix_pair();
        co_await carry(bytewise.first, bytewise.second, 2000, 1);
        auto in_bulk = co_await unix_pair();
        co_await carry(in_bulk.first, in_bulk.second, 16 << 20, 1 << 20);
    });
}

TEST_P(RecvLease, AlternatesWithRecv) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.send("abcdef");
        const std::string first = co_await read_exactly(pair.first, 2);
        const auto lease = co_await pair.first.recv_lease();
        EXPECT_EQ(first + text_in(lease), "abcdef");
        pair.second.send("gh");
        const std::string last = co_await read_exactly(pair.first, 2);
        EXPECT_EQ(last, "gh");
    });
}

TEST_P(RecvLease, OneReceiverAtATime) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto lease = co_await pair.first.recv_lease();
                EXPECT_EQ(text_in(lease), "x");
            });
            co_await settle();
            std::error_code error = co_await error_of(pair.first.recv_lease());
            EXPECT_EQ(error, std::errc::device_or_resource_busy);
            char byte;
            error = co_await error_of(pair.first.recv({&byte, 1}));
            EXPECT_EQ(error, std::errc::device_or_resource_busy);
            pair.second.send("x");
        });
        pair.first.close();
        const std::string text = co_await text_of(pair.first.recv_lease());
        EXPECT_EQ(text, "recv_lease: Bad file descriptor");
    });
}

TEST_P(RecvLease, ClosingEndsTheWait) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = co_await error_of(pair.first.recv_lease()); });
            co_await settle();
            pair.first.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
        co_await settle();
        EXPECT_EQ(pair.second.recv_now(), "EOF");
    });
}

TEST_P(RecvLease, ResetIsAnError) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.reset_on_close();
        pair.second.close();
        const auto outcome = co_await as_result(pair.first.recv_lease());
        EXPECT_EQ(outcome.error(), std::errc::connection_reset);
    });
}

TEST_P(RecvLease, CancelKeepsArrivedBytes) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::string sent;
        std::string received;
        int with_bytes = 0;
        int without = 0;
        const auto wait = [&]() -> task<> {
            bool got = false;
            try {
                const auto lease = co_await pair.first.recv_lease();
                received += text_in(lease);
                got = true;
            } catch (const cancelled&) {
            }
            ++(got ? with_bytes : without);
        };
        for (int round = 0; round != 600; ++round) {
            const std::string piece =
                noise(1 + static_cast<std::size_t>(round * 7 % 200), static_cast<unsigned>(round));
            const int turns = round / 4 % 6 - 2;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(wait());
                co_await settle(round % 4);
                if (turns < 0) group.cancel();
                if (turns < 0) co_await shield(settle(-turns - 1));
                pair.second.send(piece);
                if (turns < 0) co_return;
                co_await settle(turns);
                group.cancel();
            });
            sent += piece;
        }
        EXPECT_GT(with_bytes, 60);
        EXPECT_GT(without, 60);
        received += co_await read_exactly(pair.first, sent.size() - received.size());
        EXPECT_TRUE(received == sent);
    });
}

TEST_P(RecvLease, TimeoutLeavesTheStreamUsable) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        const auto late = co_await move_on_after(1ms, pair.first.recv_lease());
        EXPECT_FALSE(late.has_value());
        pair.second.send("still here");
        const auto lease = co_await with_timeout(1h, pair.first.recv_lease());
        EXPECT_EQ(text_in(lease), "still here");
    });
}

TEST_P(RecvLease, ServerDrainsAndAnswersWhatHasArrived) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, echo); });
            auto idle = co_await net::tcp_stream::connect(listener.local_endpoint());
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await client.send("one");
            const std::string first = co_await read_exactly(client, 3);
            EXPECT_EQ(first, "one");
            co_await client.send("two");
            loop().stop().request();
            const std::string rest = co_await read_all(client);
            EXPECT_EQ(rest, "two");
            const std::string nothing = co_await read_all(idle);
            EXPECT_EQ(nothing, "");
        });
    });
}

TEST_P(RecvLease, LeaseOutlivesItsStream) {
    run([]() -> task<> {
        net::buffer_lease kept;
        {
            auto pair = co_await tcp_with_raw_peer();
            pair.second.send("kept");
            kept = co_await pair.first.recv_lease();
            auto closed = std::move(pair.first);
            co_await settle();
        }
        co_await settle();
        EXPECT_EQ(text_in(kept), "kept");
    });
}

TEST_P(RecvLease, LeaseOutlivesItsLoop) {
    SENNIT_NEEDS_KERNEL("it makes a loop of its own");
    std::optional<net::buffer_lease> kept;
    std::optional<net::tcp_stream> stream;
    {
        event_loop short_lived(event_loop_options{GetParam()});
        short_lived.run([](auto& lease, auto& connection) -> task<> {
            auto pair = co_await tcp_with_raw_peer();
            pair.second.send("kept");
            lease.emplace(co_await pair.first.recv_lease());
            connection.emplace(std::move(pair.first));
        }(kept, stream));
    }
    EXPECT_EQ(text_in(*kept), "kept");
    stream.reset();
    EXPECT_EQ(text_in(*kept), "kept");
    kept.reset();
}

TEST_P(RecvLease, HoardersGetNoMoreThanTheirShare) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::vector<net::buffer_lease> hoard;
        while (hoard.size() != net::buffer_lease::most_per_stream) {
            pair.second.send("x");
            hoard.push_back(co_await pair.first.recv_lease());
        }
        pair.second.send("y");
        const std::error_code error = co_await error_of(pair.first.recv_lease());
        EXPECT_EQ(error, std::errc::no_buffer_space);
        hoard.pop_back();
        const auto last = co_await pair.first.recv_lease();
        EXPECT_EQ(text_in(last), "y");
    });
}

}  // namespace sennit::testing::recv_lease_test
