// Calls that block, on threads of their own: the loop goes on meanwhile, and neither a cancelled wait nor the end of
// the loop waits for them.

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/blocking.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::blocking_test {

using namespace std::chrono_literals;

class Blocking : public OnKernelBackends {
  protected:
    Blocking() : OnKernelBackends("blocking calls run on the thread of a simulated loop") {}
};
SENNIT_ON_ALL_BACKENDS(Blocking);

/// What threads wait at until the test opens it.
class gate {
  public:
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_; });
    }
    void wait_for_one() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return waiting_ != 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int waiting_ = 0;
    bool open_ = false;
};

TEST_P(Blocking, GivesTheResultOfACallOnAnotherThread) {
    run([]() -> task<> {
        const auto here = std::this_thread::get_id();
        const auto there = co_await run_blocking([] { return std::this_thread::get_id(); });
        EXPECT_NE(there, here);
        EXPECT_EQ(std::this_thread::get_id(), here);
        const auto owned = co_await run_blocking([] { return std::make_unique<std::string>("moved"); });
        EXPECT_EQ(*owned, "moved");
        bool called = false;
        co_await run_blocking([&] { called = true; });
        EXPECT_TRUE(called);
    });
}

TEST_P(Blocking, ThrowsWhatTheCallThrew) {
    run([]() -> task<> {
        std::string text;
        try {
            co_await run_blocking([] { throw std::runtime_error("on a thread"); });
        } catch (const std::runtime_error& error) {
            text = error.what();
        }
        EXPECT_EQ(text, "on a thread");
    });
}

TEST_P(Blocking, TheLoopGoesOnWhileThreadsBlock) {
    run([]() -> task<> {
        gate blocked;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await run_blocking([&] { blocked.pass(); }); });
            for (int i = 0; i != 3; ++i) co_await sleep_for(1ms);
            EXPECT_EQ(group.size(), 1u);
            blocked.open();
        });
    });
}

TEST_P(Blocking, SeveralCallsRunAtTheSameTimeOnAFewThreads) {
    run([]() -> task<> {
        std::atomic<int> together = 0;
        const auto meet = [&]() -> task<> {
            co_await run_blocking([&] {
                ++together;
                while (together < 2) std::this_thread::yield();  // ends when both are there
            });
        };
        co_await when_all(meet(), meet());

        std::mutex guard;
        std::set<std::thread::id> threads;
        int inside = 0;
        int most = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 200; ++i) {
                group.spawn([&]() -> task<> {
                    co_await run_blocking([&] {
                        {
                            const std::lock_guard lock(guard);
                            threads.insert(std::this_thread::get_id());
                            most = std::max(most, ++inside);
                        }
                        std::this_thread::yield();
                        const std::lock_guard lock(guard);
                        --inside;
                    });
                });
            }
            co_return;
        });
        EXPECT_LE(threads.size(), 4u);
        EXPECT_LE(most, 4);
    });
}

TEST_P(Blocking, ACancelledWaitEndsAtOnceAndTheCallEndsByItself) {
    const auto shared = std::make_shared<gate>();
    std::atomic<bool> ended = false;
    run([&]() -> task<> {
        const auto call = [shared, &ended] {
            shared->pass();
            ended = true;
            return 5;
        };
        const auto result = co_await move_on_after(1ms, run_blocking(call));
        EXPECT_FALSE(result.has_value());
        EXPECT_FALSE(ended);
        shared->open();
        while (!ended) co_await sleep_for(1ms);
        co_await run_blocking([] {});
    });
}

TEST_P(Blocking, InACancelledScopeNothingIsCalled) {
    std::atomic<bool> called = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            co_await run_blocking([&] { called = true; });
        });
        co_await run_blocking([] {});
    });
    EXPECT_FALSE(called);
}

TEST_P(Blocking, TheEndOfTheLoopDoesNotWaitForACallThatNobodyWaitsFor) {
    const auto shared = std::make_shared<gate>();
    const auto over = std::make_shared<gate>();
    {
        event_loop short_lived(event_loop_options{GetParam()});
        const auto body = [](std::shared_ptr<gate> shared, std::shared_ptr<gate> over) -> task<> {
            const auto call = [shared, over] {
                shared->pass();
                over->pass();
            };
            static_cast<void>(co_await move_on_after(1ms, run_blocking(call)));
            shared->wait_for_one();
        };
        short_lived.run(body(shared, over));
    }
    shared->open();
    over->wait_for_one();  // the call went on without its loop
    over->open();
}

TEST_P(Blocking, CallsThatHaveNotBegunWhenTheLoopEndsAreDropped) {
    const auto shared = std::make_shared<gate>();
    const auto called = std::make_shared<std::atomic<int>>(0);
    {
        event_loop short_lived(event_loop_options{GetParam()});
        const auto body = [](std::shared_ptr<gate> shared, std::shared_ptr<std::atomic<int>> called) -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                for (int i = 0; i != 10; ++i) {
                    group.spawn([shared, called]() -> task<> {
                        const auto call = [shared, called] {
                            ++*called;
                            shared->pass();
                        };
                        co_await run_blocking(call);
                    });
                }
                co_await sleep_for(1ms);
                shared->wait_for_one();
                group.cancel();
            });
        };
        short_lived.run(body(shared, called));
    }
    EXPECT_LE(*called, 4);
    shared->open();
}

class ends_on_a_thread {
  public:
    ends_on_a_thread(std::atomic<int>& elsewhere, std::thread::id home) : elsewhere_(&elsewhere), home_(home) {}
    ends_on_a_thread(ends_on_a_thread&& other) noexcept
        : elsewhere_(std::exchange(other.elsewhere_, nullptr)), home_(other.home_) {}
    ~ends_on_a_thread() {
        if (elsewhere_ != nullptr && std::this_thread::get_id() != home_) ++*elsewhere_;
    }
    int operator()() const { return 1; }

  private:
    std::atomic<int>* elsewhere_;
    std::thread::id home_;
};

TEST_P(Blocking, WhatTheCallOwnsIsDestroyedOnTheLoopsThread) {
    std::atomic<int> elsewhere = 0;
    run([&]() -> task<> {
        for (int i = 0; i != 500; ++i) {
            ends_on_a_thread call(elsewhere, std::this_thread::get_id());
            EXPECT_EQ(co_await run_blocking(std::move(call)), 1);
        }
    });
    EXPECT_EQ(elsewhere, 0);
}

TEST_P(Blocking, ThreadsTakeNoSignals) {
    run([]() -> task<> {
        const bool all_blocked = co_await run_blocking([] {
            sigset_t now;
            ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
            bool all = true;
            for (const int each : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGPIPE})
                all = all && ::sigismember(&now, each) == 1;
            return all;
        });
        EXPECT_TRUE(all_blocked);
        sigset_t here;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &here);
        EXPECT_EQ(::sigismember(&here, SIGINT), 0) << "the program's own mask is as before";
    });
}

TEST_P(Blocking, ThousandsOfCallsFromManyTasks) {
    std::atomic<int> calls = 0;
    long sum = 0;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 20; ++i) {
                group.spawn([&]() -> task<> {
                    for (int j = 0; j != 100; ++j) sum += co_await run_blocking([&] { return ++calls; });
                });
            }
            co_return;
        });
    });
    EXPECT_EQ(calls, 2000);
    EXPECT_EQ(sum, 2000L * 2001 / 2);
}

}  // namespace sennit::testing::blocking_test
