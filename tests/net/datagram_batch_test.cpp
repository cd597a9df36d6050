// Batches of datagrams: what recv_from and send_to promise for one holds for each of them.

#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/datagram_batch.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::datagram_batch_test {

using namespace std::chrono_literals;

class DatagramBatch : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(DatagramBatch);

const net::endpoint any_loopback_port{"127.0.0.1", 0};

std::string text_of(const net::datagram_batch::item& item) {
    const mutable_bytes bytes = item.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_P(DatagramBatch, TakesWhatHasArrivedInOrderWithItsSenders) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto one = co_await net::udp_socket::bind(any_loopback_port);
        auto other = co_await net::udp_socket::bind(any_loopback_port);
        co_await one.send_to("first", server.local_endpoint());
        co_await other.send_to("", server.local_endpoint());
        co_await one.send_to("third", server.local_endpoint());
        net::datagram_batch batch;
        const std::size_t count = co_await server.recv_batch(batch);
        EXPECT_EQ(count, 3u);
        CO_ASSERT_EQ(batch.size(), 3u);
        EXPECT_EQ(text_of(batch[0]), "first");
        EXPECT_EQ(text_of(batch[1]), "");
        EXPECT_EQ(text_of(batch[2]), "third");
        EXPECT_EQ(batch[0].peer(), one.local_endpoint());
        EXPECT_EQ(batch[1].peer(), other.local_endpoint());
    });
}

TEST_P(DatagramBatch, WhatDoesNotFitComesWithTheNextOne) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        for (const char* each : {"1", "2", "3"}) co_await client.send(std::string(each));
        net::datagram_batch batch(2, 16);
        co_await server.recv_batch(batch);
        CO_ASSERT_EQ(batch.size(), 2u);
        EXPECT_EQ(text_of(batch[1]), "2");
        co_await server.recv_batch(batch);
        CO_ASSERT_EQ(batch.size(), 1u);
        EXPECT_EQ(text_of(batch[0]), "3");
    });
}

TEST_P(DatagramBatch, EachIsAnsweredInPlace) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        net::datagram_batch questions;
        EXPECT_TRUE(questions.push_back("alpha"));
        EXPECT_TRUE(questions.push_back("beta"));
        const std::size_t asked = co_await client.send_batch(questions);
        EXPECT_EQ(asked, 2u);

        net::datagram_batch batch(8);
        co_await server.recv_batch(batch);
        for (const auto each : batch) each.resize(each.bytes().size() - 1);
        const std::size_t answered = co_await server.send_batch(batch);
        EXPECT_EQ(answered, 2u);

        net::datagram_batch answers;
        co_await client.recv_batch(answers);
        CO_ASSERT_EQ(answers.size(), 2u);
        EXPECT_EQ(text_of(answers[0]), "alph");
        EXPECT_EQ(text_of(answers[1]), "bet");
    });
}

TEST_P(DatagramBatch, TruncationIsReportedForTheOneThatWasCut) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        co_await client.send("12345678");
        co_await client.send("123456789");
        net::datagram_batch batch(4, 8);
        co_await server.recv_batch(batch);
        CO_ASSERT_EQ(batch.size(), 2u);
        EXPECT_FALSE(batch[0].truncated());
        EXPECT_TRUE(batch[1].truncated());
        EXPECT_EQ(text_of(batch[1]), "12345678");
    });
}

TEST_P(DatagramBatch, OneThatCannotBeSentDoesNotHoldUpTheOthers) {
    run([]() -> task<> {
        auto receiver = co_await net::udp_socket::bind(any_loopback_port);
        auto sender = co_await net::udp_socket::bind(any_loopback_port);
        net::datagram_batch batch(4, 65535);
        const net::endpoint to = receiver.local_endpoint();
        batch.push_back("before", to);
        batch.push_back(std::string(65535, 'x'), to);
        batch.push_back("after", to);
        const std::size_t sent = co_await sender.send_batch(batch);
        EXPECT_EQ(sent, 2u);
        EXPECT_FALSE(batch[0].error());
        EXPECT_EQ(batch[1].error(), std::errc::message_size);
        EXPECT_FALSE(batch[2].error());
        net::datagram_batch received;
        co_await receiver.recv_batch(received);
        CO_ASSERT_EQ(received.size(), 2u);
        EXPECT_EQ(text_of(received[1]), "after");
    });
}

TEST_P(DatagramBatch, RecvWaitsForTheFirst) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        net::datagram_batch batch;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await server.recv_batch(batch); });
            co_await settle();
            EXPECT_TRUE(batch.empty());
            auto client = co_await net::udp_socket::connect(server.local_endpoint());
            co_await client.send("late");
        });
        CO_ASSERT_EQ(batch.size(), 1u);
        EXPECT_EQ(text_of(batch[0]), "late");
    });
}

TEST_P(DatagramBatch, SendWaitsForRoomAndLosesNone) {
    run([]() -> task<> {
        // A Unix socket holds the sender up where a UDP socket would drop.
        auto ends = co_await net::unix_datagram_socket::pair();
        constexpr std::size_t count = 500;
        std::size_t received = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                net::datagram_batch batch(count, 8);
                for (std::size_t i = 0; i < count; ++i) batch.push_back(std::to_string(i));
                const std::size_t sent = co_await ends.first.send_batch(batch);
                EXPECT_EQ(sent, count);
            });
            net::datagram_batch batch(7, 8);
            while (received < count) {
                co_await ends.second.recv_batch(batch);
                for (const auto each : batch) EXPECT_EQ(text_of(each), std::to_string(received++));
            }
        });
        EXPECT_EQ(received, count);
    });
}

TEST_P(DatagramBatch, CancellingARecvLosesNone) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        net::datagram_batch batch;
        const auto nothing = co_await move_on_after(1ms, server.recv_batch(batch));
        EXPECT_FALSE(nothing);
        EXPECT_TRUE(batch.empty());
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        co_await client.send("kept");
        co_await server.recv_batch(batch);
        CO_ASSERT_EQ(batch.size(), 1u);
        EXPECT_EQ(text_of(batch[0]), "kept");
    });
}

TEST_P(DatagramBatch, CloseEndsARecv) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                net::datagram_batch batch;
                const auto received = co_await as_result(server.recv_batch(batch));
                error = received.error();
            });
            co_await settle();
            server.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

TEST_P(DatagramBatch, ASecondReceiverIsRefusedAndTheFirstOnesBatchStaysWhole) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        net::datagram_batch batch;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await server.recv_batch(batch); });
            co_await settle();
            const auto refused = co_await as_result(server.recv_batch(batch));
            EXPECT_EQ(refused.error(), std::errc::device_or_resource_busy);
            auto client = co_await net::udp_socket::connect(server.local_endpoint());
            co_await client.send("one");
        });
        CO_ASSERT_EQ(batch.size(), 1u);
        EXPECT_EQ(text_of(batch[0]), "one");
    });
}

TEST_P(DatagramBatch, AnEmptyOneIsSentAtOnce) {
    run([]() -> task<> {
        auto socket = co_await net::udp_socket::bind(any_loopback_port);
        net::datagram_batch batch;
        const std::size_t sent = co_await socket.send_batch(batch);
        EXPECT_EQ(sent, 0u);
    });
}

TEST(DatagramBatchSize, IsChecked) {
    EXPECT_THROW(net::datagram_batch(0), std::invalid_argument);
    EXPECT_THROW(net::datagram_batch(1025), std::invalid_argument);
    EXPECT_THROW(net::datagram_batch(1, 65536), std::invalid_argument);
    net::datagram_batch batch(1, 4);
    EXPECT_THROW(batch.push_back("12345"), std::length_error);
    EXPECT_TRUE(batch.push_back("1234"));
    EXPECT_FALSE(batch.push_back("5"));
    EXPECT_THROW(batch[0].resize(5), std::length_error);
    batch.clear();
    EXPECT_TRUE(batch.empty());
}

}  // namespace sennit::testing::datagram_batch_test
