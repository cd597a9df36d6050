// Groups of tasks: nobody outlives the scope, and which end of the group its owner sees.

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::task_group_test {

class TaskGroup : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(TaskGroup);

/// Waits for ever; writes down how it ended.
task<> wait_and_note(event& never, std::string& log, char name) {
    try {
        co_await never.wait();
    } catch (const cancelled&) {
        log += name;
        throw;
    }
}

task<> fail_after_a_turn(const char* text) {
    co_await yield();
    throw std::runtime_error(text);
}

template <class Body>
task<std::string> text_of_failure(Body body) {
    try {
        co_await body();
    } catch (const std::exception& error) {
        co_return error.what();
    }
    co_return "none";
}

TEST_P(TaskGroup, EndsWhenItsBodyAndEveryChildHaveEnded) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto child = [](std::string& log, char name, int turns) -> task<> {
                for (int i = 0; i != turns; ++i) co_await yield();
                log += name;
            };
            group.spawn(child(log, 'a', 3));
            group.spawn(child(log, 'b', 1));
            EXPECT_EQ(group.size(), 2u);
            EXPECT_EQ(log, "") << "a child starts when the one that spawns it waits";
            co_await yield();
            log += 'B';
        });
        log += '.';
    });
    EXPECT_EQ(log, "Bba.");
}

TEST_P(TaskGroup, ChildrenStartInTheOrderInWhichTheyWereSpawned) {
    std::string log;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'e'; ++name) {
                group.spawn([&log, name]() -> task<> {
                    log += name;
                    co_return;
                });
            }
            co_return;
        });
    });
    EXPECT_EQ(log, "abcde");
}

TEST_P(TaskGroup, GivesTheValueOfItsBody) {
    EXPECT_EQ(run([]() -> task<int> {
                  co_return co_await with_task_group([](task_group& group) -> task<int> {
                      group.spawn([]() -> task<> { co_await yield(); });
                      co_return 5;
                  });
              }),
              5);
    EXPECT_EQ(*run([]() -> task<std::unique_ptr<int>> {
        auto made = co_await with_task_group(
            [](task_group&) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(6); });
        co_return made;
    }),
              6);
}

TEST_P(TaskGroup, FirstExceptionEndsTheSiblingsAndIsThrownAfterThem) {
    std::string log;
    const std::string failure = run([&]() -> task<std::string> {
        co_return co_await text_of_failure([&] {
            return with_task_group([&](task_group& group) -> task<> {
                event never;
                group.spawn(wait_and_note(never, log, 'a'));
                group.spawn(fail_after_a_turn("first"));
                group.spawn(fail_after_a_turn("second"));
                co_await wait_and_note(never, log, 'B');
            });
        });
    });
    EXPECT_EQ(failure, "first");
    EXPECT_EQ(log.size(), 2u) << log;
    EXPECT_NE(log.find('a'), log.npos);
    EXPECT_NE(log.find('B'), log.npos);
}

TEST_P(TaskGroup, AnExceptionOfTheBodyEndsTheChildren) {
    std::string log;
    const std::string failure = run([&]() -> task<std::string> {
        event never;
        co_return co_await text_of_failure([&] {
            return with_task_group([&](task_group& group) -> task<> {
                group.spawn(wait_and_note(never, log, 'a'));
                co_await fail_after_a_turn("body");
            });
        });
    });
    EXPECT_EQ(failure, "body");
    EXPECT_EQ(log, "a");
}

TEST_P(TaskGroup, WhatFailsDuringTheCleanUpDoesNotReplaceTheFirstFailure) {
    const std::string failure = run([&]() -> task<std::string> {
        event never;
        co_return co_await text_of_failure([&] {
            return with_task_group([&](task_group& group) -> task<> {
                group.spawn([&never]() -> task<> {
                    bool ended = false;
                    try {
                        co_await never.wait();
                    } catch (const cancelled&) {
                        ended = true;
                    }
                    if (ended) throw std::runtime_error("while cleaning up");
                });
                group.spawn(fail_after_a_turn("cause"));
                co_return;
            });
        });
    });
    EXPECT_EQ(failure, "cause");
}

TEST_P(TaskGroup, CancellingItEndsTheChildrenAndIsNoError) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(wait_and_note(never, log, 'a'));
            group.spawn(wait_and_note(never, log, 'b'));
            co_await yield();
            EXPECT_FALSE(group.is_cancelled());
            group.cancel();
            group.cancel();
            EXPECT_TRUE(group.is_cancelled());
        });
        log += '.';
        co_await yield();  // the scope around was not cancelled
    });
    EXPECT_EQ(log, "ab.");
}

TEST_P(TaskGroup, AChildCanCancelItsGroup) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await yield();
                group.cancel();
                log += 'c';  // it goes on until it waits
                co_await wait_and_note(never, log, 'w');
            });
            co_await wait_and_note(never, log, 'B');
        });
    });
    EXPECT_EQ(log, "cwB");
}

TEST_P(TaskGroup, ExceptionsAfterACancelAreThrownAllTheSame) {
    const std::string failure = run([]() -> task<std::string> {
        co_return co_await text_of_failure([] {
            return with_task_group([](task_group& group) -> task<> {
                group.cancel();
                throw std::runtime_error("not swallowed");
                co_return;
            });
        });
    });
    EXPECT_EQ(failure, "not swallowed");
}

TEST_P(TaskGroup, CancelledBeforeItsBodyGaveAValue) {
    run([]() -> task<> {
        std::error_code error;
        try {
            co_await with_task_group([](task_group& group) -> task<int> {
                group.cancel();
                co_await yield();
                co_return 1;
            });
        } catch (const std::system_error& thrown) {
            error = thrown.code();
        }
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

TEST_P(TaskGroup, ABodyThatReturnsItsValueAfterACancelHasAResult) {
    const int value = run([]() -> task<int> {
        co_return co_await with_task_group([](task_group& group) -> task<int> {
            group.cancel();
            co_return 8;
        });
    });
    EXPECT_EQ(value, 8);
}

TEST_P(TaskGroup, WhatIsSpawnedIntoACancelledGroupEndsAtItsFirstWait) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            group.spawn([&]() -> task<> {
                log += 's';
                co_await wait_and_note(never, log, 'w');
                log += '!';
            });
            co_return;
        });
    });
    EXPECT_EQ(log, "sw");
}

TEST_P(TaskGroup, ChildrenCanSpawnWhileTheOwnerWaitsForTheEnd) {
    int ended = 0;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto child = [](task_group& group, int& ended, int depth, auto self) -> task<> {
                co_await yield();
                if (depth != 0) {
                    group.spawn(self(group, ended, depth - 1, self));
                    group.spawn(self(group, ended, depth - 1, self));
                }
                ++ended;
            };
            group.spawn(child(group, ended, 5, child));
            co_return;
        });
        EXPECT_EQ(ended, 63);
    });
}

TEST_P(TaskGroup, CancellingTheScopeAroundGoesOnToTheOwner) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& outer) -> task<> {
            outer.spawn([&]() -> task<> {
                try {
                    co_await with_task_group([&](task_group& inner) -> task<> {
                        inner.spawn(wait_and_note(never, log, 'a'));
                        co_await wait_and_note(never, log, 'B');
                    });
                    log += '!';
                } catch (const cancelled&) {
                    log += 'O';
                    throw;
                }
            });
            co_await yield();
            co_await yield();
            outer.cancel();
        });
    });
    EXPECT_EQ(log.size(), 3u) << log;
    EXPECT_EQ(log.back(), 'O') << "the owner goes on after those in the group";
}

TEST_P(TaskGroup, CancelledFromOutsideAndFromInsideCountsAsFromOutside) {
    bool outer_ended_it = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& outer) -> task<> {
            try {
                co_await with_task_group([&](task_group& inner) -> task<> {
                    inner.cancel();
                    outer.cancel();
                    co_await yield();
                });
            } catch (const cancelled&) {
                outer_ended_it = true;
                throw;
            }
        });
    });
    EXPECT_TRUE(outer_ended_it);
}

TEST_P(TaskGroup, WhenAllFinishAlthoughTheScopeAroundIsCancelledTheResultWins) {
    const int value = run([]() -> task<int> {
        int result = 0;
        co_await with_task_group([&](task_group& outer) -> task<> {
            result = co_await with_task_group([&](task_group& inner) -> task<int> {
                outer.cancel();
                inner.spawn([]() -> task<> { co_return; });
                co_return 4;
            });
        });
        co_return result;
    });
    EXPECT_EQ(value, 4);
}

}  // namespace sennit::testing::task_group_test
