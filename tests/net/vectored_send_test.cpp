// Sending many parts as one. Its one hard idea: what arrives must be the parts put together, wherever the kernel cuts
// them; small buffers make it cut everywhere.

#include <algorithm>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::vectored_send_test {

class VectoredSend : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(VectoredSend);

/// Sends the parts, and expects what they are together, and then the end of the stream.
template <class Stream>
task<> expect_whole(Stream& near, Stream& far, const std::vector<std::string>& parts) {
    const std::vector<const_bytes> views(parts.begin(), parts.end());
    std::string expected;
    for (const std::string& part : parts) expected += part;
    std::string received;
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> {
            co_await near.send_vectored(views);
            co_await near.shutdown_send();
        });
        received = co_await read_all(far);
    });
    EXPECT_EQ(received.size(), expected.size());
    EXPECT_TRUE(received == expected);
}

std::vector<std::string> random_parts(std::size_t count, std::size_t longest, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::string> parts;
    for (std::size_t i = 0; i != count; ++i) {
        const std::size_t size = random() % 3 == 0 ? 0 : random() % (longest + 1);
        parts.push_back(noise(size, random()));
    }
    return parts;
}

TEST_P(VectoredSend, AnyNumberOfPartsArrivesWhole) {
    run([]() -> task<> {
        for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 16u, 17u, 1000u}) {
            auto pair = co_await tcp_pair();
            co_await expect_whole(pair.first, pair.second, random_parts(count, 300, static_cast<unsigned>(count)));
        }
    });
}

TEST_P(VectoredSend, EmptyPartsAreSkipped) {
    run([]() -> task<> {
        const std::vector<std::vector<std::string>> cases{
            {""},
            {"", "", ""},
            std::vector<std::string>(30),
            {"", "", "", "", "", "", "", "", "", "after eight and more"},
            {"before", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "after"},
            {"only the last", "", "", "", "", "", "", "", "", ""},
        };
        for (const auto& parts : cases) {
            auto pair = co_await tcp_pair();
            co_await expect_whole(pair.first, pair.second, parts);
        }
    });
}

TEST_P(VectoredSend, PartsWithoutMemoryAreEmpty) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        const std::vector<const_bytes> parts{const_bytes(), const_bytes("text"), const_bytes()};
        co_await pair.first.send_vectored(parts);
        const std::string text = co_await read_exactly(pair.second, 4);
        EXPECT_EQ(text, "text");
    });
}

TEST_P(VectoredSend, ShortTransfersGoOnInTheMiddleOfAPart) {
    run([]() -> task<> {
        for (unsigned seed = 0; seed != 4; ++seed) {
            auto pair = co_await tcp_pair();
            pair.first.set_send_buffer_size(2048);
            // From parts of a few bytes to parts that fill the buffers many times over.
            co_await expect_whole(pair.first, pair.second, random_parts(200, 10 + 500 * seed * seed, seed));
        }
        auto pair = co_await net::unix_stream::pair();
        pair.first.set_send_buffer_size(2048);
        co_await expect_whole(pair.first, pair.second, random_parts(200, 20000, 9));
    });
}

TEST_P(VectoredSend, FailsWithTheKernelsError) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.reset_on_close();
        pair.second.close();
        co_await settle();
        const std::vector<const_bytes> parts{const_bytes("a"), const_bytes("b")};
        std::error_code error = co_await error_of(pair.first.send_vectored(parts));
        if (error == std::errc::connection_reset) error = co_await error_of(pair.first.send_vectored(parts));
        EXPECT_EQ(error, std::errc::broken_pipe);
    });
}

TEST_P(VectoredSend, ClosingInTheMiddleEndsIt) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.first.set_send_buffer_size(4096);
        const std::string much = noise(4 << 20);
        const std::vector<const_bytes> parts(20, const_bytes(much));
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = co_await error_of(pair.first.send_vectored(parts)); });
            co_await settle();
            pair.second.drain();
            co_await settle();
            pair.first.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

}  // namespace sennit::testing::vectored_send_test
