// The loop as its owner drives it: run, single turns, and inside the poll(2) loop of a host.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/poll.hpp>
#include <sennit/sleep.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing {
namespace {

using namespace std::chrono_literals;

class EventLoop : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(EventLoop);

class pipe_pair {
  public:
    pipe_pair() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
    pipe_pair(const pipe_pair&) = delete;
    pipe_pair& operator=(const pipe_pair&) = delete;
    ~pipe_pair() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    int reader() const { return ends_[0]; }
    void write() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
    void read() const {
        char byte;
        EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
    }

  private:
    int ends_[2];
};

/// What a program with a loop of its own does: it sleeps in poll(2) and runs ours when ours has something to do.
/// False when poll(2) was never told although `done` is not set.
bool host_loop(event_loop& loop, const bool& done) {
    constexpr auto patience = 5'000ms;
    while (!done) {
        loop.run_once();
        if (done) break;
        auto timeout = patience;
        if (const time_point next = loop.next_deadline(); next == time_point::min()) {
            timeout = 0ms;
        } else if (next != no_deadline) {
            timeout = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(next - loop.now()), 0ms, patience);
        }
        pollfd ours{loop.poll_descriptor(), POLLIN, 0};
        const time_point start = loop.now();
        ::poll(&ours, 1, static_cast<int>(timeout.count()));
        // What poll(2) returns says nothing: it looks again when its time is over.
        if (timeout == patience && loop.now() - start >= patience) return false;
    }
    return true;
}

TEST_P(EventLoop, SaysWhichBackendRunsAndWhy) {
    EXPECT_EQ(loop().backend_name(), GetParam().label());
    EXPECT_NE(loop().backend_reason().find(loop().backend_name()), std::string::npos) << loop().backend_reason();
}

TEST_P(EventLoop, RunEndsWithItsTaskAndTheRootGroupGoesOnInTheNextRun) {
    int turns = 0;
    bool stop = false;
    loop().root().spawn([&]() -> task<> {
        while (!stop) {
            ++turns;
            co_await yield();
        }
    });
    run([]() -> task<> {
        for (int i = 0; i != 5; ++i) co_await yield();
    });
    const int after_first = turns;
    EXPECT_GE(after_first, 1);
    EXPECT_LT(after_first, 1000);
    run([]() -> task<> { co_await sleep_for(1ms); });
    EXPECT_GT(turns, after_first);
    stop = true;
    loop().run_once();
    EXPECT_EQ(loop().root().size(), 0u);
}

TEST_P(EventLoop, OneTurnDoesNotSleepByItself) {
    EXPECT_EQ(loop().next_deadline(), no_deadline);
    loop().run_once();
    loop().root().spawn([]() -> task<> { co_await sleep_for(1h); });
    EXPECT_EQ(loop().next_deadline(), time_point::min()) << "a task is ready to start";
    loop().run_once();
    const time_point next = loop().next_deadline();
    EXPECT_GT(next, loop().now()) << "nothing to do but to wait";
    EXPECT_LE(next, loop().now() + 1h) << "never later than the timer";
    loop().run_once();
    loop().root().cancel();
    EXPECT_EQ(loop().next_deadline(), time_point::min());
    while (loop().root().size() != 0) loop().run_once();
}

TEST_P(EventLoop, OneTurnSleepsUntilTheMomentItIsGivenAtTheMost) {
    const time_point latest = loop().now() + 2ms;
    while (loop().now() < latest) loop().run_once(latest);
    EXPECT_GE(loop().now(), latest);
}

TEST_P(EventLoop, OneTurnDoesNotSleepWhileSomethingIsReady) {
    bool busy = true;
    loop().root().spawn([&]() -> task<> {
        while (busy) co_await yield();
    });
    const time_point far = loop().now() + 1h;
    for (int i = 0; i != 5; ++i) loop().run_once(far);
    EXPECT_LT(loop().now(), far);
    busy = false;
    loop().run_once();
}

TEST_P(EventLoop, TurnsWithoutALimitSleepUntilATimerAndComeBackWhenItHasDoneItsWork) {
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        co_await sleep_for(2ms);
        done = true;
    });
    const time_point start = loop().now();
    while (!done) loop().run_once(no_deadline);
    EXPECT_GE(loop().now() - start, 2ms);
    done = false;
    loop().post([&] { done = true; });
    while (!done) loop().run_once(no_deadline);
}

TEST_P(EventLoop, InAHostLoopTimersComeDue) {
    SENNIT_NEEDS_KERNEL("a host loop sleeps in poll(2)");
    bool done = false;
    int naps = 0;
    loop().root().spawn([&]() -> task<> {
        for (; naps != 5; ++naps) co_await sleep_for(1ms);
        done = true;
    });
    EXPECT_TRUE(host_loop(loop(), done));
    EXPECT_EQ(naps, 5);
}

TEST_P(EventLoop, InAHostLoopDescriptorsBecomeReady) {
    SENNIT_NEEDS_KERNEL("another thread has no place in it");
    if (GetParam().is(backend_kind::io_uring)) {
        GTEST_SKIP() << "known defect: poll(2) on the ring's descriptor does not always wake a host loop";
    }
    const pipe_pair there;
    const pipe_pair back;
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        for (int i = 0; i != 20; ++i) {
            static_cast<void>(co_await wait_readable(there.reader()));
            there.read();
            back.write();
        }
        done = true;
    });
    std::thread peer([&] {
        for (int i = 0; i != 20; ++i) {
            there.write();
            back.read();  // so that each byte finds the host in poll(2)
        }
    });
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);  // the thread ends in any case
    peer.join();
}

TEST_P(EventLoop, InAHostLoopThreadsCanPost) {
    SENNIT_NEEDS_KERNEL("another thread has no place in it");
    if (GetParam().is(backend_kind::io_uring)) {
        GTEST_SKIP() << "known defect: poll(2) on the ring's descriptor does not always wake a host loop";
    }
    bool done = false;
    int posted = 0;
    const pipe_pair back;
    std::thread peer([&] {
        for (int i = 0; i != 20; ++i) {
            loop().post([&] {
                ++posted;
                back.write();
            });
            back.read();
        }
        loop().post([&] { done = true; });
    });
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);  // the thread ends in any case
    peer.join();
    EXPECT_EQ(posted, 20);
}

TEST_P(EventLoop, InAHostLoopWhatTheHostCancelsEnds) {
    SENNIT_NEEDS_KERNEL("a pipe has no place in it");
    const pipe_pair silent;
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        try {
            static_cast<void>(co_await wait_readable(silent.reader()));
        } catch (const cancelled&) {
            done = true;
            throw;
        }
    });
    loop().run_once();
    loop().root().cancel();
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);
}

TEST_P(EventLoop, ManyLoopsInManyThreads) {
    SENNIT_NEEDS_KERNEL("another thread has no place in it");
    // Each thread has its own; nothing is shared, so none disturbs another.
    const auto work = [](backend_kind kind, long& total) {
        event_loop own(event_loop_options{kind});
        const auto body = [](long& total) -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                for (int i = 0; i != 100; ++i) {
                    group.spawn([&total, i]() -> task<> {
                        co_await sleep_for(std::chrono::microseconds(i));
                        total += i;
                    });
                }
                co_return;
            });
        };
        own.run(body(total));
    };
    long totals[4] = {};
    std::vector<std::thread> threads;
    for (long& total : totals) threads.emplace_back(work, GetParam(), std::ref(total));
    for (std::thread& each : threads) each.join();
    for (const long total : totals) EXPECT_EQ(total, 4950);
}

TEST_P(EventLoop, TheRequestToStopReachesAllAndIsDrainedWhenTheLastGuardEnds) {
    std::string log;
    run([&]() -> task<> {
        stop_state& stop = loop().stop();
        co_await stop.drained();  // nobody drains
        EXPECT_FALSE(stop.requested());
        co_await with_task_group([&](task_group& group) -> task<> {
            for (const char name : {'a', 'b'}) {
                group.spawn([&stop, &log, name]() -> task<> {
                    const stop_state::drain_guard busy(stop);
                    co_await stop.requested_event();
                    for (char i = 'a'; i <= name; ++i) co_await yield();
                    log += name;
                });
            }
            co_await yield();
            EXPECT_EQ(log, "");
            stop.request();
            stop.request();
            EXPECT_TRUE(stop.requested());
            co_await stop.drained();
            log += 'd';
        });
        co_await stop.requested_event();
    });
    EXPECT_EQ(log, "abd");
}

}  // namespace
}  // namespace sennit::testing
