#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/task_group.hpp>
#include "support/sockets.hpp"

namespace sennit::testing {

inline task<> serve_one(net::tcp_listener& listener) {
    auto peer = co_await listener.accept();
    std::vector<std::byte> buffer(64);
    const std::size_t count = co_await peer.recv(buffer);
    co_await peer.send(const_bytes(buffer).first(count));
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

inline task<> ask(net::endpoint where) {
    auto stream = co_await net::tcp_stream::connect(where);
    for (const std::string question : {"first", "second", "third", "fourth", "fifth", "sixth", "seventh"}) {
        co_await stream.send(question);
        const std::string answer = co_await read_exactly(stream, question.size());
        if (answer.size() < question.size()) throw std::system_error(ECONNABORTED, std::system_category(), "no answer");
        EXPECT_EQ(answer, question);
    }
    co_await stream.shutdown_send();
    const std::string rest = co_await read_all(stream);
    EXPECT_EQ(rest, "");
}

/// Connects, asks, is answered, half-closes; then a datagram. Throws `std::system_error` when one of the two gives up.
inline task<> conversation() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(serve_one(listener));
        co_await ask(listener.local_endpoint());
    });
    auto datagrams = co_await net::udp_socket::bind({"127.0.0.1", 0});
    co_await datagrams.send_to("to myself", datagrams.local_endpoint());
    std::string buffer(64, '\0');
    const auto received = co_await datagrams.recv_from(buffer);
    EXPECT_EQ(received.size, 9U);
}

}  // namespace sennit::testing
