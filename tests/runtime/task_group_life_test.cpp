// What groups keep, and for how long: functions, arguments and frames; and the root group, which belongs to the loop.

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/on_backends.hpp"
#include "support/tracked.hpp"

#include <sennit/event.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::task_group_life_test {

class TaskGroupLife : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(TaskGroupLife);

TEST_P(TaskGroupLife, KeepsAFunctionAndItsArgumentsUntilTheirTaskHasEnded) {
    tracked::reset();
    run([&]() -> task<> {
        int seen = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            {
                const tracked captured(3);
                group.spawn(
                    [captured, &seen](tracked& argument, const std::string& text) -> task<> {
                        co_await yield();
                        co_await yield();
                        seen = captured.value + argument.value + static_cast<int>(text.size());
                    },
                    tracked(4), std::string(100, 'x'));
            }
            co_await yield();
            EXPECT_EQ(tracked::living(), 2u);
        });
        EXPECT_EQ(seen, 107);
        EXPECT_EQ(tracked::living(), 0u) << "they end before the owner of the group goes on";
    });
    EXPECT_EQ(tracked::counts().wrong_ends, 0u);
}

TEST_P(TaskGroupLife, TakesFunctionsOfEveryKind) {
    int calls = 0;
    run([&]() -> task<> {
        struct counter {
            int* calls;
            task<> operator()(int by) {
                *calls += by;
                co_return;
            }
            task<> member(int by) { return (*this)(by); }
        };
        counter named{&calls};
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(named, 1);
            group.spawn(&counter::member, named, 10);
            group.spawn(
                +[](int* total) -> task<> {
                    *total += 100;
                    co_return;
                },
                &calls);
            group.spawn([owned = std::make_unique<int>(1000), &calls]() -> task<> {
                calls += *owned;
                co_return;
            });
            co_return;
        });
    });
    EXPECT_EQ(calls, 1111);
}

TEST_P(TaskGroupLife, FramesOfChildrenAreGoneBeforeTheOwnerGoesOn) {
    tracked::reset();
    run([]() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            const auto child = [](tracked, int turns) -> task<> {
                for (int i = 0; i != turns; ++i) co_await yield();
            };
            for (int i = 0; i != 10; ++i) group.spawn(child(tracked(i), i));
            co_return;
        });
        EXPECT_EQ(tracked::living(), 0u);
    });
    EXPECT_EQ(tracked::counts().wrong_ends, 0u);
}

TEST_P(TaskGroupLife, RootGroupOutlivesTheScopeThatSpawns) {
    event go;
    bool ended = false;
    run([&]() -> task<> {
        event_loop& loop = co_await current_loop();
        loop.root().spawn([&]() -> task<> {
            co_await go.wait();
            ended = true;
        });
        co_await yield();
    });
    EXPECT_FALSE(ended);
    EXPECT_EQ(loop().root().size(), 1u);
    run([&]() -> task<> {
        go.set();
        co_await yield();
        co_await yield();
    });
    EXPECT_TRUE(ended);
    EXPECT_EQ(loop().root().size(), 0u);
}

TEST_P(TaskGroupLife, RootGroupReportsWhatIsThrownAndTheOthersGoOn) {
    bool other_ended = false;
    ::testing::internal::CaptureStderr();
    run([&]() -> task<> {
        task_group& root = loop().root();
        root.spawn([]() -> task<> {
            co_await yield();
            throw std::runtime_error("out of a background task");
        });
        root.spawn([&]() -> task<> {
            for (int i = 0; i != 5; ++i) co_await yield();
            other_ended = true;
        });
        for (int i = 0; i != 10; ++i) co_await yield();
    });
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "sennit: a background task failed: out of a background task\n");
    EXPECT_TRUE(other_ended);
    EXPECT_FALSE(loop().root().is_cancelled());
}

TEST_P(TaskGroupLife, TheEndOfTheLoopCancelsTheRootGroupAndWaitsForIt) {
    SENNIT_NEEDS_KERNEL("it makes a loop of its own");
    std::string log;
    {
        event_loop short_lived(event_loop_options{GetParam()});
        short_lived.root().spawn([&]() -> task<> {
            event never;
            try {
                co_await never.wait();
            } catch (const cancelled&) {
                log += 'c';
                throw;
            }
        });
        // This one is never given a turn before the loop ends.
        short_lived.run_once();
        short_lived.root().spawn([&]() -> task<> {
            log += 's';
            co_await yield();
            log += '!';
        });
    }
    EXPECT_EQ(log.size(), 2u) << log;
    EXPECT_NE(log.find('c'), log.npos);
    EXPECT_NE(log.find('s'), log.npos);
}

TEST_P(TaskGroupLife, ManyChildrenThatFailTogetherGiveOneException) {
    int caught = 0;
    run([&]() -> task<> {
        try {
            co_await with_task_group([](task_group& group) -> task<> {
                for (int i = 0; i != 1000; ++i) {
                    group.spawn([i]() -> task<> {
                        co_await yield();
                        throw i;
                    });
                }
                co_return;
            });
        } catch (const int number) {
            ++caught;
            EXPECT_EQ(number, 0) << "the first of them";
        }
    });
    EXPECT_EQ(caught, 1);
}

}  // namespace sennit::testing::task_group_life_test
