// A loop that has warmed up allocates nothing: the waits live in the frames and the frames come from the pool. This
// file replaces operator new for the whole test program; it counts only while a test here asks for it.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/frame_pool.hpp>
#include <sennit/mutex.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/poll.hpp>
#include <sennit/result.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/explore.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

#if SENNIT_FRAME_POOL

namespace {

std::atomic<std::size_t> allocations = 0;

void* counted(std::size_t size) {
    ++allocations;
    if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
    return counted(size);
}
void* operator new[](std::size_t size) {
    return counted(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace sennit::testing {
namespace {

using namespace std::chrono_literals;

class Allocation : public OnKernelBackends {
  protected:
    Allocation() : OnKernelBackends("a simulated kernel allocates what it keeps") {}

    /// The number of allocations of `rounds` repetitions, after as many that are not counted.
    template <class Round>
    std::size_t in_steady_state(Round round, int rounds = 300) {
        return run([round = std::move(round), rounds]() mutable -> task<std::size_t> {
            for (int i = 0; i != rounds; ++i) co_await round();
            const std::size_t before = allocations;
            for (int i = 0; i != rounds; ++i) co_await round();
            co_return allocations - before;
        });
    }
};
SENNIT_ON_ALL_BACKENDS(Allocation);

TEST(AllocationCount, Counts) {
    const std::size_t before = allocations;
    const std::vector<int> one(100);
    EXPECT_EQ(allocations - before, 1u);
}

TEST(AllocationCount, AnExplorationThatCannotCountSaysSo) {
    const auto nothing = [](sim_world&, sim_host&) -> task<> { co_return; };
    try {
        for_each_allocation_failure(nothing);
        FAIL() << "the operators above are not those that it needs";
    } catch (const std::logic_error& what) {
        EXPECT_NE(std::string(what.what()).find("include <sennit/testing/allocation_failures.hpp>"), std::string::npos);
    }
}

TEST_P(Allocation, NoneForTasksAndYields) {
    const auto child = [](int depth, auto self) -> task<int> {
        co_await yield();
        if (depth == 0) co_return 1;
        co_return 1 + co_await self(depth - 1, self);
    };
    EXPECT_EQ(in_steady_state([&]() -> task<> { EXPECT_EQ(co_await child(10, child), 11); }), 0u);
}

TEST_P(Allocation, NoneForGroupsAndTheirChildren) {
    int ended = 0;
    EXPECT_EQ(in_steady_state([&]() -> task<> {
                  co_await with_task_group([&](task_group& group) -> task<> {
                      for (int i = 0; i != 10; ++i) {
                          group.spawn([&ended, i]() -> task<> {
                              for (int j = 0; j != i; ++j) co_await yield();
                              ++ended;
                          });
                      }
                      co_return;
                  });
              }),
              0u);
    EXPECT_EQ(ended, 6000);
}

TEST_P(Allocation, NoneForWhenAllWhenAnyAndTimeouts) {
    const auto number = [](int turns) -> task<int> {
        for (int i = 0; i != turns; ++i) co_await yield();
        co_return turns;
    };
    EXPECT_EQ(in_steady_state([&]() -> task<> {
                  const auto all = co_await when_all(number(1), number(2), yield());
                  const auto any = co_await when_any(number(3), number(1));
                  const auto in_time = co_await with_timeout(1h, number(2));
                  const bool late = co_await move_on_after(1us, sleep_for(1h));
                  const auto as_value = co_await as_result(number(1));
                  EXPECT_TRUE(std::get<1>(all) == 2 && any.index == 1 && in_time == 2 && !late && as_value);
              }),
              0u);
}

TEST_P(Allocation, NoneForTimers) {
    EXPECT_EQ(in_steady_state([]() -> task<> {
                  co_await sleep_for(0s);
                  co_await sleep_for(1us);
              }),
              0u);
}

TEST_P(Allocation, NoneForEventsMutexesSemaphoresAndChannels) {
    event there;
    event back;
    mutex door;
    semaphore permits(1);
    channel<int> direct(0);
    channel<int> buffered(4);
    EXPECT_EQ(in_steady_state([&]() -> task<> {
                  const auto one = [&]() -> task<> {
                      co_await there.wait();
                      there.reset();
                      back.set();
                      {
                          const auto lock = co_await door.lock();
                          co_await permits.acquire();
                          co_await yield();
                          permits.release();
                      }
                      for (int i = 0; i != 6; ++i) co_await buffered.send(i);
                      static_cast<void>(co_await direct.recv());
                  };
                  const auto other = [&]() -> task<> {
                      there.set();
                      co_await back.wait();
                      back.reset();
                      {
                          const auto lock = co_await door.lock();
                          co_await permits.acquire();
                          permits.release();
                      }
                      for (int i = 0; i != 6; ++i) static_cast<void>(co_await buffered.recv());
                      co_await direct.send(1);
                  };
                  co_await when_all(one(), other());
              }),
              0u);
}

TEST_P(Allocation, NoneForOperations) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQ(in_steady_state([&]() -> task<> {
                  const auto read = [&]() -> task<> {
                      static_cast<void>(co_await wait_readable(ends[0]));
                      char byte;
                      EXPECT_EQ(::read(ends[0], &byte, 1), 1);
                  };
                  const auto write = [&]() -> task<> {
                      co_await yield();
                      static_cast<void>(co_await wait_writable(ends[1]));
                      EXPECT_EQ(::write(ends[1], "x", 1), 1);
                  };
                  co_await when_all(read(), write());
              }),
              0u);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_P(Allocation, NoneForLeases) {
    EXPECT_EQ(run([]() -> task<std::size_t> {
                  auto pair = co_await net::unix_stream::pair();
                  const auto round = [&]() -> task<> {
                      co_await pair.first.send("some bytes");
                      const auto lease = co_await pair.second.recv_lease();
                      EXPECT_EQ(lease.size(), 10u);
                      co_await pair.second.send(lease);
                      const auto answer = co_await pair.first.recv_lease();
                      EXPECT_EQ(answer.size(), 10u);
                  };
                  for (int i = 0; i != 300; ++i) co_await round();
                  const std::size_t before = allocations;
                  for (int i = 0; i != 300; ++i) co_await round();
                  co_return allocations - before;
              }),
              0u);
}

TEST_P(Allocation, OneForEachPost) {
    int ran = 0;
    EXPECT_EQ(in_steady_state(
                  [&]() -> task<> {
                      loop().post([&] { ++ran; });
                      co_await sleep_for(0s);
                  },
                  100),
              100u);
    EXPECT_GE(ran, 199);
}

TEST(FramePoolLimit, WhatIsAboveItGoesBackToTheHeap) {
    constexpr std::size_t size = 1024;
    constexpr std::size_t blocks = 5000;
    std::vector<void*> held(blocks);
    const auto allocate_all = [&] {
        const std::size_t before = allocations;
        for (void*& each : held) each = detail::frame_pool::allocate(size);
        return allocations - before;
    };
    const auto free_all = [&] {
        for (void* const each : held) detail::frame_pool::deallocate(each, size);
    };
    allocate_all();
    free_all();
    const std::size_t made = allocate_all();
    free_all();
    EXPECT_LT(made, blocks) << "some were kept";
    EXPECT_GT(made, blocks / 2) << "and not all: the pool is bounded";
}

TEST(FramePoolBypass, EachFrameIsAnAllocation) {
    const auto use_twice = [] {
        const std::size_t before = allocations;
        for (int i = 0; i != 2; ++i) detail::frame_pool::deallocate(detail::frame_pool::allocate(100), 100);
        return allocations - before;
    };
    use_twice();
    const std::ptrdiff_t frames = detail::frame_pool::live();
    EXPECT_EQ(use_twice(), 0u);
    {
        const detail::frame_pool::bypass outer;
        {
            const detail::frame_pool::bypass inner;
            EXPECT_EQ(use_twice(), 2u);
        }
        EXPECT_EQ(use_twice(), 2u);
        EXPECT_EQ(detail::frame_pool::live(), frames);
    }
    use_twice();
    EXPECT_EQ(use_twice(), 0u);
    EXPECT_EQ(detail::frame_pool::live(), frames);
}

}  // namespace
}  // namespace sennit::testing

#else

TEST(Allocation, NoneInSteadyState) {
    GTEST_SKIP() << "the sanitizer has an operator new and a frame pool of its own";
}

#endif
