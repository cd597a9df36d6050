// The stack stays flat however often and however deep coroutines call each other, in every build: the compilers turn
// the transfer between coroutines into a jump in some builds only, and the library must make up for the others.

#include <gtest/gtest.h>

#include <stdexcept>

#include "support/on_backends.hpp"
#include "support/sanitized.hpp"

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::stack_depth_test {

using namespace std::chrono_literals;

constexpr int million = is_sanitized ? 100'000 : 1'000'000;
constexpr int deep = is_sanitized ? 20'000 : 100'000;

class StackDepth : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(StackDepth);

task<int> ready(int n) {
    co_return n;
}

TEST_P(StackDepth, AMillionReadyTasksInALoop) {
    run([]() -> task<> {
        long sum = 0;
        for (int i = 0; i != million; ++i) sum += co_await ready(i);
        EXPECT_EQ(sum, (million - 1L) * million / 2);
    });
}

TEST_P(StackDepth, AMillionYields) {
    run([]() -> task<> {
        for (int i = 0; i != million; ++i) co_await yield();
    });
}

TEST_P(StackDepth, AMillionWaitsThatNeedNotWait) {
    run([]() -> task<> {
        mutex free;
        event set;
        set.set();
        channel<int> numbers(1);
        for (int i = 0; i != million / 4; ++i) {
            co_await set.wait();
            const auto lock = co_await free.lock();
            co_await numbers.send(i);
            static_cast<void>(co_await numbers.recv());
        }
    });
}

TEST_P(StackDepth, AMillionCancelledWaits) {
    run([]() -> task<> {
        int cancels = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            event never;
            group.cancel();
            for (int i = 0; i != million / 10; ++i) {
                try {
                    co_await never.wait();
                } catch (const cancelled&) {
                    ++cancels;
                }
            }
        });
        EXPECT_EQ(cancels, million / 10);
    });
}

TEST_P(StackDepth, AMillionSpawnedTasks) {
    int ended = 0;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto child = [](int& counter) -> task<> {
                ++counter;
                co_return;
            };
            for (int i = 0; i != million; ++i) {
                group.spawn(child(ended));
                if (i % 1000 == 0) co_await yield();
            }
        });
    });
    EXPECT_EQ(ended, million);
}

task<int> chain(int depth) {
    if (depth == 0) {
        co_await yield();
        co_return 0;
    }
    const int below = co_await chain(depth - 1);
    co_return below + 1;
}

TEST_P(StackDepth, ADeepChainOfTasks) {
    EXPECT_EQ(run([] { return chain(deep); }), deep);
}

task<int> failing_chain(int depth) {
    if (depth == 0) throw std::runtime_error("at the bottom");
    const int below = co_await failing_chain(depth - 1);
    co_return below;
}

TEST_P(StackDepth, AnExceptionOutOfADeepChain) {
    EXPECT_THROW(run([] { return failing_chain(deep); }), std::runtime_error);
}

task<> nested_scopes(int depth, event& bottom) {
    if (depth == 0) {
        bottom.set();
        co_await sleep_for(1h);
        co_return;
    }
    co_await with_timeout(1h, nested_scopes(depth - 1, bottom));
}

TEST_P(StackDepth, CancellingADeepNestOfScopes) {
    run([]() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            event bottom;
            group.spawn(nested_scopes(deep, bottom));
            co_await bottom.wait();
            group.cancel();
        });
    });
}

}  // namespace sennit::testing::stack_depth_test
