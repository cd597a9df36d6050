// The loop as its owner drives it: run, single turns, several loops.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/poll.hpp>
#include <sennit/sleep.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::event_loop_test {

using namespace std::chrono_literals;

class EventLoop : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(EventLoop);

TEST_P(EventLoop, SaysWhichBackendRunsAndWhy) {
    EXPECT_EQ(loop().backend_name(), GetParam().label());
    EXPECT_NE(loop().backend_reason().find(loop().backend_name()), std::string::npos) << loop().backend_reason();
}

TEST_P(EventLoop, RunEndsWithItsTaskAndTheRootGroupGoesOnInTheNextRun) {
    int turns = 0;
    bool stop = false;
    loop().root().spawn([&]() -> task<> {
        while (!stop) {
            ++turns;
            co_await yield();
        }
    });
    run([]() -> task<> {
        for (int i = 0; i != 5; ++i) co_await yield();
    });
    const int after_first = turns;
    EXPECT_GE(after_first, 1);
    EXPECT_LT(after_first, 1000);
    run([]() -> task<> { co_await sleep_for(1ms); });
    EXPECT_GT(turns, after_first);
    stop = true;
    loop().run_once();
    EXPECT_EQ(loop().root().size(), 0u);
}

TEST_P(EventLoop, OneTurnDoesNotSleepByItself) {
    EXPECT_EQ(loop().next_deadline(), no_deadline);
    loop().run_once();
    loop().root().spawn([]() -> task<> { co_await sleep_for(1h); });
    EXPECT_EQ(loop().next_deadline(), time_point::min()) << "a task is ready to start";
    loop().run_once();
    const time_point next = loop().next_deadline();
    EXPECT_GT(next, loop().now()) << "nothing to do but to wait";
    EXPECT_LE(next, loop().now() + 1h) << "never later than the timer";
    loop().run_once();
    loop().root().cancel();
    EXPECT_EQ(loop().next_deadline(), time_point::min());
    while (loop().root().size() != 0) loop().run_once();
}

TEST_P(EventLoop, OneTurnSleepsUntilTheMomentItIsGivenAtTheMost) {
    const time_point latest = loop().now() + 2ms;
    while (loop().now() < latest) loop().run_once(latest);
    EXPECT_GE(loop().now(), latest);
}

TEST_P(EventLoop, OneTurnDoesNotSleepWhileSomethingIsReady) {
    bool busy = true;
    loop().root().spawn([&]() -> task<> {
        while (busy) co_await yield();
    });
    const time_point far = loop().now() + 1h;
    for (int i = 0; i != 5; ++i) loop().run_once(far);
    EXPECT_LT(loop().now(), far);
    busy = false;
    loop().run_once();
}

TEST_P(EventLoop, TurnsWithoutALimitSleepUntilATimerAndComeBackWhenItHasDoneItsWork) {
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        co_await sleep_for(2ms);
        done = true;
    });
    const time_point start = loop().now();
    while (!done) loop().run_once(no_deadline);
    EXPECT_GE(loop().now() - start, 2ms);
    done = false;
    loop().post([&] { done = true; });
    while (!done) loop().run_once(no_deadline);
}

TEST_P(EventLoop, ManyLoopsInManyThreads) {
    SENNIT_NEEDS_KERNEL("another thread has no place in it");
    // Each thread has its own; nothing is shared, so none disturbs another.
    const auto work = [](backend_kind kind, long& total) {
        event_loop own(event_loop_options{kind});
        const auto body = [](long& total) -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                for (int i = 0; i != 100; ++i) {
                    group.spawn([&total, i]() -> task<> {
                        co_await sleep_for(std::chrono::microseconds(i));
                        total += i;
                    });
                }
                co_return;
            });
        };
        own.run(body(total));
    };
    long totals[4] = {};
    std::vector<std::thread> threads;
    for (long& total : totals) threads.emplace_back(work, GetParam(), std::ref(total));
    for (std::thread& each : threads) each.join();
    for (const long total : totals) EXPECT_EQ(total, 4950);
}

TEST_P(EventLoop, TheRequestToStopReachesAllAndIsDrainedWhenTheLastGuardEnds) {
    std::string log;
    run([&]() -> task<> {
        stop_state& stop = loop().stop();
        co_await stop.drained();  // nobody drains
        EXPECT_FALSE(stop.requested());
        co_await with_task_group([&](task_group& group) -> task<> {
            for (const char name : {'a', 'b'}) {
                group.spawn([&stop, &log, name]() -> task<> {
                    const stop_state::drain_guard busy(stop);
                    co_await stop.requested_event();
                    for (char i = 'a'; i <= name; ++i) co_await yield();
                    log += name;
                });
            }
            co_await yield();
            EXPECT_EQ(log, "");
            stop.request();
            stop.request();
            EXPECT_TRUE(stop.requested());
            co_await stop.drained();
            log += 'd';
        });
        co_await stop.requested_event();
    });
    EXPECT_EQ(log, "abd");
}

}  // namespace sennit::testing::event_loop_test
