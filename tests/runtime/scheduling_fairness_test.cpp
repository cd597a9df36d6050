// Nobody starves: not the timers, not the descriptors, not other threads and not the other tasks, however busy some
// task is.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/manual_backend.hpp"
#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/poll.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::scheduling_fairness_test {

using namespace std::chrono_literals;

class Fairness : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(Fairness);
class FairnessInTurns : public OnVirtualTime {
  protected:
    /// Computes so often for so long, and yields each time.
    task<> yield_often(int yields, duration each) {
        for (int i = 0; i != yields; ++i) {
            world().spend(each);
            co_await yield();
        }
    }
};

task<> busy_until(const bool& done) {
    while (!done) co_await yield();
}

void spawn_crowd(task_group& group, const bool& done) {
    for (int i = 0; i != 1000; ++i) group.spawn(busy_until(done));
}

TEST_P(Fairness, ACrowdThatOnlyYieldsDoesNotHoldUpTimers) {
    bool done = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            spawn_crowd(group, done);
            for (int i = 0; i != 5; ++i) co_await sleep_for(1ms);
            done = true;
        });
    });
    EXPECT_TRUE(done);
}

TEST_P(Fairness, ATaskThatYieldsThoughNobodyElseIsReadyDoesNotHoldUpTimers) {
    bool done = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(busy_until(done));
            for (int i = 0; i != 5; ++i) co_await sleep_for(1ms);
            done = true;
        });
    });
    EXPECT_TRUE(done);
}

TEST_P(Fairness, ACrowdThatOnlyYieldsDoesNotHoldUpDescriptors) {
    SENNIT_NEEDS_KERNEL("a pipe has no place in it");
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    bool done = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            spawn_crowd(group, done);
            group.spawn([&]() -> task<> {
                static_cast<void>(co_await wait_readable(ends[0]));
                done = true;
            });
            for (int i = 0; i != 3; ++i) co_await yield();
            EXPECT_EQ(::write(ends[1], "x", 1), 1);
        });
    });
    EXPECT_TRUE(done);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_P(Fairness, ACrowdThatOnlyYieldsDoesNotHoldUpPosts) {
    SENNIT_NEEDS_KERNEL("another thread has no place in it");
    bool done = false;
    std::thread sender;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            spawn_crowd(group, done);
            sender = std::thread([&] { loop().post([&] { done = true; }); });
            co_return;
        });
    });
    sender.join();
    EXPECT_TRUE(done);
}

TEST_P(Fairness, TimersThatAreAlwaysDueHoldUpNobody) {
    bool done = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                while (!done) co_await sleep_for(0s);
            });
            co_await sleep_for(2ms);
            done = true;
        });
    });
    EXPECT_TRUE(done);
}

TEST_P(Fairness, APostThatPostsItselfHoldsUpNobody) {
    bool done = false;
    int rounds = 0;
    std::function<void()> again = [&] {
        ++rounds;
        if (!done) loop().post(again);
    };
    loop().post(again);
    run([&]() -> task<> {
        co_await sleep_for(1ms);
        done = true;
    });
    loop().run_once();
    EXPECT_GT(rounds, 1);
}

TEST_P(Fairness, TasksThatAreReadyTakeTurns) {
    std::vector<int> counts(10, 0);
    bool close_together = true;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int& count : counts) {
                group.spawn([&]() -> task<> {
                    for (int i = 0; i != 2000; ++i) {
                        ++count;
                        const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
                        close_together = close_together && *most - *least <= 1;
                        co_await yield();
                    }
                });
            }
            co_return;
        });
    });
    EXPECT_TRUE(close_together);
}

TEST_F(FairnessInTurns, WhoIsReadyFirstGoesFirstWhateverMadeItReady) {
    std::string log;
    run([&]() -> task<> {
        event first;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await first.wait();
                log += 'e';
            });
            group.spawn([&]() -> task<> {
                static_cast<void>(co_await wait_readable(3));
                log += 'd';
            });
            group.spawn([&]() -> task<> {
                co_await sleep_for(1s);
                log += 't';
            });
            co_await yield();
            group.spawn([&]() -> task<> {
                log += 's';
                co_return;
            });
            first.set();
            co_await yield();
            EXPECT_EQ(log, "se");
            world().make_ready(3, 1);
            co_await sleep_for(1ns);
            EXPECT_EQ(log, "sed");
        });
    });
    EXPECT_EQ(log, "sedt");
}

TEST_F(FairnessInTurns, TheBackendIsAskedBetweenALimitedNumberOfResumptions) {
    // The poll becomes ready in the first turn; whoever is busy sees it after so many turns of its own.
    bool done = false;
    int turns = 0;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                static_cast<void>(co_await wait_readable(3));
                done = true;
            });
            co_await yield();
            world().make_ready(3, 1);
            while (!done) {
                ++turns;
                co_await yield();
            }
        });
    });
    EXPECT_LE(turns, 300);
}

TEST_F(FairnessInTurns, ATaskThatComputesBetweenItsYieldsHoldsUpDescriptorsForNoLongerThanItComputes) {
    bool done = false;
    int late = 0;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                static_cast<void>(co_await wait_readable(3));
                done = true;
            });
            co_await yield_often(200, 1ms);
            world().make_ready(3, 1);
            for (; !done && late != 1000; ++late) co_await yield_often(1, 1ms);
        });
    });
    EXPECT_LE(late, 2);
}

TEST_F(FairnessInTurns, TasksThatDoLittleBetweenTheirYieldsHaveTheBackendAskedSeldom) {
    constexpr int yields = 100'000;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 2; ++i) group.spawn(yield_often(yields / 2, 100ns));
            co_return;
        });
    });
    EXPECT_LE(world().waits(), yields / 500);
}

TEST_F(FairnessInTurns, ThePaceOfATurnIsLearnedAnew) {
    run([&]() -> task<> {
        co_await yield_often(100, 10ms);
        const std::size_t before = world().waits();
        co_await yield_often(100'000, 100ns);
        EXPECT_LE(world().waits() - before, 200u);
    });
}

TEST_F(FairnessInTurns, TasksThatAreReadyTogetherShareATurnAgainWhenNobodyComputesAnyMore) {
    constexpr std::size_t rounds = 50;
    std::size_t before = 0;
    const auto sleep_often = [&]() -> task<> {
        for (std::size_t i = 0; i != rounds; ++i) co_await sleep_for(10s);
    };
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(sleep_often());
            group.spawn(sleep_often());
            co_await yield_often(100, 10ms);
            before = world().waits();
        });
    });
    EXPECT_LE(world().waits() - before, rounds + 5);
}

}  // namespace sennit::testing::scheduling_fairness_test
