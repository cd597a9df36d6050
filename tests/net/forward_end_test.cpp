// How forwarding ends when it is not the end of the stream: errors at either side, cancellation, closing, draining.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <system_error>

#include <sennit/net/serve.hpp>
#include <sennit/stop.hpp>

#include "forward_route.hpp"

namespace sennit::testing::forward_end_test {

using namespace forwarding;

class ForwardEnd : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(ForwardEnd);

/// Descriptors of the pipe that a flood goes through, on this backend and for this user.
std::size_t descriptors_of_a_pipe(bool simulated) {
    int ends[2];
    if (simulated || ::pipe2(ends, O_CLOEXEC) != 0) return 0;
    const bool large_enough = ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0;
    for (const int each : ends) ::close(each);
    return large_enough ? 2 : 0;
}

/// How forwarding fails when something happens while it waits to send.
template <class Event>
task<std::error_code> error_in_a_flood(tcp_route& all, Event& happens) {
    std::error_code error;
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(flood(all.sender));
        group.spawn([&]() -> task<> {
            error = co_await error_of(net::forward(all.from, all.to));
            all.from.close();
        });
        co_await take_some_of_a_flood(all.receiver);
        happens();
    });
    co_return error;
}

TEST_P(ForwardEnd, AReceiverThatIsGoneIsAnError) {
    run([]() -> task<> {
        auto left = co_await tcp_pair();
        auto right = co_await tcp_with_raw_peer();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(flood(left.first));
            group.spawn([&]() -> task<> {
                error = co_await error_of(net::forward(left.second, right.first));
                left.second.close();
            });
            co_await settle(20);
            right.second.close();
        });
        EXPECT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset) << error.message();
    });
}

TEST_P(ForwardEnd, ABrokenPipeIsNoSignal) {
    run([this]() -> task<> {
        auto all = co_await narrowing_tcp();
        // Not a reset, which is told once before the pipe is broken.
        const auto break_the_pipe = [&] { loop().io().shutdown(all.to.native_handle(), SHUT_WR); };
        const std::error_code error = co_await error_in_a_flood(all, break_the_pipe);
        EXPECT_EQ(error, std::errc::broken_pipe);
    });
}

TEST_P(ForwardEnd, ASenderThatResetsIsAnError) {
    run([]() -> task<> {
        auto left = co_await tcp_with_raw_peer();
        auto right = co_await tcp_pair();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = co_await error_of(net::forward(left.first, right.first)); });
            left.second.send("some");
            const std::string some = co_await read_exactly(right.second, 4);
            EXPECT_EQ(some, "some");
            left.second.reset_on_close();
            left.second.close();
        });
        EXPECT_EQ(error, std::errc::connection_reset);
    });
}

TEST_P(ForwardEnd, CancelledWhileItReceivesItLeavesNothingBehind) {
    run([]() -> task<> {
        auto all = co_await tcp();
        co_await settle();  // what the listeners left is closed by then
        const std::size_t before = open_descriptors();
        const std::size_t pipe = descriptors_of_a_pipe(GetParam().is_simulated());
        co_await with_task_group([&](task_group& group) -> task<> {
            std::uint64_t unused = 0;
            group.spawn(forward_and_count(all, unused));
            co_await flood_in_steps(all.sender, all.receiver);
            EXPECT_EQ(open_descriptors(), before + pipe);
            group.cancel();
        });
        EXPECT_EQ(open_descriptors(), before);
        // Nothing had arrived that could have been lost: the streams go on.
        co_await expect_through(all, 100'000);
    });
}

TEST_P(ForwardEnd, CancelledWhileItSendsItLeavesNothingBehind) {
    run([]() -> task<> {
        auto all = co_await narrowing_tcp();
        co_await settle();
        const std::size_t before = open_descriptors();
        const std::size_t pipe = descriptors_of_a_pipe(GetParam().is_simulated());
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(flood(all.sender));
            co_await with_task_group([&](task_group& inner) -> task<> {
                std::uint64_t unused = 0;
                inner.spawn(forward_and_count(all, unused));
                co_await take_some_of_a_flood(all.receiver);
                EXPECT_EQ(open_descriptors(), before + pipe);
                inner.cancel();
            });
            EXPECT_EQ(open_descriptors(), before);
            group.cancel();
        });
    });
}

TEST_P(ForwardEnd, ClosingTheStreamItReceivesFromEndsIt) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = co_await error_of(net::forward(all.from, all.to)); });
            co_await settle();
            all.from.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

TEST_P(ForwardEnd, ClosingTheStreamItSendsToEndsIt) {
    run([]() -> task<> {
        auto all = co_await narrowing_tcp();
        const auto close = [&] { all.to.close(); };
        const std::error_code error = co_await error_in_a_flood(all, close);
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

TEST_P(ForwardEnd, OnAClosedStreamItFails) {
    run([]() -> task<> {
        auto all = co_await tcp();
        all.from.close();
        const std::error_code receiving = co_await error_of(net::forward(all.from, all.to));
        EXPECT_EQ(receiving, std::errc::bad_file_descriptor);
        co_await all.to.send("x");
        const std::error_code sending = co_await error_of(net::forward(all.receiver, all.from));
        EXPECT_EQ(sending, std::errc::bad_file_descriptor);
    });
}

TEST_P(ForwardEnd, AServedConnectionThatDrainsEndsPolitely) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        auto right = co_await tcp_pair();
        const std::string sent = noise(200'000);
        std::string received;
        std::uint64_t count = 0;
        const auto handler = [&](net::tcp_stream peer) -> task<> { count = co_await net::forward(peer, right.first); };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            group.spawn([&]() -> task<> { received = co_await read_all(right.second); });
            co_await client.send(sent);
            co_await settle();
            // The client does not finish: its server does.
            loop().stop().request();
            const std::string end = co_await read_all(client);
            EXPECT_EQ(end, "");
        });
        EXPECT_EQ(count, received.size());
        EXPECT_TRUE(received == sent);
    });
}

TEST_P(ForwardEnd, AServedConnectionThatPausesInAFloodDrainsToo) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        auto right = co_await tcp_pair();
        const auto handler = [&](net::tcp_stream peer) -> task<> { co_await net::forward(peer, right.first); };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await flood_in_steps(client, right.second);
            loop().stop().request();
            const std::string rest = co_await read_all(right.second);
            EXPECT_EQ(rest, "");
            const std::string end = co_await read_all(client);
            EXPECT_EQ(end, "");
        });
    });
}

TEST_P(ForwardEnd, AServedConnectionThatNeverPausesDrainsToo) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        auto right = co_await tcp_pair();
        std::uint64_t count = 0;
        const auto handler = [&](net::tcp_stream peer) -> task<> { count = co_await net::forward(peer, right.first); };
        std::size_t received = std::size_t{1} << 20;
        std::optional<net::tcp_stream> client;  // the flood goes on until it finds this closed
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler); });
            client.emplace(co_await net::tcp_stream::connect(listener.local_endpoint()));
            group.spawn(flood(*client));
            co_await take_some_of_a_flood(right.second);
            loop().stop().request();
            const std::string rest = co_await read_all(right.second);
            received += rest.size();
            client->close();
        });
        EXPECT_EQ(count, received);
    });
}

}  // namespace sennit::testing::forward_end_test
