// The frame of a program: exit statuses, the text of the last exception, and what signals do. Each program here is a
// child of the test.

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/child_process.hpp"
#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/run.hpp>
#include <sennit/sleep.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::run_test {

using namespace std::chrono_literals;

class Run : public OnKernelBackends {
  protected:
    Run() : OnKernelBackends("run() makes loops of its own") {}
    event_loop_options options() const { return event_loop_options{GetParam()}; }
};
SENNIT_ON_ALL_BACKENDS(Run);

task<> fail(std::string text) {
    co_await yield();
    throw std::runtime_error(text);
}

task<> wait_until_cancelled() {
    say("ready\n");
    try {
        co_await sleep_for(1h);
    } catch (const cancelled&) {
        say("cancelled\n");
        throw;
    }
}

TEST_P(Run, TheStatusIsWhatTheTaskReturns) {
    child_process number([this] { return sennit::run([]() -> task<int> { co_return 7; }, options()); });
    EXPECT_EQ(number.end(), "exit 7");
    child_process nothing([this] { return sennit::run([]() -> task<> { co_await yield(); }, options()); });
    EXPECT_EQ(nothing.end(), "exit 0");
    child_process tasks([this] {
        const auto made = [](int n) -> task<int> { co_return n; };
        return sennit::run(made(4), options());
    });
    EXPECT_EQ(tasks.end(), "exit 4");
    EXPECT_EQ(number.text() + nothing.text() + tasks.text(), "");
}

TEST_P(Run, ALambdaIsKeptUntilItsTaskHasEnded) {
    child_process program([this] {
        auto owned = std::make_shared<int>(5);
        return sennit::run(
            [owned = std::move(owned)]() -> task<int> {
                co_await sleep_for(1ms);
                co_return *owned;
            },
            options());
    });
    EXPECT_EQ(program.end(), "exit 5");
}

TEST_P(Run, AnExceptionIsStatusOneAndItsTextGoesToStandardError) {
    child_process program([this] { return sennit::run(fail("the disk is full"), options()); });
    EXPECT_EQ(program.end(), "exit 1");
    EXPECT_EQ(program.text(), "sennit: error: the disk is full\n");
    child_process strange([this] {
        return sennit::run(
            []() -> task<> {
                co_await yield();
                throw 42;
            },
            options());
    });
    EXPECT_EQ(strange.end(), "exit 1");
    EXPECT_EQ(strange.text(), "sennit: error: an exception that is not derived from std::exception\n");
}

TEST_P(Run, ALongTextIsWrittenInFull) {
    const std::string text(5000, 'x');
    child_process program([&] { return sennit::run(fail(text), options()); });
    EXPECT_EQ(program.text(), "sennit: error: " + text + "\n");
}

TEST_P(Run, AnInterruptCancelsTheTaskWhenNobodyHasSomethingToFinish) {
    for (const int number : {SIGINT, SIGTERM}) {
        child_process program([this] { return sennit::run(wait_until_cancelled(), options()); });
        program.wait_for("ready");
        program.signal(number);
        EXPECT_EQ(program.end(), "exit 0");
        EXPECT_EQ(program.text(), "ready\ncancelled\n");
    }
}

TEST_P(Run, ATaskThatIsInterruptedCanReturnAStatusOfItsOwn) {
    child_process program([this] {
        return sennit::run(
            []() -> task<int> {
                try {
                    co_await wait_until_cancelled();
                } catch (const cancelled&) {
                }
                co_return 3;
            },
            options());
    });
    program.wait_for("ready");
    program.signal(SIGINT);
    EXPECT_EQ(program.end(), "exit 3");
}

TEST_P(Run, WhatFailsWhileItIsInterruptedIsAnError) {
    child_process program([this] {
        return sennit::run(
            []() -> task<> {
                bool ended = false;
                try {
                    co_await wait_until_cancelled();
                } catch (const cancelled&) {
                    ended = true;
                }
                if (ended) throw std::runtime_error("could not save");
            },
            options());
    });
    program.wait_for("ready");
    program.signal(SIGTERM);
    EXPECT_EQ(program.end(), "exit 1");
    EXPECT_EQ(program.text(), "ready\ncancelled\nsennit: error: could not save\n");
}

task<> finish_then_wait(bool finishes) {
    {
        event_loop& loop = co_await current_loop();
        const stop_state::drain_guard busy(loop.stop());
        say("ready\n");
        co_await loop.stop().requested_event();
        say("asked\n");
        if (!finishes) co_await sleep_for(1h);
        co_await sleep_for(1ms);
        say("finished\n");
    }
    co_await wait_until_cancelled();
}

TEST_P(Run, AnInterruptLetsThoseFinishWhoHaveSomethingToFinish) {
    child_process program([this] { return sennit::run(finish_then_wait(true), options()); });
    program.wait_for("ready");
    program.signal(SIGINT);
    EXPECT_EQ(program.end(), "exit 0");
    EXPECT_EQ(program.text(), "ready\nasked\nfinished\nready\ncancelled\n");
}

TEST_P(Run, ASecondSignalEndsTheProcessAtOnce) {
    child_process program([this] { return sennit::run(finish_then_wait(false), options()); });
    program.wait_for("ready");
    program.signal(SIGTERM);
    program.wait_for("asked");
    program.signal(SIGINT);
    EXPECT_EQ(program.end(), "signal " + std::to_string(SIGINT));
}

TEST_P(Run, AProgramCanAskItselfToStop) {
    child_process program([this] {
        return sennit::run(
            []() -> task<int> {
                event_loop& loop = co_await current_loop();
                loop.stop().request();
                co_await loop.stop().requested_event();
                co_await sleep_for(1ms);
                co_return 2;  // it is a request, no cancellation
            },
            options());
    });
    EXPECT_EQ(program.end(), "exit 2");
}

TEST_P(Run, WhatTheRootGroupRunsIsCancelledAtTheEnd) {
    child_process program([this] {
        return sennit::run(
            []() -> task<int> {
                event_loop& loop = co_await current_loop();
                loop.root().spawn(wait_until_cancelled());
                co_await yield();
                say("main ends\n");
                co_return 6;
            },
            options());
    });
    EXPECT_EQ(program.end(), "exit 6");
    EXPECT_EQ(program.text(), "ready\nmain ends\ncancelled\n");
}

TEST_P(Run, ABackendThatCannotBeHadIsSaidOnceAndNothingElse) {
    child_process program([] {
        ::setenv("SENNIT_BACKEND", "carrier pigeon", 1);
        return sennit::run([]() -> task<> { co_return; });
    });
    EXPECT_EQ(program.end(), "exit 1");
    EXPECT_EQ(program.text().find("sennit: error: SENNIT_BACKEND is \"carrier pigeon\""), 0u) << program.text();
    EXPECT_EQ(program.text().find('\n'), program.text().size() - 1) << program.text();
}

TEST_P(Run, InsideARunningLoopItIsRefusedAndTheLoopGoesOn) {
    child_process program([this] {
        return sennit::run(
            [this]() -> task<int> {
                const int inner = sennit::run([]() -> task<> { co_return; }, options());
                co_await sleep_for(1ms);
                co_return inner + 10;
            },
            options());
    });
    EXPECT_EQ(program.end(), "exit 11");
    EXPECT_NE(program.text().find("another loop is running on this thread"), std::string::npos) << program.text();
}

TEST_P(Run, AfterwardsSignalsDoWhatTheyDidBefore) {
    child_process program([this] {
        const int status = sennit::run([]() -> task<> { co_return; }, options());
        say("over\n");
        ::raise(SIGINT);
        return status;
    });
    EXPECT_EQ(program.end(), "signal " + std::to_string(SIGINT));
    EXPECT_EQ(program.text(), "over\n");
}

}  // namespace sennit::testing::run_test
