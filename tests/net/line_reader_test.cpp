// Reading lines and delimited parts: over memory streams, whose pieces can be chosen, and once over the kernel's.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/net/line_reader.hpp>
#include <sennit/net/memory_stream.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

#include <sennit/testing/check_byte_stream.hpp>
#include "support/on_backends.hpp"

namespace sennit::net::line_reader_test {

using namespace std::string_view_literals;

constexpr auto long_enough = std::chrono::minutes(2);  // turns what hangs into a failure

/// The text of the system_error with this code that the awaitable throws; empty when it does not.
template <class Awaitable>
task<std::string> refusal(Awaitable awaitable, std::errc expected = std::errc::message_size) {
    std::string text;
    try {
        co_await std::move(awaitable);
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), expected);
        text = error.what();
    }
    co_return text;
}

/// All lines up to the end of the stream.
template <class Reader>
task<std::vector<std::string>> all_lines(Reader& lines) {
    std::vector<std::string> all;
    while (const auto line = co_await lines.read_line()) all.emplace_back(*line);
    co_return all;
}

/// Sends the text in pieces of this size, each after the reader has had its turn, and finishes.
task<> send_in_pieces(memory_stream& to, std::string_view text, std::size_t size) {
    for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
        co_await to.send(text.substr(0, size));
        co_await yield();
    }
    co_await to.shutdown_send();
}

class LineReader : public testing::OnBackends {
  protected:
    /// As in the base, but what hangs fails.
    template <class Body>
    void run(Body body) {
        loop().run(with_timeout(long_enough, body()));
    }
};

TEST_P(LineReader, GivesLinesWithoutTheirEnds) {
    constexpr auto text = "one\ntwo\r\n\n\r\na\rb\r\r\n\0\xff\nlast\r"sv;
    const std::vector<std::string> expected = {"one", "two", "", "", "a\rb\r", std::string("\0\xff", 2), "last\r"};
    for (std::size_t piece : {1, 2, 3, 100}) {
        run([&]() -> task<> {
            auto [a, b] = memory_stream::pair();
            line_reader lines(b);
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(send_in_pieces(a, text, piece));
                const auto received = co_await all_lines(lines);
                EXPECT_EQ(received, expected) << "in pieces of " << piece;
                const auto nothing = co_await lines.read_line();
                EXPECT_FALSE(nothing.has_value());
            });
        });
    }
}

TEST_P(LineReader, ReadsFromTheKernel) {
    run([]() -> task<> {
        auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
        auto client = co_await tcp_stream::connect(listener.local_endpoint());
        auto server = co_await listener.accept();
        line_reader lines(server);
        co_await client.send("hello\r\nwor");
        const auto first = co_await lines.read_line();
        EXPECT_EQ(first, "hello");
        co_await client.send("ld\n");
        const auto second = co_await lines.read_line();
        EXPECT_EQ(second, "world");
        client.close();
        const auto end = co_await lines.read_line();
        EXPECT_FALSE(end.has_value());
    });
}

TEST_P(LineReader, AllowsTheLongestLineWithEitherEnd) {
    for (const std::string_view end : {"\n"sv, "\r\n"sv, ""sv}) {
        for (std::size_t piece : {1, 7, 100}) {
            run([&]() -> task<> {
                auto [a, b] = memory_stream::pair();
                line_reader lines(b, {.max_length = 10});
                const std::string text = "0123456789" + std::string(end);
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(send_in_pieces(a, text, piece));
                    const auto line = co_await lines.read_line();
                    EXPECT_EQ(line, "0123456789");
                });
            });
        }
    }
}

TEST_P(LineReader, RefusesALongerLineAndLosesNothing) {
    for (const std::string_view end : {"\n"sv, "\r\n"sv, "\r"sv, ""sv}) {
        for (std::size_t piece : {1, 7, 100}) {
            run([&]() -> task<> {
                auto [a, b] = memory_stream::pair();
                line_reader lines(b, {.max_length = 10});
                const std::string text = "0123456789x" + std::string(end);
                co_await with_task_group([&](task_group& group) -> task<> {
                    group.spawn(send_in_pieces(a, text, piece));
                    for (int again = 0; again != 3; ++again) {
                        const std::string why = co_await refusal(lines.read_line());
                        EXPECT_NE(why.find("no end within the 10 bytes allowed"), std::string::npos) << why;
                    }
                    EXPECT_EQ(lines.buffered().substr(0, 11), "0123456789x");
                    std::string all = lines.take_buffered();
                    EXPECT_EQ(lines.buffered(), "");
                    all += co_await testing::receive_all(lines);
                    EXPECT_EQ(all, text);
                });
            });
        }
    }
}

TEST_P(LineReader, NoticesALineThatIsTooLongBeforeItEnds) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader lines(b, {.max_length = 10});
        co_await a.send("0123456789x");  // and no more, for ever
        const std::string why = co_await refusal(lines.read_line());
        EXPECT_NE(why, "");
    });
}

TEST_P(LineReader, SkipsALineThatIsTooLong) {
    for (std::size_t piece : {1, 1000, 100'000}) {
        run([&]() -> task<> {
            auto [a, b] = memory_stream::pair();
            line_reader lines(b, {.max_length = 10});
            const std::string text = "fine\n" + std::string(5000, 'x') + "\nalso fine\n" + std::string(20, 'y');
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(send_in_pieces(a, text, piece));
                const auto before = co_await lines.read_line();
                EXPECT_EQ(before, "fine");
                const std::string why = co_await refusal(lines.read_line());
                EXPECT_NE(why, "");
                const std::size_t skipped = co_await lines.discard_line();
                EXPECT_EQ(skipped, 5001U);
                const auto after = co_await lines.read_line();
                EXPECT_EQ(after, "also fine");
                const std::size_t rest = co_await lines.discard_line();
                EXPECT_EQ(rest, 20U);
                const auto nothing = co_await lines.read_line();
                EXPECT_FALSE(nothing.has_value());
            });
        });
    }
}

TEST_P(LineReader, CancelledReadsLoseNothing) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader lines(b);
        for (const std::string_view piece : {"first ha", "lf, second", " half, t", "hird\nnext\n"}) {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    const auto line = co_await lines.read_line();
                    EXPECT_EQ(line, "first half, second half, third");
                });
                co_await yield();
                co_await a.send(piece);
                co_await yield();
                group.cancel();
            });
        }
        const auto next = co_await lines.read_line();
        EXPECT_EQ(next, "next");
    });
}

TEST_P(LineReader, ReadsUpToADelimiterAndIncludesIt) {
    constexpr auto text = "GET /\r\nhost: x\r\n\r\r\n\r\nbody\r\n\r"sv;
    for (std::size_t piece : {1, 2, 3, 100}) {
        run([&]() -> task<> {
            auto [a, b] = memory_stream::pair();
            line_reader reader(b);
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(send_in_pieces(a, text, piece));
                const auto head = co_await reader.read_until("\r\n\r\n");
                EXPECT_EQ(head, "GET /\r\nhost: x\r\n\r\r\n\r\n");
                const auto rest = co_await reader.read_until("\r\n\r\n");
                EXPECT_EQ(rest, "body\r\n\r") << "and no delimiter at its end";
                const auto nothing = co_await reader.read_until("\r\n\r\n");
                EXPECT_FALSE(nothing.has_value());
            });
        });
    }
}

TEST_P(LineReader, LimitsPartsWithoutTheirDelimiter) {
    for (std::size_t piece : {1, 7, 100}) {
        run([&]() -> task<> {
            auto [a, b] = memory_stream::pair();
            line_reader reader(b, {.max_length = 10});
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(send_in_pieces(a, "0123456789<end>0123456789x<end>", piece));
                const auto longest = co_await reader.read_until("<end>");
                EXPECT_EQ(longest, "0123456789<end>");
                const std::string why = co_await refusal(reader.read_until("<end>"));
                EXPECT_NE(why.find("10 bytes"), std::string::npos) << why;
                const std::string rest = co_await testing::receive_all(reader);
                EXPECT_EQ(rest, "0123456789x<end>");
            });
        });
    }
}

TEST_P(LineReader, RefusesAnEmptyDelimiter) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader reader(b);
        bool refused = false;
        try {
            co_await reader.read_until("");
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
    });
}

TEST_P(LineReader, RecvGivesWhatWasReceivedAheadFirst) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader reader(b);
        co_await a.send("length: 7\nabcdefg");
        const auto head = co_await reader.read_line();
        EXPECT_EQ(head, "length: 7");
        std::array<char, 4> buffer;
        const std::size_t first = co_await reader.recv(buffer);
        EXPECT_EQ(std::string_view(buffer.data(), first), "abcd");
        const std::size_t second = co_await reader.recv(buffer);
        EXPECT_EQ(std::string_view(buffer.data(), second), "efg");
        co_await a.send("straight from the stream");
        const std::size_t third = co_await reader.recv(buffer);
        EXPECT_EQ(std::string_view(buffer.data(), third), "stra");
        EXPECT_EQ(&reader.stream(), &b);
    });
}

TEST_P(LineReader, ASecondReaderIsRefusedAndHarmsNothing) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader lines(b);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto line = co_await lines.read_line();
                EXPECT_EQ(line, "for the first");
            });
            co_await yield();
            co_await a.send("for the");
            co_await yield();
            constexpr auto busy = std::errc::device_or_resource_busy;
            std::string why;
            std::array<char, 8> buffer;
            why = co_await refusal(lines.read_line(), busy);
            EXPECT_NE(why, "");
            why = co_await refusal(lines.read_until("x"), busy);
            EXPECT_NE(why, "");
            why = co_await refusal(lines.discard_line(), busy);
            EXPECT_NE(why, "");
            why = co_await refusal(lines.recv(buffer), busy);
            EXPECT_NE(why, "");
            EXPECT_THROW(static_cast<void>(lines.take_buffered()), std::system_error);
            EXPECT_EQ(lines.buffered(), "for the");
            co_await a.send(" first\n");
        });
    });
}

TEST_P(LineReader, ErrorsOfTheStreamComeThroughAndLoseNothing) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader lines(b);
        co_await a.send("whole\nhalf");
        const auto whole = co_await lines.read_line();
        EXPECT_EQ(whole, "whole");
        b.close();
        const std::string why = co_await refusal(lines.read_line(), std::errc::bad_file_descriptor);
        EXPECT_NE(why, "");
        EXPECT_EQ(lines.buffered(), "half");
    });
}

TEST_P(LineReader, NoticesAPartThatIsTooLongBeforeItEnds) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader reader(b, {.max_length = 10});
        co_await a.send("0123456789xend>");  // the longest part allowed, and what cannot be its delimiter
        const std::string why = co_await refusal(reader.read_until("<end>"));
        EXPECT_NE(why, "");
    });
}

TEST_P(LineReader, ReadsAVeryLongLineInSmallPieces) {
    run([]() -> task<> {
        auto [a, b] = memory_stream::pair();
        line_reader lines(b, {.max_length = 4 << 20});
        std::string text((4 << 20) - 1, 'x');
        text += "y\n";
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(send_in_pieces(a, text, 32));
            const auto line = co_await lines.read_line();
            const bool whole = line && line->size() + 1 == text.size() && line->ends_with("xy");
            EXPECT_TRUE(whole);
        });
    });
}

TEST_P(LineReader, AgreesWithANaiveReader) {
    std::mt19937 random(20260104);
    for (int round = 0; round != 300; ++round) {
        std::string text;
        const std::size_t size = random() % 3000;
        const unsigned line_ends = 1 + random() % 100;
        while (text.size() < size) {
            const unsigned kind = random() % (line_ends + 4);
            text += kind == 0 ? '\n' : kind == 1 ? '\r' : kind == 2 ? '\0' : static_cast<char>(random());
        }
        std::vector<std::string> expected;
        for (std::string_view rest = text; !rest.empty();) {
            const std::size_t end = rest.find('\n');
            std::string_view line = rest.substr(0, end);
            rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
            if (end != rest.npos && line.ends_with('\r')) line.remove_suffix(1);
            expected.emplace_back(line);
        }
        run([&]() -> task<> {
            auto [a, b] = memory_stream::pair(1 + random() % 700);
            line_reader lines(b, {.max_length = 3000});
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(send_in_pieces(a, text, 1 + random() % 300));
                const auto received = co_await all_lines(lines);
                EXPECT_EQ(received, expected);
            });
        });
    }
}

SENNIT_ON_ALL_BACKENDS(LineReader);

}  // namespace sennit::net::line_reader_test
