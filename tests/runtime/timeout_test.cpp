// Deadlines. Time is made up here, so what is said about it is exact; one test per backend shows that real time works
// the same way.

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "support/manual_backend.hpp"
#include "support/on_backends.hpp"

#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/poll.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::timeout_test {

using namespace std::chrono_literals;

class Timeout : public OnVirtualTime {};
class RealTimeout : public OnKernelBackends {
  protected:
    RealTimeout() : OnKernelBackends("it compares with the clock of the machine") {}
};
SENNIT_ON_ALL_BACKENDS(RealTimeout);

template <class Awaitable>
concept can_time_out = requires(Awaitable&& one) {
    with_timeout(1s, std::forward<Awaitable>(one));
};
static_assert(can_time_out<task<>> && !can_time_out<task<>&>, "a task is used up: with_timeout(1s, std::move(it))");

task<int> number_after(duration time, int number) {
    co_await sleep_for(time);
    co_return number;
}

/// How awaiting it ended.
template <class Awaitable>
task<std::string> end_of(Awaitable awaitable) {
    try {
        co_await std::move(awaitable);
    } catch (const std::system_error& error) {
        co_return error.code() == std::errc::timed_out ? "timed out" : error.what();
    } catch (const std::exception& error) {
        co_return error.what();
    } catch (const cancelled&) {
        co_return "cancelled";
    }
    co_return "done";
}

TEST_F(Timeout, WhatEndsInTimeGivesItsResultAndTheDeadlineIsForgotten) {
    run([this]() -> task<> {
        const int number = co_await with_timeout(5s, number_after(3s, 7));
        EXPECT_EQ(number, 7);
        EXPECT_EQ(elapsed(), 3s);
        EXPECT_EQ(loop().next_deadline(), no_deadline);
    });
}

TEST_F(Timeout, WhatDoesNotEndInTimeIsCancelledAtTheDeadline) {
    run([this]() -> task<> {
        std::string end;
        const auto work = [](std::string& end) -> task<> { end = co_await end_of(sleep_for(1h)); };
        EXPECT_EQ(co_await end_of(with_timeout(5s, number_after(1h, 7))), "timed out");
        EXPECT_EQ(elapsed(), 5s);
        EXPECT_EQ(co_await end_of(with_timeout(5s, work(end))), "done") << "it caught the cancel and returned";
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(elapsed(), 10s);
        EXPECT_EQ(loop().next_deadline(), no_deadline);
    });
}

TEST_F(Timeout, OfZeroOrLessLetsThroughWhatNeedNotWait) {
    run([this]() -> task<> {
        const auto ready = []() -> task<int> { co_return 1; };
        for (const duration none : {0s, -5s, std::chrono::seconds(duration::min() / 1s)}) {
            EXPECT_EQ(co_await with_timeout(none, ready()), 1);
            EXPECT_EQ(co_await end_of(with_timeout(none, yield())), "done") << "a turn";
            EXPECT_EQ(co_await end_of(with_timeout(none, sleep_for(1ns))), "timed out");
            EXPECT_EQ(co_await end_of(with_timeout(none, wait_readable(3))), "timed out");
        }
        EXPECT_EQ(co_await end_of(with_timeout(std::chrono::hours::min(), wait_readable(3))), "timed out");
        EXPECT_EQ(elapsed(), 0s);
    });
}

TEST_F(Timeout, TooLongToBeATimeIsNoDeadlineAtAll) {
    run([this]() -> task<> {
        EXPECT_EQ(co_await with_timeout(std::chrono::hours::max(), number_after(1000h, 1)), 1);
        EXPECT_EQ(co_await with_timeout(duration::max(), number_after(1000h, 2)), 2);
        EXPECT_EQ(co_await with_deadline(no_deadline, number_after(1000h, 3)), 3);
        EXPECT_EQ(elapsed(), 3000h);
    });
}

TEST_F(Timeout, TheInnerOneOfTwoIsEarlier) {
    run([this]() -> task<> {
        const auto both = [](std::string& inner_end) -> task<int> {
            inner_end = co_await end_of(with_timeout(2s, sleep_for(1h)));
            co_await sleep_for(1s);
            co_return 5;
        };
        std::string inner_end;
        EXPECT_EQ(co_await with_timeout(10s, both(inner_end)), 5);
        EXPECT_EQ(inner_end, "timed out");
        EXPECT_EQ(elapsed(), 3s);
    });
}

TEST_F(Timeout, TheOuterOneOfTwoIsEarlierAndTheInnerOneSeesACancel) {
    run([this]() -> task<> {
        const auto both = [](std::string& inner_end) -> task<> {
            inner_end = co_await end_of(with_timeout(10s, sleep_for(1h)));
            co_await yield();
        };
        std::string inner_end;
        EXPECT_EQ(co_await end_of(with_timeout(2s, both(inner_end))), "timed out");
        EXPECT_EQ(inner_end, "cancelled");
        EXPECT_EQ(elapsed(), 2s);
    });
}

TEST_F(Timeout, TwoAtTheSameMomentCountAsTheOuterOne) {
    run([]() -> task<> {
        const auto both = [](std::string& inner_end) -> task<> {
            inner_end = co_await end_of(with_timeout(2s, sleep_for(1h)));
            co_await yield();
        };
        std::string inner_end;
        EXPECT_EQ(co_await end_of(with_timeout(2s, both(inner_end))), "timed out");
        EXPECT_EQ(inner_end, "cancelled");
    });
}

TEST_F(Timeout, TheResultWinsWhenItArrivesAllTheSame) {
    run([this]() -> task<> {
        world().answer_cancel_with(POLLIN);
        const auto events = co_await with_timeout(1s, wait_readable(3));
        EXPECT_EQ(events, static_cast<std::uint32_t>(POLLIN));
        EXPECT_EQ(elapsed(), 1s);
    });
}

TEST_F(Timeout, AResultAtTheVeryMomentOfTheDeadline) {
    run([this]() -> task<> {
        // What is due first in the order of deadlines, and then of arming, happens first.
        EXPECT_EQ(co_await end_of(with_timeout(1s, number_after(1s, 1))), "timed out");
        EXPECT_EQ(co_await end_of(with_timeout(1s, number_after(1s - 1ns, 2))), "done");
        const auto armed_before = loop().now() + 1s;
        auto sleeping = sleep_until(armed_before);
        event done;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await std::move(sleeping);
                done.set();
            });
            co_await yield();
            EXPECT_EQ(co_await end_of(with_deadline(armed_before, done.wait())), "timed out");
            EXPECT_EQ(loop().now(), armed_before);
        });
    });
}

TEST_F(Timeout, CancellingTheScopeAroundIsNoTimeout) {
    run([this]() -> task<> {
        std::string end;
        std::string also_expired;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { end = co_await end_of(with_timeout(10s, sleep_for(1h))); });
            group.spawn([&]() -> task<> {
                // Cleans up for so long that the deadline passes as well.
                const auto work = []() -> task<> {
                    std::string how = co_await end_of(sleep_for(1h));
                    co_await shield(sleep_for(20s));
                    co_await yield();
                };
                also_expired = co_await end_of(with_timeout(10s, work()));
            });
            co_await sleep_for(1s);
            group.cancel();
        });
        EXPECT_EQ(end, "cancelled");
        EXPECT_EQ(also_expired, "cancelled");
        EXPECT_EQ(elapsed(), 21s);
    });
}

TEST_F(Timeout, WaitsForTheCleanUpOfWhatItEnded) {
    run([this]() -> task<> {
        const auto work = []() -> task<> {
            std::string how = co_await end_of(sleep_for(1h));
            co_await shield(sleep_for(3s));
            co_await yield();
        };
        EXPECT_EQ(co_await end_of(with_timeout(5s, work())), "timed out");
        EXPECT_EQ(elapsed(), 8s);
    });
}

TEST_F(Timeout, AShieldWithADeadlineOfItsOwnEnds) {
    run([this]() -> task<> {
        co_await with_task_group([this](task_group& group) -> task<> {
            group.cancel();
            EXPECT_EQ(co_await end_of(shield(with_timeout(2s, sleep_for(1h)))), "timed out");
            EXPECT_EQ(elapsed(), 2s);
        });
    });
}

TEST_F(Timeout, OtherExceptionsPass) {
    run([]() -> task<> {
        const auto fails = []() -> task<int> {
            co_await sleep_for(1s);
            throw std::runtime_error("its own");
        };
        EXPECT_EQ(co_await end_of(with_timeout(2s, fails())), "its own");
        EXPECT_EQ(co_await end_of(move_on_after(2s, fails())), "its own");
    });
}

TEST_F(Timeout, ResultsOfEveryKind) {
    run([]() -> task<> {
        int target = 1;
        const auto reference = [](int& target) -> task<int&> {
            co_await yield();
            co_return target;
        };
        const auto owner = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); };
        int& same = co_await with_timeout(1s, reference(target));
        EXPECT_EQ(&same, &target);
        const auto owned = co_await with_timeout(1s, owner());
        EXPECT_EQ(*owned, 4);
        const auto perhaps = co_await move_on_after(1s, owner());
        EXPECT_EQ(**perhaps, 4);
        mutex free;
        const auto lock = co_await with_timeout(1s, free.lock());
        EXPECT_TRUE(lock);
        const auto no_lock = co_await move_on_after(1s, free.lock());
        EXPECT_FALSE(no_lock.has_value());
        static_assert(std::same_as<decltype(no_lock), const std::optional<mutex_lock>>);
    });
}

TEST_F(Timeout, MovingOnIsNoError) {
    run([this]() -> task<> {
        const bool in_time = co_await move_on_after(5s, sleep_for(3s));
        EXPECT_TRUE(in_time);
        const bool too_late = co_await move_on_after(5s, sleep_for(7s));
        EXPECT_FALSE(too_late);
        EXPECT_EQ(elapsed(), 8s);
        const std::optional<int> number = co_await move_on_after(5s, number_after(3s, 2));
        EXPECT_EQ(number, 2);
        const std::optional<int> nothing = co_await move_on_after(5s, number_after(7s, 2));
        EXPECT_EQ(nothing, std::nullopt);
        co_await yield();  // the scope around is not cancelled
    });
}

TEST_F(Timeout, MovingOnDoesNotSwallowACancelFromOutside) {
    run([]() -> task<> {
        std::string end;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { end = co_await end_of(move_on_after(10s, sleep_for(1h))); });
            co_await sleep_for(1s);
            group.cancel();
        });
        EXPECT_EQ(end, "cancelled");
    });
}

TEST_F(Timeout, IsCountedFromTheAwaitAndADeadlineIsAbsolute) {
    run([this]() -> task<> {
        auto relative = with_timeout(5s, sleep_for(1h));
        auto absolute = with_deadline(loop().now() + 6s, sleep_for(1h));
        co_await sleep_for(2s);
        EXPECT_EQ(co_await end_of(std::move(absolute)), "timed out");
        EXPECT_EQ(elapsed(), 6s);
        EXPECT_EQ(co_await end_of(std::move(relative)), "timed out");
        EXPECT_EQ(elapsed(), 11s);
        EXPECT_EQ(co_await end_of(with_deadline(loop().now() - 1s, sleep_for(1h))), "timed out");
        EXPECT_EQ(elapsed(), 11s);
    });
}

TEST_F(Timeout, EndsAGroupAndAllItsChildren) {
    run([this]() -> task<> {
        int ended = 0;
        const auto crowd = [](int& ended) -> task<> {
            co_await with_task_group([&](task_group& group) -> task<> {
                for (int i = 0; i != 10; ++i) {
                    group.spawn([&]() -> task<> { ended += (co_await end_of(sleep_for(1h))) == "cancelled"; });
                }
                co_await sleep_for(2h);
            });
        };
        EXPECT_EQ(co_await end_of(with_timeout(5s, crowd(ended))), "timed out");
        EXPECT_EQ(ended, 10);
        EXPECT_EQ(elapsed(), 5s);
    });
}

TEST_P(RealTimeout, EndsAWaitThatNobodyWouldEnd) {
    run([this]() -> task<> {
        event never;
        const time_point start = loop().now();
        EXPECT_EQ(co_await end_of(with_timeout(2ms, never.wait())), "timed out");
        EXPECT_GE(loop().now() - start, 2ms);
    });
}

}  // namespace sennit::testing::timeout_test
