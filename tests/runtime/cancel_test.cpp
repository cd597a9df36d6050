// Cancellation: a request that stays in force, reaches everything under a scope and nothing else, and never undoes
// what was complete.

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <exception>
#include <regex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

#include "support/manual_backend.hpp"
#include "support/on_backends.hpp"

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/poll.hpp>
#include <sennit/result.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::cancel_test {

using namespace std::chrono_literals;

class Cancel : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(Cancel);

class CancelledOperation : public OnVirtualTime {};

static_assert(!std::is_base_of_v<std::exception, cancelled>, "a handler of errors must not swallow the end");

/// Whether awaiting it ended by cancellation.
template <class Awaitable>
task<bool> is_cancelled(Awaitable awaitable) {
    try {
        static_cast<void>(co_await std::move(awaitable));
    } catch (const cancelled&) {
        co_return true;
    }
    co_return false;
}

TEST(CancelScope, ReachesWhatIsUnderItAndNothingElse) {
    cancel_scope top;
    cancel_scope left(top);
    cancel_scope right(top);
    cancel_scope below(left);
    left.cancel();
    EXPECT_TRUE(left.is_cancelled() && below.is_cancelled());
    EXPECT_FALSE(top.is_cancelled() || right.is_cancelled());
    const cancel_scope late(left);
    EXPECT_TRUE(late.is_cancelled()) << "it starts out cancelled";
    cancel_scope elsewhere;
    cancel_scope attached;
    elsewhere.cancel();
    attached.attach(elsewhere);
    EXPECT_TRUE(attached.is_cancelled());
    top.cancel();
    EXPECT_TRUE(top.is_cancelled() && right.is_cancelled());
}

TEST(CancelScope, AScopeThatEndedIsForgotten) {
    cancel_scope top;
    cancel_scope stays(top);
    {
        cancel_scope passes(top);
        cancel_scope below(passes);
    }
    top.cancel();
    EXPECT_TRUE(stays.is_cancelled());
    EXPECT_EQ(stays.parent(), &top);
}

TEST_P(Cancel, TheTokenTellsCodeThatComputes) {
    run([]() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            const cancel_token token = co_await current_cancel_token();
            EXPECT_FALSE(token.cancelled());
            token.throw_if_cancelled();
            group.cancel();
            EXPECT_TRUE(token.cancelled());
            EXPECT_THROW(token.throw_if_cancelled(), cancelled);
        });
    });
}

TEST_P(Cancel, StaysInForceForEveryLaterWait) {
    int cancels = 0;
    run([&]() -> task<> {
        event never;
        mutex held;
        const auto lock = held.try_lock();
        semaphore none(0);
        channel<int> nobody(0);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            cancels += co_await is_cancelled(never.wait());
            cancels += co_await is_cancelled(held.lock());
            cancels += co_await is_cancelled(none.acquire());
            cancels += co_await is_cancelled(nobody.send(1));
            cancels += co_await is_cancelled(nobody.recv());
            cancels += co_await is_cancelled(sleep_for(1h));
            cancels += co_await is_cancelled(sleep_for(0s));
            cancels += co_await is_cancelled(yield());
            cancels += co_await is_cancelled(wait_readable(STDIN_FILENO));
            cancels += co_await is_cancelled(never.wait());
        });
    });
    EXPECT_EQ(cancels, 10);
}

TEST_P(Cancel, WhatNeedsNoWaitIsStillGiven) {
    run([]() -> task<> {
        event set;
        set.set();
        mutex free;
        semaphore one(1);
        channel<int> numbers(1);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            co_await set.wait();
            const auto lock = co_await free.lock();
            EXPECT_TRUE(lock);
            co_await one.acquire();
            co_await numbers.send(5);
            const auto number = co_await numbers.recv();
            EXPECT_EQ(number, 5);
        });
    });
}

TEST_P(Cancel, WhatWasCompleteBeforeKeepsItsResult) {
    run([]() -> task<> {
        event happens;
        bool was_cancelled = true;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { was_cancelled = co_await is_cancelled(happens.wait()); });
            co_await yield();
            happens.set();
            group.cancel();
        });
        EXPECT_FALSE(was_cancelled);
    });
}

TEST_P(Cancel, OneChildAlone) {
    std::string log;
    run([&]() -> task<> {
        event never;
        event go;
        co_await with_task_group([&](task_group& all) -> task<> {
            task_group* one = nullptr;
            all.spawn([&]() -> task<> {
                co_await with_task_group([&](task_group& own) -> task<> {
                    one = &own;
                    co_await never.wait();
                });
                log += 'c';
            });
            all.spawn([&]() -> task<> {
                co_await go.wait();
                log += 'g';
            });
            co_await yield();
            co_await yield();
            one->cancel();
            co_await yield();
            co_await yield();
            co_await yield();
            EXPECT_EQ(log, "c");
            go.set();
        });
    });
    EXPECT_EQ(log, "cg");
}

TEST_P(Cancel, AHandlerOfErrorsDoesNotSwallowIt) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (;;) {
                    try {
                        co_await never.wait();
                    } catch (const std::exception&) {
                        log += 'e';
                    }
                }
            });
            co_await yield();
            group.cancel();
        });
    });
    EXPECT_EQ(log, "");
}

TEST_P(Cancel, ShieldedWorkIsFinishedAndTheNextWaitThrows) {
    std::string log;
    run([&]() -> task<> {
        event goes_on;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto work = [](event& goes_on, std::string& log) -> task<int> {
                    co_await goes_on.wait();
                    co_await yield();
                    log += 'w';
                    co_return 3;
                };
                const int result = co_await shield(work(goes_on, log));
                EXPECT_EQ(result, 3);
                const bool ended = co_await is_cancelled(yield());
                log += ended ? 'c' : '!';
            });
            co_await yield();
            group.cancel();
            const bool ended = co_await is_cancelled(yield());
            EXPECT_TRUE(ended);
            EXPECT_EQ(log, "");
            goes_on.set();
        });
    });
    EXPECT_EQ(log, "wc");
}

TEST_P(Cancel, InsideAShieldAGroupCanStillBeCancelled) {
    std::string log;
    run([&]() -> task<> {
        const auto guarded = [](std::string& log) -> task<> {
            event never;
            co_await with_task_group([&](task_group& inner) -> task<> {
                inner.spawn([&]() -> task<> { log += co_await is_cancelled(never.wait()) ? 'i' : '!'; });
                co_await yield();
                inner.cancel();
            });
            log += 'd';
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            co_await shield(guarded(log));
        });
    });
    EXPECT_EQ(log, "id");
}

TEST_P(Cancel, AWaitForADescriptorEndsAndLeavesItAsItWas) {
    SENNIT_NEEDS_KERNEL("a pipe has no place in it");
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, 0), 0);
    run([&]() -> task<> {
        bool ended = false;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { ended = co_await is_cancelled(wait_readable(pipe_ends[0])); });
            co_await sleep_for(1ms);
            group.cancel();
        });
        EXPECT_TRUE(ended);
        EXPECT_EQ(::write(pipe_ends[1], "x", 1), 1);
        const auto events = co_await wait_readable(pipe_ends[0]);
        EXPECT_NE(events & POLLIN, 0u);
    });
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
}

TEST_P(Cancel, TheLoopTellsWhoWaitsForWhat) {
    std::string while_waiting;
    std::string when_cancelled;
    run([&]() -> task<> {
        event never;
        mutex held;
        co_await with_task_group([&](task_group& group) -> task<> {
            const auto lock = held.try_lock();
            group.spawn([&]() -> task<> { co_await never.wait(); });
            group.spawn([&]() -> task<> { static_cast<void>(co_await with_timeout(1h, held.lock())); });
            group.spawn([]() -> task<> { co_await sleep_for(1h); });
            co_await yield();
            co_await yield();
            while_waiting = loop().describe();
            group.cancel();
            when_cancelled = loop().describe();
        });
    });
    EXPECT_EQ(std::regex_replace(while_waiting, std::regex(" at .*"), ""),
              "scope\n"
              "  scope\n"
              "    event\n"
              "    sleep\n"
              "    scope\n"
              "      mutex\n");
    EXPECT_EQ(when_cancelled, "");
}

TEST_P(Cancel, TheLoopTellsWhereEachWaitStands) {
    const auto here = [](unsigned line) { return "cancel_test.cpp:" + std::to_string(line); };
    event never;
    std::string report;
    unsigned waits = 0;
    unsigned awaits = 0;
    unsigned joins = 0;
    const auto wait = [&]() -> task<> {
        waits = __LINE__ + 1;
        co_await never.wait();
    };
    const auto await = [&]() -> task<> {
        awaits = __LINE__ + 1;
        co_await wait();
    };
    run([&]() -> task<> {
        const auto body = [&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto spawn_it = [&](task_group& inner) -> task<> {
                    inner.spawn(await());
                    co_return;
                };
                joins = __LINE__ + 1;
                co_await with_task_group(spawn_it);
            });
            for (int turn = 0; turn != 4; ++turn) co_await yield();
            report = loop().describe();
            group.cancel();
        };
        co_await with_task_group(body);
    });
    EXPECT_NE(report.find("event at " + here(awaits) + " -> " + here(waits) + "\n"), report.npos) << report;
    EXPECT_TRUE(std::regex_search(report, std::regex("task group at .*" + here(joins) + " -> .*task_group.hpp:")))
        << report;
}

TEST_F(CancelledOperation, ResultOfAnOperationWinsOverItsCancel) {
    run([this]() -> task<> {
        std::uint32_t events = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { events = co_await wait_readable(3); });
            co_await yield();
            world().answer_cancel_with(POLLIN);
            group.cancel();
        });
        EXPECT_EQ(events, static_cast<std::uint32_t>(POLLIN));
    });
}

TEST_F(CancelledOperation, TheOwnerWaitsUntilTheBackendHasLetGo) {
    run([this]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([]() -> task<> { static_cast<void>(co_await wait_readable(3)); });
            co_await yield();
            group.cancel();
            EXPECT_EQ(world().in_flight(), 1u);
        });
        EXPECT_EQ(world().in_flight(), 0u);
    });
}

TEST_F(CancelledOperation, EcanceledWithoutACancelIsAnErrorLikeAnyOther) {
    run([this]() -> task<> {
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = (co_await as_result(wait_readable(3))).error(); });
            co_await yield();
            world().make_ready(3, -ECANCELED);
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
    });
}

}  // namespace sennit::testing::cancel_test
