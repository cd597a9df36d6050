// Signals as something to wait for. Each test raises real ones; they are put back as they were before.

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <system_error>

#include "support/on_backends.hpp"

#include <sennit/signals.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::signals_test {

using namespace std::chrono_literals;

class Signals : public OnKernelBackends {
  protected:
    Signals() : OnKernelBackends("a simulated world has no signals") {}
};
SENNIT_ON_ALL_BACKENDS(Signals);

std::atomic<int> handled = 0;

/// What a signal does when nobody waits for it: it is counted in `handled`.
class counting_handler {
  public:
    explicit counting_handler(int signal) : signal_(signal) {
        handled = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { ++handled; };
        ::sigaction(signal, &action, &before_);
    }
    counting_handler(const counting_handler&) = delete;
    counting_handler& operator=(const counting_handler&) = delete;
    ~counting_handler() { ::sigaction(signal_, &before_, nullptr); }

  private:
    int signal_;
    struct sigaction before_;
};

bool is_blocked(int signal) {
    sigset_t now;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    return ::sigismember(&now, signal) == 1;
}

TEST_P(Signals, ArriveWhereTheyAreWaitedForAndNotInTheirHandlers) {
    const counting_handler usual(SIGUSR1);
    run([]() -> task<> {
        signal_set signals{SIGUSR1, SIGUSR2};
        ::raise(SIGUSR2);
        const int early = co_await signals.next();
        EXPECT_EQ(early, SIGUSR2) << "one that came before anybody waited";
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const int number = co_await signals.next();
                EXPECT_EQ(number, SIGUSR1);
            });
            co_await sleep_for(1ms);
            ::raise(SIGUSR1);
        });
    });
    EXPECT_EQ(handled, 0);
}

TEST_P(Signals, SeveralArriveOneByOneAndTheSameOneOnce) {
    run([]() -> task<> {
        signal_set signals{SIGUSR1, SIGUSR2};
        ::raise(SIGUSR1);
        ::raise(SIGUSR1);
        ::raise(SIGUSR2);
        const int first = co_await signals.next();
        const int second = co_await signals.next();
        EXPECT_NE(first, second);
        EXPECT_EQ(first + second, SIGUSR1 + SIGUSR2);
        const auto third = co_await move_on_after(2ms, signals.next());
        EXPECT_FALSE(third.has_value());
    });
}

TEST_P(Signals, EachGoesToOneOfThoseWhoWait) {
    int woken = 0;
    run([&]() -> task<> {
        signal_set signals{SIGUSR1};
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 2; ++i) {
                group.spawn([&]() -> task<> {
                    static_cast<void>(co_await signals.next());
                    ++woken;
                });
            }
            co_await sleep_for(1ms);
            ::raise(SIGUSR1);
            co_await sleep_for(5ms);
            EXPECT_EQ(woken, 1);
            ::raise(SIGUSR1);
        });
    });
    EXPECT_EQ(woken, 2);
}

TEST_P(Signals, ACancelledWaitLosesNone) {
    run([]() -> task<> {
        signal_set signals{SIGUSR1};
        const auto nothing = co_await move_on_after(1ms, signals.next());
        EXPECT_FALSE(nothing.has_value());
        ::raise(SIGUSR1);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { static_cast<void>(co_await signals.next()); });
            group.cancel();
            co_return;
        });
        const int number = co_await signals.next();
        EXPECT_EQ(number, SIGUSR1);
    });
}

TEST_P(Signals, AfterwardsTheyDoWhatTheyDidBefore) {
    const counting_handler usual(SIGUSR1);
    {
        const signal_set signals{SIGUSR1};
        EXPECT_TRUE(is_blocked(SIGUSR1));
        ::raise(SIGUSR1);
        EXPECT_EQ(handled, 0);
    }
    EXPECT_FALSE(is_blocked(SIGUSR1));
    EXPECT_EQ(handled, 1) << "one that nobody read takes its usual effect";
    ::raise(SIGUSR1);
    EXPECT_EQ(handled, 2);
}

TEST_P(Signals, WhatWasBlockedBeforeStaysBlocked) {
    sigset_t only;
    ::sigemptyset(&only);
    ::sigaddset(&only, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &only, nullptr);
    { const signal_set signals{SIGUSR1, SIGUSR2}; }
    EXPECT_TRUE(is_blocked(SIGUSR2));
    EXPECT_FALSE(is_blocked(SIGUSR1));
    ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
}

TEST_P(Signals, NumbersThatCannotBeWaitedForAreRefusedAndNothingIsBlocked) {
    for (const int bad : {0, -1, 65, 1000, SIGKILL, SIGSTOP}) {
        EXPECT_THROW(signal_set({SIGUSR1, bad}), std::system_error) << bad;
        EXPECT_FALSE(is_blocked(SIGUSR1));
    }
}

TEST_P(Signals, RealTimeSignalsAreQueued) {
    run([]() -> task<> {
        signal_set signals{SIGRTMIN + 1};
        for (int i = 0; i != 3; ++i) ::raise(SIGRTMIN + 1);
        for (int i = 0; i != 3; ++i) {
            const int number = co_await signals.next();
            EXPECT_EQ(number, SIGRTMIN + 1);
        }
        const auto fourth = co_await move_on_after(1ms, signals.next());
        EXPECT_FALSE(fourth.has_value());
    });
}

}  // namespace sennit::testing::signals_test
