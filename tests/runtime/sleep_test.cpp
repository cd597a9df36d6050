// Sleeping: who wakes in which order, and that a million sleepers are no trouble. On made-up time.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/manual_backend.hpp"
#include "support/on_backends.hpp"
#include "support/sanitized.hpp"

#include <sennit/event.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::sleep_test {

using namespace std::chrono_literals;

class Sleep : public OnVirtualTime {};
class RealSleep : public OnKernelBackends {
  protected:
    RealSleep() : OnKernelBackends("it compares with the clock of the machine") {}
};
SENNIT_ON_ALL_BACKENDS(RealSleep);

task<> sleep_and_note(duration time, std::string& log, char name) {
    co_await sleep_for(time);
    log += name;
}

TEST_F(Sleep, SleepersWakeInTheOrderOfTheirDeadlines) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(sleep_and_note(3s, log, 'c'));
            group.spawn(sleep_and_note(1ns, log, 'a'));
            group.spawn(sleep_and_note(1h, log, 'd'));
            group.spawn(sleep_and_note(2ns, log, 'b'));
            co_return;
        });
    });
    EXPECT_EQ(log, "abcd");
    EXPECT_EQ(elapsed(), 1h);
}

TEST_F(Sleep, ThoseWithTheSameDeadlineWakeInTheOrderInWhichTheyWentToSleep) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'z'; ++name) group.spawn(sleep_and_note(5s, log, name));
            co_return;
        });
    });
    EXPECT_EQ(log, "abcdefghijklmnopqrstuvwxyz");
}

TEST_F(Sleep, ZeroAndLessGiveTheOthersATurn) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(sleep_and_note(0s, log, '0'));
            group.spawn(sleep_and_note(-1h, log, '-'));
            group.spawn(sleep_and_note(duration::min(), log, 'm'));
            group.spawn([&]() -> task<> {
                log += 'o';
                co_return;
            });
            co_await sleep_until(loop().now() - 5s);
            log += 'B';
        });
    });
    EXPECT_EQ(log.size(), 5u);
    EXPECT_EQ(log.front(), 'o') << log;
    EXPECT_EQ(elapsed(), 0s);
}

TEST_F(Sleep, IsCountedFromTheAwait) {
    run([this]() -> task<> {
        auto nap = sleep_for(2s);
        co_await sleep_for(5s);
        co_await std::move(nap);
        EXPECT_EQ(elapsed(), 7s);
        world().spend(1s);
        co_await sleep_for(2s);
        EXPECT_EQ(elapsed(), 10s) << "the clock is read when the sleep begins";
        co_await sleep_until(loop().now() + 4s);
        EXPECT_EQ(elapsed(), 14s);
    });
}

TEST_F(Sleep, ForEverEndsByCancelOnly) {
    run([this]() -> task<> {
        int ended = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto for_ever = [](int& ended) -> task<> {
                try {
                    co_await sleep_until(no_deadline);
                } catch (const cancelled&) {
                    ++ended;
                }
            };
            group.spawn(for_ever(ended));
            co_await sleep_for(std::chrono::hours(24 * 365 * 100));
            EXPECT_EQ(ended, 0);
            group.cancel();
        });
        EXPECT_EQ(ended, 1);
        EXPECT_EQ(elapsed(), std::chrono::hours(24 * 365 * 100));
    });
}

TEST_F(Sleep, ASleeperThatIsDueWhenTheCancelComesHasSlept) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await sleep_for(1s);
                group.cancel();
                log += 'c';
            });
            group.spawn(sleep_and_note(1s, log, 'd'));
            group.spawn(sleep_and_note(1s + 1ns, log, '!'));
            co_return;
        });
    });
    EXPECT_EQ(log, "cd");
    EXPECT_EQ(elapsed(), 1s);
}

TEST_F(Sleep, AMillionSleepersWakeInOrderAndTheCancelledOnesAtOnce) {
    constexpr int sleepers = is_sanitized ? 100'000 : 1'000'000;
    std::mt19937_64 random(4711);
    std::int64_t woken = 0;
    std::int64_t ended = 0;
    bool in_order = true;
    time_point latest{};
    run([&]() -> task<> {
        const auto sleeper = [&](time_point until) -> task<> {
            co_await sleep_until(until);
            in_order = in_order && latest <= until && loop().now() == until;
            latest = until;
            ++woken;
        };
        const auto gives_up = [&](time_point until) -> task<> {
            try {
                co_await sleep_until(until);
            } catch (const cancelled&) {
                ++ended;
            }
        };
        co_await with_task_group([&](task_group& patient) -> task<> {
            co_await with_task_group([&](task_group& hasty) -> task<> {
                for (int i = 0; i != sleepers; ++i) {
                    // All orders of magnitude, from nanoseconds to years.
                    const auto time = static_cast<duration::rep>(random() >> (8 + random() % 48));
                    const time_point until = loop().now() + 1s + duration(time);
                    i % 8 != 0 ? patient.spawn(sleeper(until)) : hasty.spawn(gives_up(until));
                }
                co_await sleep_for(1ns);
                hasty.cancel();
            });
            EXPECT_EQ(ended, sleepers / 8);
            EXPECT_EQ(woken, 0);
        });
    });
    EXPECT_EQ(woken, sleepers / 8 * 7);
    EXPECT_TRUE(in_order);
    EXPECT_EQ(loop().next_deadline(), no_deadline);
}

TEST_P(RealSleep, LastsAtLeastAsLongAsAsked) {
    run([this]() -> task<> {
        for (const duration time : {duration(1ns), duration(100us), duration(1ms), duration(2ms)}) {
            const time_point start = loop().now();
            co_await sleep_for(time);
            EXPECT_GE(loop().now() - start, time);
        }
    });
}

TEST_P(RealSleep, TheOrderIsThatOfTheDeadlines) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            const time_point start = loop().now();
            for (const char name : {'c', 'a', 'e', 'b', 'd'}) {
                group.spawn([&log, name, start]() -> task<> {
                    co_await sleep_until(start + (name - 'a') * 1ms);
                    log += name;
                });
            }
            co_return;
        });
    });
    EXPECT_EQ(log, "abcde");
}

}  // namespace sennit::testing::sleep_test
