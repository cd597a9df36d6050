// Handing one stream on to another. Its one hard idea: whichever way the bytes take, through a pipe in the kernel or
// through a buffer, nobody at either end can tell; so each scenario is for both.

#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/net/forward.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/when_all.hpp>

#include "support/descriptor_limit.hpp"
#include "support/sockets.hpp"

namespace sennit::testing::forward_test {

class Forward : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(Forward);

constexpr std::size_t much = std::size_t{4} << 20;  // many times what a pipe and the sockets' buffers hold

/// A sender and a receiver, and the two streams between them that are to be joined.
template <class Stream>
struct route {
    Stream sender, from, to, receiver;
};

using tcp_route = route<net::tcp_stream>;
using unix_route = route<net::unix_stream>;

template <class Stream>
route<Stream> joined(std::pair<Stream, Stream> left, std::pair<Stream, Stream> right) {
    return {std::move(left.first), std::move(left.second), std::move(right.first), std::move(right.second)};
}

task<tcp_route> tcp() {
    auto left = co_await tcp_pair();
    auto right = co_await tcp_pair();
    co_return joined(std::move(left), std::move(right));
}

/// With buffers that are small and do not grow, so that little is under way.
task<tcp_route> narrow_tcp() {
    auto all = co_await tcp();
    all.sender.set_send_buffer_size(16384);
    all.from.set_receive_buffer_size(16384);
    all.to.set_send_buffer_size(16384);
    all.receiver.set_receive_buffer_size(16384);
    co_return all;
}

task<unix_route> unix_streams() {
    auto left = co_await net::unix_stream::pair();
    auto right = co_await net::unix_stream::pair();
    co_return joined(std::move(left), std::move(right));
}

template <class Stream>
task<> send_and_finish(Stream& stream, const std::string& bytes) {
    co_await stream.send(bytes);
    co_await stream.shutdown_send();
}

template <class Stream>
task<> forward_and_count(route<Stream>& all, std::uint64_t& count) {
    count = co_await net::forward(all.from, all.to);
}

/// Sends all through, and expects it at the other end, and the number of bytes.
template <class Stream>
task<> expect_through(route<Stream>& all, std::size_t size) {
    const std::string sent = noise(size, static_cast<unsigned>(size));
    std::uint64_t count = 0;
    std::string received;
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(send_and_finish(all.sender, sent));
        group.spawn(forward_and_count(all, count));
        received = co_await read_all(all.receiver);
    });
    EXPECT_EQ(count, size);
    EXPECT_EQ(received.size(), size);
    EXPECT_TRUE(received == sent);
}

TEST_P(Forward, EverythingArrivesAndIsCounted) {
    run([]() -> task<> {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16384}, std::size_t{65537}, much}) {
            auto all = co_await tcp();
            co_await expect_through(all, size);
        }
    });
}

TEST_P(Forward, UnixStreamsToo) {
    run([]() -> task<> {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65537}, much}) {
            auto all = co_await unix_streams();
            co_await expect_through(all, size);
        }
    });
}

TEST_P(Forward, FromOneKindOfStreamToAnother) {
    run([]() -> task<> {
        auto left = co_await tcp_pair();
        auto right = co_await net::unix_stream::pair();
        const std::string sent = noise(much);
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(send_and_finish(left.first, sent));
            group.spawn([&]() -> task<> { co_await net::forward(left.second, right.first); });
            received = co_await read_all(right.second);
        });
        EXPECT_TRUE(received == sent);
    });
}

TEST_P(Forward, SmallBuffersCutItAnywhere) {
    run([]() -> task<> {
        auto all = co_await narrow_tcp();
        co_await expect_through(all, 1'000'003);
    });
}

/// Sends piece by piece, and waits each time until the receiver has it.
TEST_P(Forward, HandsOnWhatThereIsAtOnce) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::uint64_t count = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(forward_and_count(all, count));
            // Small and large in turn.
            for (const std::size_t size : {3, 100'000, 5, 40'000, 200'000, 1}) {
                const std::string sent = noise(size);
                std::string received;
                co_await with_task_group([&](task_group& both) -> task<> {
                    both.spawn([&]() -> task<> { co_await all.sender.send(sent); });
                    received = co_await read_exactly(all.receiver, size);
                });
                EXPECT_TRUE(received == sent) << size;
            }
            co_await all.sender.shutdown_send();
        });
        EXPECT_EQ(count, 340'009u);
    });
}

TEST_P(Forward, ASlowReceiverSlowsTheSenderDown) {
    run([]() -> task<> {
        auto all = co_await narrow_tcp();
        const std::string sent = noise(much);
        std::size_t taken = 0;
        std::uint64_t count = 0;
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const_bytes rest(sent);
                while (!rest.empty()) {
                    const std::size_t some = co_await all.sender.send_some(rest);
                    taken += some;
                    rest = rest.subspan(some);
                }
                co_await all.sender.shutdown_send();
            });
            group.spawn(forward_and_count(all, count));
            // Until nothing moves any more. A few hundred turns without a byte are no pause of the kernel's.
            for (std::size_t before = 1; before != taken;) {
                before = taken;
                co_await settle(300);
            }
            EXPECT_GT(taken, 0u);
            EXPECT_LT(taken, much / 2) << "more is under way than the buffers and a pipe hold";
            received = co_await read_all(all.receiver);
        });
        EXPECT_EQ(count, much);
        EXPECT_TRUE(received == sent);
    });
}

TEST_P(Forward, EachDirectionEndsForItself) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::uint64_t there = 0;
        std::uint64_t back = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto both = co_await when_all(net::forward(all.from, all.to), net::forward(all.to, all.from));
                there = std::get<0>(both);
                back = std::get<1>(both);
            });
            co_await send_and_finish(all.sender, "question");
            const std::string question = co_await read_all(all.receiver);
            EXPECT_EQ(question, "question");
            // The way there has ended; the way back is as before.
            const std::string answer = noise(300'000);
            std::string received;
            co_await with_task_group([&](task_group& pair) -> task<> {
                pair.spawn([&]() -> task<> { co_await all.receiver.send(answer); });
                received = co_await read_exactly(all.sender, answer.size());
            });
            EXPECT_TRUE(received == answer);
            co_await all.receiver.shutdown_send();
            const std::string end = co_await read_all(all.sender);
            EXPECT_EQ(end, "");
        });
        EXPECT_EQ(there, 8u);
        EXPECT_EQ(back, 300'000u);
    });
}

TEST_P(Forward, BothWaysAtOnceAndMuch) {
    run([]() -> task<> {
        auto all = co_await tcp();
        const std::string there = noise(much, 1);
        const std::string back = noise(much, 2);
        std::string arrived_there;
        std::string arrived_back;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [&]() -> task<> { co_await when_all(net::forward(all.from, all.to), net::forward(all.to, all.from)); });
            group.spawn(send_and_finish(all.sender, there));
            group.spawn(send_and_finish(all.receiver, back));
            group.spawn([&]() -> task<> { arrived_back = co_await read_all(all.sender); });
            arrived_there = co_await read_all(all.receiver);
        });
        EXPECT_TRUE(arrived_there == there);
        EXPECT_TRUE(arrived_back == back);
    });
}

/// What sends as much as it can, until that fails.
task<> flood(net::tcp_stream& stream) {
    const std::string piece = noise(100'000);
    while (co_await as_result(stream.send(piece))) {
    }
}

/// One whose last part is narrow.
task<tcp_route> narrowing_tcp() {
    auto all = co_await tcp();
    all.to.set_send_buffer_size(65536);
    all.receiver.set_receive_buffer_size(65536);
    co_return all;
}

/// In the middle of a flood, with a receiver that takes no more: what forwards waits to send.
task<> take_some_of_a_flood(net::tcp_stream& receiver) {
    const std::string some = co_await read_exactly(receiver, std::size_t{1} << 20);
    EXPECT_EQ(some.size(), std::size_t{1} << 20);
    co_await settle(100);
}

/// Descriptors of the pipe that a flood goes through, on this backend and for this user.
std::size_t descriptors_of_a_pipe(bool simulated) {
    int ends[2];
    if (simulated || ::pipe2(ends, O_CLOEXEC) != 0) return 0;
    const bool large_enough = ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0;
    for (const int each : ends) ::close(each);
    return large_enough ? 2 : 0;
}

TEST_P(Forward, AReceiverThatIsGoneIsAnError) {
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

TEST_P(Forward, ABrokenPipeIsNoSignal) {
    run([this]() -> task<> {
        auto all = co_await narrowing_tcp();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(flood(all.sender));
            group.spawn([&]() -> task<> {
                error = co_await error_of(net::forward(all.from, all.to));
                all.from.close();
            });
            co_await take_some_of_a_flood(all.receiver);
            // Not a reset, which is told once before the pipe is broken.
            loop().io().shutdown(all.to.native_handle(), SHUT_WR);
        });
        EXPECT_EQ(error, std::errc::broken_pipe);
    });
}

TEST_P(Forward, ASenderThatResetsIsAnError) {
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

/// Lets much through, so that a forward has all that it needs for that, and keeps it going.
task<> warm_up(tcp_route& all) {
    const std::string sent = noise(300'000);
    std::string received;
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> { co_await all.sender.send(sent); });
        received = co_await read_exactly(all.receiver, sent.size());
    });
    EXPECT_TRUE(received == sent);
}

TEST_P(Forward, CancelledWhileItReceivesItLeavesNothingBehind) {
    run([]() -> task<> {
        auto all = co_await tcp();
        co_await settle();  // what the listeners left is closed by then
        const std::size_t before = open_descriptors();
        co_await with_task_group([&](task_group& group) -> task<> {
            std::uint64_t unused = 0;
            group.spawn(forward_and_count(all, unused));
            co_await warm_up(all);
            co_await settle();
            group.cancel();
        });
        EXPECT_EQ(open_descriptors(), before);
        // Nothing had arrived that could have been lost: the streams go on.
        co_await expect_through(all, 100'000);
    });
}

TEST_P(Forward, CancelledWhileItSendsItLeavesNothingBehind) {
    run([this]() -> task<> {
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

TEST_P(Forward, ClosingTheStreamItReceivesFromEndsIt) {
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

TEST_P(Forward, ClosingTheStreamItSendsToEndsIt) {
    run([]() -> task<> {
        auto all = co_await narrowing_tcp();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(flood(all.sender));
            group.spawn([&]() -> task<> {
                error = co_await error_of(net::forward(all.from, all.to));
                all.from.close();
            });
            co_await take_some_of_a_flood(all.receiver);
            all.to.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

TEST_P(Forward, OnAClosedStreamItFails) {
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

TEST_P(Forward, ASecondReceiverIsRefused) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::uint64_t count = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(forward_and_count(all, count));
            co_await settle();
            std::array<char, 1> buffer;
            const std::error_code receiving = co_await error_of(all.from.recv(buffer));
            EXPECT_EQ(receiving, std::errc::device_or_resource_busy);
            const std::error_code forwarding = co_await error_of(net::forward(all.from, all.to));
            EXPECT_EQ(forwarding, std::errc::device_or_resource_busy);
            co_await send_and_finish(all.sender, "all");
        });
        EXPECT_EQ(count, 3u);
    });
}

TEST_P(Forward, WithoutDescriptorsItWorksAllTheSame) {
    run([]() -> task<> {
        auto all = co_await tcp();
        const descriptor_limit none(0);
        co_await expect_through(all, much);
    });
}

TEST_P(Forward, AServedConnectionThatDrainsEndsPolitely) {
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

TEST_P(Forward, AServedConnectionThatNeverPausesDrainsToo) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        auto right = co_await tcp_pair();
        std::uint64_t count = 0;
        const auto handler = [&](net::tcp_stream peer) -> task<> { count = co_await net::forward(peer, right.first); };
        std::size_t received = std::size_t{1} << 20;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, handler); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            group.spawn(flood(client));
            co_await take_some_of_a_flood(right.second);
            loop().stop().request();
            const std::string rest = co_await read_all(right.second);
            received += rest.size();
            client.close();
        });
        EXPECT_EQ(count, received);
    });
}

}  // namespace sennit::testing::forward_test
