// Work that other threads hand to a loop: everything arrives, in order, also when the loop sleeps, and nothing is left
// behind when the loop has ended.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::post_test {

using namespace std::chrono_literals;

class Post : public OnKernelBackends {
  protected:
    Post() : OnKernelBackends("no other thread can post into a simulated world") {}
};
SENNIT_ON_ALL_BACKENDS(Post);

TEST_P(Post, FunctionsRunOnTheLoopsThreadInTheOrderOfTheirPosting) {
    std::string log;
    std::thread::id ran_on;
    for (char name = 'a'; name <= 'e'; ++name) loop().post([&log, name] { log += name; });
    loop().post([&] { ran_on = std::this_thread::get_id(); });
    EXPECT_EQ(log, "");
    EXPECT_EQ(loop().next_deadline(), time_point::min());
    loop().run_once();
    EXPECT_EQ(log, "abcde");
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_P(Post, AThreadWakesALoopThatSleeps) {
    for (int i = 0; i != 50; ++i) {
        event arrived;
        std::thread sender;
        run([&]() -> task<> {
            sender = std::thread([&] { loop().post([&] { arrived.set(); }); });
            co_await arrived.wait();
        });
        sender.join();
    }
}

TEST_P(Post, EverythingFromManyThreadsArrivesEachThreadInOrder) {
    constexpr int threads = 4;
    constexpr int each = 20'000;
    std::vector<int> next(threads, 0);
    bool in_order = true;
    int arrived = 0;
    std::vector<std::thread> senders;
    run([&]() -> task<> {
        event all;
        for (int thread = 0; thread != threads; ++thread) {
            senders.emplace_back([&, thread] {
                for (int i = 0; i != each; ++i) {
                    loop().post([&, thread, i] {
                        int& expected = next[static_cast<std::size_t>(thread)];
                        in_order = in_order && expected == i;
                        expected = i + 1;
                        if (++arrived == threads * each) all.set();
                    });
                }
            });
        }
        co_await all.wait();
    });
    for (std::thread& sender : senders) sender.join();
    EXPECT_TRUE(in_order);
    EXPECT_EQ(arrived, threads * each);
}

TEST_P(Post, FunctionsThatCannotBeCopiedAndThatThrow) {
    int sum = 0;
    ::testing::internal::CaptureStderr();
    loop().post([&sum, owned = std::make_unique<int>(5)] { sum += *owned; });
    loop().post([] { throw std::runtime_error("out of a posted function"); });
    loop().post([&sum] { sum += 10; });
    loop().run_once();
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "sennit: a posted function failed: out of a posted function\n");
    EXPECT_EQ(sum, 15);
}

TEST_P(Post, APostedFunctionCanSpawnAndPost) {
    std::string log;
    run([&]() -> task<> {
        event done;
        loop().post([&] {
            log += 'p';
            loop().root().spawn([&]() -> task<> {
                co_await yield();
                log += 't';
                done.set();
            });
            loop().post([&] { log += 'q'; });
        });
        co_await done.wait();
        co_await sleep_for(1ms);
    });
    EXPECT_EQ(log.size(), 3u) << log;
    EXPECT_EQ(log.front(), 'p');
}

TEST_P(Post, WhatAThreadPostsAfterTheEndOfTheLoopIsRefusedAndDestroyed) {
    std::shared_ptr<detail::mailbox> remote;
    {
        event_loop short_lived(event_loop_options{GetParam()});
        remote = short_lived.remote();
        EXPECT_TRUE(remote->post([] {}));
        short_lived.run_once();
    }
    const auto alive = std::make_shared<int>(1);
    for (int i = 0; i != 3; ++i) {
        EXPECT_FALSE(remote->post([alive] {}));
        EXPECT_EQ(alive.use_count(), 1) << "attempt " << i;
    }
}

TEST_P(Post, WhatWasNotRunWhenTheLoopEndsIsDestroyedWithIt) {
    const auto alive = std::make_shared<int>(1);
    std::shared_ptr<detail::mailbox> remote;
    {
        event_loop short_lived(event_loop_options{GetParam()});
        remote = short_lived.remote();
        for (int i = 0; i != 3; ++i) short_lived.post([alive] { ADD_FAILURE() << "must not run"; });
        EXPECT_EQ(alive.use_count(), 4);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TEST_P(Post, ThreadsThatGoOnPostingWhileTheLoopEnds) {
    for (int round = 0; round != 5; ++round) {
        std::atomic<int> destroyed = 0;
        std::atomic<int> ran = 0;
        std::atomic<int> made = 0;
        const auto letter = [&] {
            ++made;
            return std::shared_ptr<int>(new int(0), [&](const int* number) {
                ++destroyed;
                delete number;
            });
        };
        std::optional<event_loop> ends(std::in_place, event_loop_options{GetParam()});
        std::vector<std::thread> senders;
        std::atomic<int> started = 0;
        for (int i = 0; i != 3; ++i) {
            senders.emplace_back([&, remote = ends->remote()] {
                ++started;
                while (remote->post([&ran, kept = letter()] { ++ran; })) std::this_thread::yield();
            });
        }
        while (started != 3) std::this_thread::yield();
        for (int i = 0; i != 3; ++i) ends->run_once();
        ends.reset();
        for (std::thread& sender : senders) sender.join();
        EXPECT_EQ(destroyed, made);
        EXPECT_LE(ran + 3, made) << "the last of each thread was refused";
    }
}

}  // namespace sennit::testing::post_test
