#pragma once

// What the tests of forwarding share: a sender, a receiver, and two streams between them that are to be joined.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <sennit/net/forward.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::forwarding {

inline constexpr std::size_t much = std::size_t{4} << 20;  // many times what a pipe and the sockets' buffers hold

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

inline task<tcp_route> tcp() {
    auto left = co_await tcp_pair();
    auto right = co_await tcp_pair();
    co_return joined(std::move(left), std::move(right));
}

/// With buffers that are small and do not grow, so that little is under way.
inline task<tcp_route> narrow_tcp() {
    auto all = co_await tcp();
    all.sender.set_send_buffer_size(16384);
    all.from.set_receive_buffer_size(16384);
    all.to.set_send_buffer_size(16384);
    all.receiver.set_receive_buffer_size(16384);
    co_return all;
}

inline task<unix_route> unix_streams() {
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

/// What sends as much as it can, until that fails.
inline task<> flood(net::tcp_stream& stream) {
    const std::string piece = noise(100'000);
    while (co_await as_result(stream.send(piece))) {
    }
}

/// One whose last part is narrow.
inline task<tcp_route> narrowing_tcp() {
    auto all = co_await tcp();
    all.to.set_send_buffer_size(65536);
    all.receiver.set_receive_buffer_size(65536);
    co_return all;
}

/// In the middle of a flood, with a receiver that takes no more: what forwards waits to send.
inline task<> take_some_of_a_flood(net::tcp_stream& receiver) {
    const std::string some = co_await read_exactly(receiver, std::size_t{1} << 20);
    EXPECT_EQ(some.size(), std::size_t{1} << 20);
    co_await settle(100);
}

/// A flood in steps: what forwards hands on each, and then waits for the next as it does in a flood.
inline task<> flood_in_steps(net::tcp_stream& sender, net::tcp_stream& receiver) {
    for (unsigned i = 0; i < 8; ++i) {
        const std::string sent = noise(49152, i);
        co_await sender.send(sent);
        const std::string received = co_await read_exactly(receiver, sent.size());
        EXPECT_TRUE(received == sent);
    }
    co_await settle();
}

}  // namespace sennit::testing::forwarding
