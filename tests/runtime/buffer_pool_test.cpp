// The pool of receive buffers by itself: what is lent first, how it grows, and how long it stays.

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include <sennit/detail/buffer_pool.hpp>

namespace sennit::testing::buffer_pool_test {

using detail::buffer_pool;
using detail::pooled_buffer;

receive_buffer_options options(std::size_t size, std::size_t most) {
    receive_buffer_options chosen;
    chosen.size = size;
    chosen.most = most;
    return chosen;
}

TEST(BufferPool, LendsWhatCameBackLast) {
    const auto pool = buffer_pool::make(options(128, 10));
    pooled_buffer* const first = pool->take();
    pooled_buffer* const second = pool->take();
    EXPECT_NE(first, second);
    first->give_back();
    second->give_back();
    EXPECT_EQ(pool->take(), second);
    EXPECT_EQ(pool->take(), first);
    first->give_back();
    second->give_back();
}

TEST(BufferPool, MakesAsManyAsAllowedAndNoTwoShareAByte) {
    for (const std::size_t most : {1u, 63u, 64u, 65u, 200u}) {
        const auto pool = buffer_pool::make(options(100, most));
        std::vector<pooled_buffer*> all;
        std::set<const std::byte*> places;
        while (pool->can_take()) {
            all.push_back(pool->take());
            pool->unseal(*all.back());
            std::memset(all.back()->data, static_cast<int>(all.size()), 100);
            places.insert(all.back()->data);
            EXPECT_EQ(&pool->at(all.back()->index), all.back());
        }
        EXPECT_EQ(all.size(), most);
        EXPECT_EQ(places.size(), most);
        EXPECT_EQ(pool->take(), nullptr);
        for (std::size_t i = 0; i != most; ++i) {
            for (std::size_t byte = 0; byte != 100; ++byte) {
                ASSERT_EQ(all[i]->data[byte], static_cast<std::byte>(i + 1));
            }
        }
        for (pooled_buffer* const each : all) each->give_back();
        EXPECT_TRUE(pool->can_take());
    }
}

TEST(BufferPool, OptionsOutOfRangeAreMadeUsable) {
    const auto pool = buffer_pool::make(options(0, 0));
    EXPECT_EQ(pool->buffer_size(), 1u);
    EXPECT_EQ(pool->most(), 1u);
    pool->take()->give_back();
    const auto many = buffer_pool::make(options(1, 1 << 20));
    EXPECT_EQ(many->most(), 65536u);
}

TEST(BufferPool, StaysForWhatItHasLent) {
    pooled_buffer* lent = nullptr;
    {
        const auto pool = buffer_pool::make(options(8, 2));
        lent = pool->take();
        pool->lend(*lent, 8);
    }
    std::memcpy(lent->data, "stays on", 8);
    EXPECT_EQ(std::memcmp(lent->data, "stays on", 8), 0);
    lent->give_back();
}

}  // namespace sennit::testing::buffer_pool_test
