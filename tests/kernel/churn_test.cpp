// Connections by the thousand: each is served, each ends in order, and nothing of them is left behind.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include <sennit/net/serve.hpp>
#include <sennit/task_group.hpp>
#include "kernel_test.hpp"

namespace sennit::testing::churn_test {

class Churn : public KernelTest {};
SENNIT_ON_KERNEL_BACKENDS(Churn);

constexpr int clients_at_once = 16;

/// Each local port waits for a minute after its connection; other addresses have ports of their own.
net::endpoint one_of_many_addresses(std::uint64_t number, std::uint16_t port) {
    return {net::ip_address::v4(127, 0, static_cast<std::uint8_t>(number % 16),
                                static_cast<std::uint8_t>(1 + number % 200)),
            port};
}

task<> connect_and_ask(net::endpoint where, std::uint64_t number, std::uint64_t& answered) {
    auto stream = co_await net::tcp_stream::connect(where);
    const std::string question = "question " + std::to_string(number);
    co_await stream.send(question);
    // Every third hangs up with the answer still on its way.
    if (number % 3 == 0) {
        ++answered;
        co_return;
    }
    const std::string answer = co_await read_exactly(stream, question.size());
    if (answer == question) ++answered;
    if (number % 3 == 1) co_return;
    co_await stream.shutdown_send();
    const std::string rest = co_await read_all(stream);
    EXPECT_EQ(rest, "");
}

TEST_P(Churn, ConnectionsLeaveNothingBehind) {
    const std::uint64_t connections = amount("SENNIT_CHURN_CONNECTIONS", 3000);
    std::uint64_t started = 0;
    std::uint64_t answered = 0;
    OnBackends::run([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 0});
        const std::uint16_t port = listener.local_endpoint().port();
        co_await with_task_group([&](task_group& server) -> task<> {
            server.spawn([&]() -> task<> {
                for (;;) {
                    auto peer = co_await listener.accept();
                    server.spawn([&](net::tcp_stream accepted) -> task<> {
                        // A peer that hangs up early may reset the connection.
                        const auto outcome = co_await as_result(echo(std::move(accepted)));
                        static_cast<void>(outcome);
                    }(std::move(peer)));
                }
            });
            co_await with_task_group([&](task_group& clients) -> task<> {
                for (int i = 0; i != clients_at_once; ++i) {
                    clients.spawn([&]() -> task<> {
                        while (started < connections) {
                            const std::uint64_t number = started++;
                            co_await connect_and_ask(one_of_many_addresses(number, port), number, answered);
                        }
                    });
                }
                co_return;
            });
            server.cancel();
        });
    });
    EXPECT_EQ(answered, connections);
    record("connections", connections);
}

task<std::string> receive_leases(net::tcp_stream& stream) {
    std::string all;
    while (const auto lease = co_await stream.recv_lease()) all += const_bytes(lease).text();
    co_return all;
}

TEST_P(Churn, SendingAndShuttingDownAtOnceEndsEachStreamInOrder) {
    const std::uint64_t times = amount("SENNIT_SHUTDOWNS", 1000);
    std::uint64_t in_order = 0;
    OnBackends::run([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 0});
        const std::uint16_t port = listener.local_endpoint().port();
        for (std::uint64_t i = 0; i != times; ++i) {
            const std::string bytes = noise(1 + i % 3000, static_cast<unsigned>(i));
            auto sender = co_await net::tcp_stream::connect(one_of_many_addresses(i, port));
            auto receiver = co_await listener.accept();
            std::string received;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    if (i % 2 == 0) received = co_await with_timeout(patience, read_all(receiver));
                    if (i % 2 == 1) received = co_await with_timeout(patience, receive_leases(receiver));
                });
                // Half of the receivers wait already, the others find all of it.
                if (i % 4 < 2) co_await settle(1);
                co_await sender.send(bytes);
                co_await sender.shutdown_send();
            });
            if (received == bytes) ++in_order;
        }
    });
    EXPECT_EQ(in_order, times);
    record("connections", times);
}

}  // namespace sennit::testing::churn_test
