// The memory of coroutine frames. What the pool saves is counted in allocation_test; here: that it gives everybody
// memory of their own, in every size and on every thread.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/frame_pool.hpp>
#include <sennit/task.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::frame_pool_test {

using detail::frame_pool;

class FramePoolTasks : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(FramePoolTasks);

/// Memory that shows when somebody else writes to it.
class marked_block {
  public:
    marked_block(std::size_t size, unsigned char mark)
        : memory_(static_cast<unsigned char*>(frame_pool::allocate(size))), size_(size), mark_(mark) {
        std::memset(memory_, mark, size);
    }
    marked_block(marked_block&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), size_(other.size_), mark_(other.mark_) {}
    marked_block& operator=(marked_block&& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(size_, other.size_);
        std::swap(mark_, other.mark_);
        return *this;
    }
    ~marked_block() {
        if (memory_ != nullptr) frame_pool::deallocate(memory_, size_);
    }

    bool intact() const {
        for (std::size_t i = 0; i != size_; ++i) {
            if (memory_[i] != mark_) return false;
        }
        return true;
    }
    bool aligned() const { return reinterpret_cast<std::uintptr_t>(memory_) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0; }

  private:
    unsigned char* memory_;
    std::size_t size_;
    unsigned char mark_;
};

TEST(FramePool, GivesAlignedMemoryOfEverySize) {
    for (int round = 0; round != 2; ++round) {
        for (std::size_t size = 1; size != 9000; ++size) {
            const marked_block block(size, 0x5a);
            ASSERT_TRUE(block.aligned() && block.intact()) << size;
        }
    }
}

TEST(FramePool, BlocksOfOneSizeAreUsedAgain) {
#if SENNIT_FRAME_POOL
    void* const first_of_thread = frame_pool::allocate(100);
    frame_pool::deallocate(first_of_thread, 100);
    void* const one = frame_pool::allocate(100);
    void* const two = frame_pool::allocate(90);
    frame_pool::deallocate(one, 100);
    frame_pool::deallocate(two, 90);
    EXPECT_EQ(frame_pool::allocate(104), two);
    EXPECT_EQ(frame_pool::allocate(89), one);
    frame_pool::deallocate(one, 89);
    frame_pool::deallocate(two, 104);
#else
    GTEST_SKIP() << "the pool steps aside for the sanitizer";
#endif
}

TEST(FramePool, NobodyGetsWhatAnotherStillHas) {
    std::mt19937 random(5);
    std::vector<marked_block> held;
    for (int step = 0; step != 20'000; ++step) {
        if (held.size() < 50 || random() % 2 == 0) {
            held.emplace_back(1 + random() % 700, static_cast<unsigned char>(random()));
        } else {
            const std::size_t which = random() % held.size();
            std::swap(held[which], held.back());
            ASSERT_TRUE(held.back().intact());
            held.pop_back();
        }
        if (held.size() > 500) held.clear();
    }
    for (const marked_block& each : held) EXPECT_TRUE(each.intact());
}

TEST(FramePool, MemoryOfOneThreadCanBeGivenBackOnAnother) {
    std::vector<marked_block> made_elsewhere;
    std::thread maker([&] {
        for (int i = 0; i != 1000; ++i) made_elsewhere.emplace_back(200, static_cast<unsigned char>(i));
    });
    maker.join();
    for (const marked_block& each : made_elsewhere) ASSERT_TRUE(each.intact());
    std::vector<marked_block> made_here;
    for (int i = 0; i != 1000; ++i) made_here.emplace_back(300, static_cast<unsigned char>(i));
    std::thread([&] {
        made_here.clear();
        made_elsewhere.clear();
        const marked_block again(300, 1);
        EXPECT_TRUE(again.intact());
    }).join();
}

class ends_after_the_pool {
  public:
    ~ends_after_the_pool() {
        if (frame_ != nullptr) frame_pool::deallocate(frame_, 100);
    }
    void keep(void* frame) { frame_ = frame; }

  private:
    void* frame_ = nullptr;
};

TEST(FramePool, FramesThatOutliveThePoolOfTheirThreadAreFreed) {
    std::thread([] {
        // Made before the pool registers its own clean-up, hence destroyed after it.
        thread_local ends_after_the_pool late;
        late.keep(frame_pool::allocate(100));
        frame_pool::deallocate(frame_pool::allocate(100), 100);
        frame_pool::deallocate(frame_pool::allocate(100), 100);
    }).join();
}

TEST_P(FramePoolTasks, ATaskCanBeMadeOnOneThreadAndRunOnAnother) {
    SENNIT_NEEDS_KERNEL("another thread has no place in it");
    const auto work = [](int turns) -> task<int> {
        for (int i = 0; i != turns; ++i) co_await yield();
        co_return turns;
    };
    std::vector<task<int>> tasks;
    for (int i = 0; i != 100; ++i) tasks.push_back(work(i));
    int sum = 0;
    std::thread([&] {
        event_loop elsewhere(event_loop_options{GetParam()});
        for (auto& each : tasks) sum += elsewhere.run(std::move(each));
        tasks.clear();
    }).join();
    EXPECT_EQ(sum, 4950);
}

}  // namespace sennit::testing::frame_pool_test
