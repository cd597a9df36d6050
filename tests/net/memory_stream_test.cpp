// Connections inside the program: what is special about them. What they share with other streams is in
// byte_stream_test.cpp.

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/on_backends.hpp"
#include "support/sockets.hpp"

#include <sennit/net/memory_stream.hpp>
#include <sennit/result.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/check_byte_stream.hpp>
#include <sennit/yield.hpp>

namespace sennit::net::memory_stream_test {

class MemoryStream : public testing::OnBackends {};

TEST_P(MemoryStream, HoldsNoMoreThanItsCapacity) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair(10);
        const std::size_t some = co_await a.send_some("0123456789abcdef");
        EXPECT_EQ(some, 10U);

        bool sent = false;
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const std::size_t more = co_await a.send_some("XYZ");
                EXPECT_EQ(more, 2U) << "as much as came free";
                sent = true;
            });
            for (int turn = 0; turn != 10; ++turn) co_await yield();
            EXPECT_FALSE(sent) << "a full stream took more";
            std::array<char, 2> two;
            const std::size_t count = co_await b.recv(two);
            received.append(two.data(), count);
        });
        EXPECT_TRUE(sent);
        a.close();
        received += co_await testing::receive_all(b);
        EXPECT_EQ(received, "0123456789XY");
    });
}

TEST_P(MemoryStream, SendIsDoneWhenTheLastByteIsQueued) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair(4);
        bool sent = false;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await a.send("0123456789");
                sent = true;
            });
            co_await yield();
            std::array<char, 5> five;
            const std::size_t count = co_await b.recv_exactly(five);
            EXPECT_EQ(std::string_view(five.data(), count), "01234");
            co_await yield();
            EXPECT_FALSE(sent) << "one byte had no room yet";
            const std::size_t one = co_await b.recv(mutable_bytes(five.data(), 1));
            EXPECT_EQ(one, 1U);
            co_await yield();
            EXPECT_TRUE(sent);
        });
    });
}

TEST_P(MemoryStream, RecvExactlyFillsTheBufferOrStopsAtTheEnd) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair(4);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (const std::string_view piece : {"a", "bcd", "efghij"}) co_await a.send(piece);
                co_await a.shutdown_send();
            });
            std::array<char, 7> seven;
            const std::size_t whole = co_await b.recv_exactly(seven);
            EXPECT_EQ(std::string_view(seven.data(), whole), "abcdefg");
            const std::size_t rest = co_await b.recv_exactly(seven);
            EXPECT_EQ(std::string_view(seven.data(), rest), "hij");
            const std::size_t end = co_await b.recv_exactly(seven);
            EXPECT_EQ(end, 0U);
        });
    });
}

TEST_P(MemoryStream, ClosingWithUnreadBytesResetsNothing) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        co_await a.send("b never reads this");
        co_await b.send("but a reads this");
        b.close();
        const std::string received = co_await testing::receive_all(a);
        EXPECT_EQ(received, "but a reads this");
        const std::error_code error = co_await testing::error_of(a.send("x"));
        EXPECT_EQ(error, std::errc::broken_pipe);
    });
}

TEST_P(MemoryStream, BytesOfASendThatFailsAreReceivedBeforeTheEnd) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair(4);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const std::error_code error = co_await testing::error_of(a.send("too long"));
                EXPECT_EQ(error, std::errc::operation_canceled);
            });
            co_await yield();
            a.close();
        });
        const std::string received = co_await testing::receive_all(b);
        EXPECT_EQ(received, "too ");
    });
}

TEST_P(MemoryStream, CancelledSendSomeSendsNothing) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair(4);
        co_await a.send("full");
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await a.send_some("never");
                ADD_FAILURE() << "it was sent";
            });
            co_await yield();
            group.cancel();
        });
        co_await a.shutdown_send();
        const std::string received = co_await testing::receive_all(b);
        EXPECT_EQ(received, "full");
    });
}

TEST_P(MemoryStream, BytesThatArrivedBeforeACancelAreGiven) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                const std::size_t count = co_await b.recv(buffer);
                received.assign(buffer.data(), count);
            });
            co_await yield();
            co_await a.send("result");
            group.cancel();  // before the receiver has had its turn
        });
        EXPECT_EQ(received, "result");
    });
}

TEST_P(MemoryStream, EndingAStreamWakesWhoWaitsForIt) {
    run([]() -> task<> {
        auto both = memory_stream::pair();
        std::optional<memory_stream> a(std::move(both.first));
        std::optional<memory_stream> b(std::move(both.second));
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                const std::error_code error = co_await testing::error_of(a->recv(buffer));
                EXPECT_EQ(error, std::errc::operation_canceled);
            });
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                const auto received = co_await as_result(b->recv(buffer));
                EXPECT_TRUE(received.has_value() && *received == 0);
            });
            co_await yield();
            a.reset();
            b.reset();
        });
    });
}

TEST_P(MemoryStream, AssigningClosesWhatWasThere) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        auto [c, d] = memory_stream::pair();
        a = std::move(c);
        const std::string nothing = co_await testing::receive_all(b);
        EXPECT_EQ(nothing, "");
        EXPECT_FALSE(c.is_open());
        EXPECT_TRUE(a.is_open());
        co_await a.send("on the new connection");
        a.close();
        const std::string received = co_await testing::receive_all(d);
        EXPECT_EQ(received, "on the new connection");
    });
}

TEST_P(MemoryStream, AnEmptyBufferIsServedAtOnce) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair(1);
        co_await a.send("x");
        co_await a.send(std::string_view());
        const std::size_t nothing = co_await a.recv(mutable_bytes());
        EXPECT_EQ(nothing, 0U);
    });
}

TEST(MemoryStreamPair, NeedsNoLoopAndACapacity) {
    const auto both = memory_stream::pair(1);
    EXPECT_TRUE(both.first.is_open());
    EXPECT_THROW(static_cast<void>(memory_stream::pair(0)), std::invalid_argument);
}

SENNIT_ON_ALL_BACKENDS(MemoryStream);

}  // namespace sennit::net::memory_stream_test
