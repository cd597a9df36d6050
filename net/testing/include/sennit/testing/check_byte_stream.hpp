#pragma once

// What every byte stream promises, as one set of checks that runs on all of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/event_loop.hpp>
#include <sennit/net/byte_stream.hpp>
#include <sennit/result.hpp>
#include <sennit/run.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing {

/// Receives everything up to the end of the stream, or of whatever else has a `recv`.
template <class Source>
task<std::string> receive_all(Source& from, std::size_t at_once = 4096) {
    std::string all;
    std::vector<char> buffer(at_once);
    while (const std::size_t count = co_await from.recv(buffer)) all.append(buffer.data(), count);
    co_return all;
}

namespace stream_checks {

/// The byte at a position of the big transfers: no piece of it looks like another.
inline char byte_at(std::uint64_t position) {
    return static_cast<char>((position + 1) * 0x9e3779b97f4a7c15U >> 56);
}

/// Sends `total` bytes in pieces of random size, the end of the stream after them.
template <net::byte_stream Stream>
task<> send_pattern(Stream& to, std::uint64_t total, unsigned seed) {
    std::mt19937 random(seed);
    std::string piece;
    for (std::uint64_t sent = 0; sent != total; sent += piece.size()) {
        const std::uint64_t size = random() % 4 == 0 ? 1 + random() % 200'000 : 1 + random() % 3'000;
        piece.resize(std::min(size, total - sent));
        for (std::size_t i = 0; i != piece.size(); ++i) piece[i] = byte_at(sent + i);
        co_await to.send(piece);
    }
    co_await to.shutdown_send();
}

/// Receives with buffers of random size up to the end of the stream, and compares.
template <net::byte_stream Stream>
task<> expect_pattern(Stream& from, std::uint64_t total, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<char> buffer(100'000);
    std::uint64_t received = 0;
    std::uint64_t wrong = 0;
    for (;;) {
        const std::size_t size = 1 + random() % (random() % 4 == 0 ? buffer.size() : 2'000);
        const std::size_t count = co_await from.recv(mutable_bytes(buffer.data(), size));
        if (count == 0) break;
        for (std::size_t i = 0; i != count; ++i) wrong += buffer[i] == byte_at(received + i) ? 0 : 1;
        received += count;
    }
    EXPECT_EQ(received, total);
    EXPECT_EQ(wrong, 0U);
}

/// More than the buffers of a kernel and of a memory stream hold. Made once, since that takes longer than a check.
inline const std::string& more_than_fits() {
    static const std::string bytes(32 << 20, 'x');
    return bytes;
}

/// How an operation failed; nothing when it did not.
template <class Awaitable>
task<std::error_code> error_of(Awaitable awaitable) {
    const auto outcome = co_await as_result(std::move(awaitable));
    co_return outcome.error();
}

/// Each check gets the two ends of a new connection.
template <net::byte_stream Stream>
class byte_stream_checks {
  public:
    static task<> bytes_keep_their_order(Stream& a, Stream& b) {
        co_await a.send("one,");
        co_await a.send("two,");
        co_await a.send(std::string_view());
        co_await a.send("three");
        co_await a.shutdown_send();
        const std::string received = co_await receive_all(b, 5);
        EXPECT_EQ(received, "one,two,three");
    }

    static task<> the_end_comes_after_the_bytes_and_stays(Stream& a, Stream& b) {
        std::array<char, 16> buffer;
        co_await a.send("x");
        co_await a.shutdown_send();
        const std::size_t first = co_await b.recv(buffer);
        EXPECT_EQ(first, 1U);
        for (int again = 0; again != 3; ++again) {
            const std::size_t end = co_await b.recv(buffer);
            EXPECT_EQ(end, 0U);
        }
    }

    static task<> the_end_wakes_a_receiver(Stream& a, Stream& b) {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                const std::size_t count = co_await b.recv(buffer);
                EXPECT_EQ(count, 0U);
            });
            co_await yield();
            co_await a.shutdown_send();
        });
    }

    static task<> one_direction_ends_alone(Stream& a, Stream& b) {
        co_await a.shutdown_send();
        const std::string nothing = co_await receive_all(b);
        EXPECT_EQ(nothing, "");
        co_await b.send("the answer comes after the end of the question");
        co_await b.shutdown_send();
        const std::string answer = co_await receive_all(a);
        EXPECT_EQ(answer, "the answer comes after the end of the question");
        const std::error_code refused = co_await error_of(a.send("more"));
        EXPECT_EQ(refused, std::errc::broken_pipe);
    }

    static task<> single_bytes_pass(Stream& a, Stream& b) {
        constexpr std::uint64_t total = 3000;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (std::uint64_t i = 0; i != total; ++i) {
                    const char byte = byte_at(i);
                    co_await a.send(const_bytes(&byte, 1));
                }
                co_await a.shutdown_send();
            });
            const std::string received = co_await receive_all(b, 1);
            EXPECT_EQ(received.size(), total);
            for (std::uint64_t i = 0; i != received.size(); ++i) EXPECT_EQ(received[i], byte_at(i));
        });
    }

    static task<> much_passes_both_ways_at_once(Stream& a, Stream& b) {
        constexpr std::uint64_t total = 8 << 20;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(send_pattern(a, total, 1));
            group.spawn(send_pattern(b, total, 2));
            group.spawn(expect_pattern(a, total, 3));
            co_await expect_pattern(b, total, 4);
        });
    }

    static task<> a_second_user_of_a_direction_is_refused(Stream& a, Stream& b) {
        std::array<char, 16> buffer;
        std::array<char, 16> other;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const std::size_t count = co_await a.recv(buffer);
                EXPECT_EQ(std::string_view(buffer.data(), count), "for the first");
            });
            group.spawn([&]() -> task<> { co_await a.send(more_than_fits()); });
            co_await yield();
            const std::error_code reading = co_await error_of(a.recv(other));
            EXPECT_EQ(reading, std::errc::device_or_resource_busy);
            const std::error_code sending = co_await error_of(a.send("y"));
            EXPECT_EQ(sending, std::errc::device_or_resource_busy);
            const std::error_code ending = co_await error_of(a.shutdown_send());
            EXPECT_EQ(ending, std::errc::device_or_resource_busy);

            co_await b.send("for the first");
            std::size_t left = more_than_fits().size();
            std::vector<char> large(1 << 20);
            while (left != 0) {
                const std::size_t count = co_await b.recv(large);
                EXPECT_NE(count, 0U);
                if (count == 0) break;
                left -= count;
            }
        });
        // Both directions serve the next ones.
        co_await a.send("again");
        const std::size_t count = co_await b.recv(buffer);
        EXPECT_EQ(std::string_view(buffer.data(), count), "again");
    }

    static task<> cancelled_receives_lose_nothing(Stream& a, Stream& b) {
        std::string sent;
        std::string received;
        for (int round = 0; round != 400; ++round) {
            const char byte = static_cast<char>('a' + round % 26);
            sent += byte;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    std::array<char, 3> buffer;
                    const std::size_t count = co_await b.recv(buffer);
                    received.append(buffer.data(), count);
                });
                for (int i = round % 4; i != 0; --i) co_await yield();
                co_await a.send(const_bytes(&byte, 1));
                for (int i = round / 4 % 4; i != 0; --i) co_await yield();
                group.cancel();
            });
        }
        co_await a.shutdown_send();
        received += co_await receive_all(b);
        EXPECT_EQ(received, sent);
    }

    static task<> a_cancelled_scope_takes_nothing(Stream& a, Stream& b) {
        co_await a.send("still there");
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            std::array<char, 16> buffer;
            bool was_cancelled = false;
            try {
                co_await b.recv(buffer);
            } catch (const cancelled&) {
                was_cancelled = true;
            }
            EXPECT_TRUE(was_cancelled);
        });
        co_await a.shutdown_send();
        const std::string received = co_await receive_all(b);
        EXPECT_EQ(received, "still there");
    }

    static task<> closing_wakes_the_own_side(Stream& a, Stream&) {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                const std::error_code error = co_await error_of(a.recv(buffer));
                EXPECT_EQ(error, std::errc::operation_canceled);
            });
            group.spawn([&]() -> task<> {
                const std::error_code error = co_await error_of(a.send(more_than_fits()));
                EXPECT_EQ(error, std::errc::operation_canceled);
            });
            co_await yield();
            a.close();
            a.close();
        });
    }

    static task<> a_closed_stream_is_a_bad_descriptor(Stream& a, Stream&) {
        std::array<char, 16> buffer;
        a.close();
        const std::error_code reading = co_await error_of(a.recv(buffer));
        EXPECT_EQ(reading, std::errc::bad_file_descriptor);
        const std::error_code sending = co_await error_of(a.send("x"));
        EXPECT_EQ(sending, std::errc::bad_file_descriptor);
        const std::error_code ending = co_await error_of(a.shutdown_send());
        EXPECT_EQ(ending, std::errc::bad_file_descriptor);
        Stream moved(std::move(a));
        const std::error_code left_behind = co_await error_of(a.recv(buffer));
        EXPECT_EQ(left_behind, std::errc::bad_file_descriptor);
    }

    static task<> what_was_sent_before_closing_arrives(Stream& a, Stream& b) {
        co_await a.send("last words");
        a.close();
        const std::string received = co_await receive_all(b);
        EXPECT_EQ(received, "last words");
    }

    static task<> sending_to_a_closed_peer_fails(Stream& a, Stream& b) {
        b.close();
        std::error_code error;
        // A network may take some bytes before it finds out.
        while (!error) error = co_await error_of(a.send("is anyone there?"));
        const bool gone = error == std::errc::broken_pipe || error == std::errc::connection_reset;
        EXPECT_TRUE(gone) << error.message();
    }

    static task<> closing_wakes_a_sender_on_the_other_side(Stream& a, Stream& b) {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const std::error_code error = co_await error_of(a.send(more_than_fits()));
                const bool gone = error == std::errc::broken_pipe || error == std::errc::connection_reset;
                EXPECT_TRUE(gone) << error.message();
            });
            co_await yield();
            b.close();
        });
    }

    static task<> an_error_can_be_thrown_too(Stream& a, Stream&) {
        a.close();
        std::error_code code;
        std::array<char, 16> buffer;
        try {
            co_await a.recv(buffer);
        } catch (const std::system_error& error) {
            code = error.code();
        }
        EXPECT_EQ(code, std::errc::bad_file_descriptor);
    }
};

template <class Stream, class Factory>
task<> check_new_pair(Factory& make_pair, task<> (*check)(Stream&, Stream&)) {
    auto both = co_await make_pair();
    // No check takes a noticeable part of this: it turns a stream that hangs into a failure.
    co_await with_timeout(std::chrono::minutes(2), check(both.first, both.second));
}

}  // namespace stream_checks

/// Runs all checks. `make_pair()` is a task that gives two streams connected to each other.
template <class Factory>
void check_byte_stream(event_loop& loop, Factory make_pair) {
    using stream = typename detail::await_result_t<decltype(make_pair())>::first_type;
    using checks = stream_checks::byte_stream_checks<stream>;
    const auto run = [&](const char* name, task<> (*check)(stream&, stream&)) {
        SCOPED_TRACE(name);
        try {
            loop.run(stream_checks::check_new_pair<stream>(make_pair, check));
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
        EXPECT_EQ(loop.describe(), "") << "something still waits";
    };
    run("bytes keep their order", checks::bytes_keep_their_order);
    run("the end comes after the bytes and stays", checks::the_end_comes_after_the_bytes_and_stays);
    run("the end wakes a receiver", checks::the_end_wakes_a_receiver);
    run("one direction ends alone", checks::one_direction_ends_alone);
    run("single bytes pass", checks::single_bytes_pass);
    run("much passes both ways at once", checks::much_passes_both_ways_at_once);
    run("a second user of a direction is refused", checks::a_second_user_of_a_direction_is_refused);
    run("cancelled receives lose nothing", checks::cancelled_receives_lose_nothing);
    run("a cancelled scope takes nothing", checks::a_cancelled_scope_takes_nothing);
    run("closing wakes the own side", checks::closing_wakes_the_own_side);
    run("a closed stream is a bad descriptor", checks::a_closed_stream_is_a_bad_descriptor);
    run("what was sent before closing arrives", checks::what_was_sent_before_closing_arrives);
    run("sending to a closed peer fails", checks::sending_to_a_closed_peer_fails);
    run("closing wakes a sender on the other side", checks::closing_wakes_a_sender_on_the_other_side);
    run("an error can be thrown too", checks::an_error_can_be_thrown_too);
}

}  // namespace sennit::testing
