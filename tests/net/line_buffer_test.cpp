// The buffer behind the line reader: how much it copies, and how much memory it takes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <sennit/net/detail/line_buffer.hpp>

namespace sennit::net::line_buffer_test {

TEST(DelimiterSearch, LooksAtNothingTwice) {
    // A delimiter that is put where the search has been shows whether it looks there again, which would make a long
    // line in small pieces a matter of minutes.
    detail::delimiter_search search("--");
    EXPECT_EQ(search.find_in(""), std::string_view::npos);
    EXPECT_EQ(search.find_in("-"), std::string_view::npos);
    EXPECT_EQ(search.find_in("xxxxx"), std::string_view::npos);
    EXPECT_EQ(search.find_in("x--x-"), std::string_view::npos);
    EXPECT_EQ(search.find_in("xxxx--"), 4U) << "the beginning of a delimiter must be looked at again";
}

TEST(LineBuffer, CopiesALongLineOnlyAFewTimes) {
    detail::line_buffer buffer(1 << 20);
    std::size_t moves = 0;
    const std::byte* next = nullptr;
    for (std::size_t received = 0; received != 1 << 20; ++received) {
        const mutable_bytes room = buffer.room(1);
        if (room.data() != next) ++moves;
        room.data()[0] = std::byte{'x'};
        buffer.filled(1);
        next = room.data() + 1;
    }
    EXPECT_LE(moves, 13U) << "the first memory, 11 times twice as much, and once more for the end of the line";
    EXPECT_EQ(buffer.unread(), std::string(1 << 20, 'x'));
}

TEST(LineBuffer, GrowsWithWhatArrivesUpToTheLongestLine) {
    detail::line_buffer buffer(65536);
    EXPECT_EQ(buffer.capacity(), 0U) << "nothing was asked of it yet";
    detail::delimiter_search search("\n");
    std::size_t received = 0;
    EXPECT_LE(buffer.room(2).size(), 1024U) << "an idle connection has a small one";
    while (received != 65536) {
        const mutable_bytes room = buffer.room(2);
        ASSERT_GT(room.size(), 0U);
        EXPECT_LE(buffer.capacity(), 65536U + 2);
        EXPECT_LE(buffer.capacity(), 4 * received + 1024);
        const std::size_t count = std::min<std::size_t>(room.size(), 65536 - received);
        std::fill_n(reinterpret_cast<char*>(room.data()), count, 'x');
        buffer.filled(count);
        received += count;
        EXPECT_FALSE(buffer.take_line(search).has_value());
    }
    buffer.room(2).data()[0] = std::byte{'\n'};
    buffer.filled(1);
    const auto line = buffer.take_line(search);
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(line->size(), 65536U);
}

TEST(LineBuffer, StaysSmallHoweverManyLinesPass) {
    detail::line_buffer buffer(65536);
    for (int i = 0; i != 10'000; ++i) {
        detail::delimiter_search search("\n");
        ASSERT_FALSE(buffer.take_line(search).has_value());
        const mutable_bytes room = buffer.room(2);
        ASSERT_GE(room.size(), 20U);
        std::fill_n(reinterpret_cast<char*>(room.data()), 20, 'x');
        // Half a line stays behind, each time.
        room.data()[9] = std::byte{'\n'};
        buffer.filled(20);
        const auto line = buffer.take_line(search);
        ASSERT_TRUE(line.has_value());
        ASSERT_EQ(line->size(), i == 0 ? 9U : 19U);
    }
    EXPECT_LE(buffer.capacity(), 1024U);
}

TEST(LineBuffer, NeedsNoLimit) {
    detail::line_buffer buffer(static_cast<std::size_t>(-1));
    detail::delimiter_search search("\n");
    EXPECT_FALSE(buffer.take_line(search).has_value());
    EXPECT_GT(buffer.room(2).size(), 0U);
    EXPECT_FALSE(buffer.take_rest().has_value());
}

}  // namespace sennit::net::line_buffer_test
