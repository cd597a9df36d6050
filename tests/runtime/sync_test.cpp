// Events, mutexes and semaphores: who goes on, in which order, and that no cancel loses or doubles what is handed over.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::sync_test {

using namespace std::chrono_literals;

class Event : public OnBackends {};
class Mutex : public OnBackends {};
class Semaphore : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(Event);
SENNIT_ON_ALL_BACKENDS(Mutex);
SENNIT_ON_ALL_BACKENDS(Semaphore);

task<> turns(int count) {
    for (int i = 0; i != count; ++i) co_await yield();
}

task<> wait_and_note(event& target, std::string& log, char name) {
    co_await target.wait();
    log += name;
}

TEST_P(Event, WakesAllWhoWaitInTheOrderOfTheirComing) {
    std::string log;
    run([&]() -> task<> {
        event happens;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'e'; ++name) group.spawn(wait_and_note(happens, log, name));
            co_await turns(2);
            EXPECT_EQ(log, "");
            happens.set();
            EXPECT_EQ(log, "") << "nobody is resumed inside set()";
            co_await turns(1);
            EXPECT_EQ(log, "abcde");
        });
    });
}

TEST_P(Event, StaysSetUntilItIsReset) {
    run([]() -> task<> {
        event happens;
        happens.set();
        happens.set();
        EXPECT_TRUE(happens.is_set());
        co_await happens.wait();
        co_await happens.wait();
        happens.reset();
        EXPECT_FALSE(happens.is_set());
        const bool set = co_await move_on_after(1ms, happens.wait());
        EXPECT_FALSE(set);
    });
}

TEST_P(Event, ThoseWokenGoOnAlthoughItWasResetMeanwhile) {
    std::string log;
    run([&]() -> task<> {
        event happens;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(wait_and_note(happens, log, 'a'));
            co_await turns(1);
            happens.set();
            happens.reset();
            group.spawn(wait_and_note(happens, log, 'b'));
            co_await turns(3);
            EXPECT_EQ(log, "a");
            happens.set();
        });
    });
    EXPECT_EQ(log, "ab");
}

TEST_P(Event, ACancelledWaitLeavesTheOthersWaiting) {
    std::string log;
    run([&]() -> task<> {
        event happens;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(wait_and_note(happens, log, 'a'));
            co_await with_task_group([&](task_group& cancelled_ones) -> task<> {
                cancelled_ones.spawn(wait_and_note(happens, log, 'x'));
                group.spawn(wait_and_note(happens, log, 'b'));
                co_await turns(2);
                cancelled_ones.cancel();
            });
            EXPECT_FALSE(happens.is_set());
            happens.set();
        });
    });
    EXPECT_EQ(log, "ab");
}

TEST_P(Mutex, OneAtATimeInTheOrderOfTheirComing) {
    std::string log;
    run([&]() -> task<> {
        mutex door;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'd'; ++name) {
                group.spawn([&door, &log, name]() -> task<> {
                    const auto lock = co_await door.lock();
                    log += name;
                    co_await turns(3);
                    log += name;
                });
            }
            co_return;
        });
        EXPECT_FALSE(door.is_locked());
    });
    EXPECT_EQ(log, "aabbccdd");
}

TEST_P(Mutex, WhoUnlocksAndLocksAgainStandsAtTheEndOfTheLine) {
    std::string log;
    run([&]() -> task<> {
        mutex door;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'c'; ++name) {
                group.spawn([&door, &log, name]() -> task<> {
                    for (int i = 0; i != 3; ++i) {
                        const auto lock = co_await door.lock();
                        log += name;
                        co_await yield();
                    }
                });
            }
            co_return;
        });
    });
    EXPECT_EQ(log, "abcabcabc");
}

TEST_P(Mutex, TryLockTakesItOnlyWhenItIsFreeAndAnEmptyLockHoldsNothing) {
    mutex door;
    auto first = door.try_lock();
    EXPECT_TRUE(first && door.is_locked());
    auto second = door.try_lock();
    EXPECT_FALSE(second);
    second.unlock();
    EXPECT_TRUE(door.is_locked());
    second = std::move(first);
    EXPECT_TRUE(second && !first && door.is_locked());
    second.unlock();
    second.unlock();
    EXPECT_FALSE(door.is_locked());
    mutex other;
    auto swapped = other.try_lock();
    swapped = door.try_lock();
    EXPECT_TRUE(door.is_locked() && !other.is_locked()) << "what it held before is unlocked";
}

TEST_P(Mutex, NobodySlipsInBetweenTheOneWhoUnlocksAndTheOneWhoIsNext) {
    std::string log;
    run([&]() -> task<> {
        mutex door;
        co_await with_task_group([&](task_group& group) -> task<> {
            auto held = door.try_lock();
            group.spawn([&]() -> task<> {
                const auto lock = co_await door.lock();
                log += 'n';
            });
            co_await turns(1);
            held.unlock();
            EXPECT_TRUE(door.is_locked()) << "it is the next one's already";
            EXPECT_FALSE(door.try_lock());
            co_await turns(2);
            EXPECT_FALSE(door.is_locked());
        });
    });
    EXPECT_EQ(log, "n");
}

TEST_P(Mutex, ACancelledWaiterIsPassedOver) {
    std::string log;
    run([&]() -> task<> {
        mutex door;
        co_await with_task_group([&](task_group& group) -> task<> {
            auto held = door.try_lock();
            const auto enter = [](mutex& door, std::string& log, char name) -> task<> {
                const auto lock = co_await door.lock();
                log += name;
            };
            group.spawn(enter(door, log, 'a'));
            co_await turns(1);
            co_await with_task_group([&](task_group& impatient) -> task<> {
                impatient.spawn(enter(door, log, 'x'));
                co_await turns(1);
                group.spawn(enter(door, log, 'b'));
                co_await turns(1);
                impatient.cancel();
            });
            held.unlock();
        });
        EXPECT_FALSE(door.is_locked());
    });
    EXPECT_EQ(log, "ab");
}

TEST_P(Mutex, CancelledWhenItWasJustHandedOverItIsGotAndUnlockedOnTheWayOut) {
    std::string log;
    run([&]() -> task<> {
        mutex door;
        co_await with_task_group([&](task_group& group) -> task<> {
            auto held = door.try_lock();
            group.spawn([&]() -> task<> {
                const auto lock = co_await door.lock();
                log += 'g';
                co_await yield();
                log += '!';
            });
            co_await turns(1);
            held.unlock();
            group.cancel();
        });
        EXPECT_EQ(log, "g");
        EXPECT_FALSE(door.is_locked());
    });
}

TEST_P(Semaphore, LetsInAsManyAsThereArePermits) {
    run([]() -> task<> {
        semaphore permits(3);
        int inside = 0;
        int most = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 20; ++i) {
                group.spawn([&]() -> task<> {
                    co_await permits.acquire();
                    most = std::max(most, ++inside);
                    co_await turns(3);
                    --inside;
                    permits.release();
                });
            }
            co_return;
        });
        EXPECT_EQ(most, 3);
        EXPECT_EQ(permits.available(), 3u);
    });
}

TEST_P(Semaphore, PermitsGoToWhoHasWaitedLongest) {
    std::string log;
    run([&]() -> task<> {
        semaphore permits(0);
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'e'; ++name) {
                group.spawn([&permits, &log, name]() -> task<> {
                    co_await permits.acquire();
                    log += name;
                });
            }
            co_await turns(1);
            permits.release(2);
            EXPECT_EQ(permits.available(), 0u);
            EXPECT_FALSE(permits.try_acquire()) << "they belong to those who wait";
            co_await turns(1);
            EXPECT_EQ(log, "ab");
            permits.release(5);
            EXPECT_EQ(permits.available(), 2u);
        });
        EXPECT_EQ(log, "abcde");
        EXPECT_TRUE(permits.try_acquire() && permits.try_acquire());
        EXPECT_FALSE(permits.try_acquire());
    });
}

TEST_P(Semaphore, CancelledWaitsTakeNothingAndPermitsHandedOverAreTaken) {
    run([]() -> task<> {
        semaphore permits(0);
        int taken = 0;
        const auto take = [](semaphore& permits, int& taken) -> task<> {
            co_await permits.acquire();
            ++taken;
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 3; ++i) group.spawn(take(permits, taken));
            co_await turns(1);
            permits.release(2);
            group.cancel();
        });
        EXPECT_EQ(taken, 2);
        EXPECT_EQ(permits.available(), 0u);
        permits.release();
        EXPECT_EQ(permits.available(), 1u);
    });
}

}  // namespace sennit::testing::sync_test
