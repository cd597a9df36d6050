// What the loop relies on its timers for: order, cancellation, deadlines at the ends of the clock, and
// re-entrancy. The model they are held against is a sorted map of (deadline, order of arming).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include <sennit/detail/timer.hpp>
#include <sennit/time.hpp>

#include "timer_wheel.hpp"

namespace timer_wheel_test {

using sennit::duration;
using sennit::no_deadline;
using sennit::time_point;
using sennit::detail::timer_wheel;

time_point at(std::int64_t tick) {
    return time_point(duration(tick));
}
std::int64_t tick_of(time_point moment) {
    return moment.time_since_epoch().count();
}

class recording_timer final : public sennit::detail::timer {
  public:
    recording_timer(int name, std::vector<int>& log) : name_(name), log_(&log) {}

    std::function<void()> on_expire;

    void expire() noexcept override {
        log_->push_back(name_);
        if (on_expire) on_expire();
    }

  private:
    int name_;
    std::vector<int>* log_;
};

class TimerWheel : public testing::Test {
  protected:
    ~TimerWheel() override {
        for (auto& each : timers_) wheel.cancel(*each);
    }

    // Timers are named in the order of their making: 0, 1, 2 ...
    recording_timer& make() {
        timers_.push_back(std::make_unique<recording_timer>(static_cast<int>(timers_.size()), expired));
        return *timers_.back();
    }
    recording_timer& armed_for(time_point deadline) {
        recording_timer& made = make();
        wheel.arm(made, deadline);
        return made;
    }
    recording_timer& armed_for(std::int64_t tick) { return armed_for(at(tick)); }

    std::vector<int> expired;
    timer_wheel wheel;

  private:
    std::vector<std::unique_ptr<recording_timer>> timers_;
};

using names = std::vector<int>;

TEST_F(TimerWheel, EmptyWheelHasNoDeadlineAndExpiresNothing) {
    EXPECT_EQ(wheel.next_deadline(), no_deadline);
    EXPECT_EQ(wheel.advance(at(1'000'000)), 0u);
    EXPECT_EQ(wheel.next_deadline(), no_deadline);
    EXPECT_EQ(wheel.size(), 0u);
}

TEST_F(TimerWheel, ExpiresAtItsDeadlineAndNotOneTickBefore) {
    for (int bit = 0; bit < 63; ++bit) {
        timer_wheel fresh;
        names log;
        recording_timer timer(bit, log);
        const std::int64_t deadline = std::int64_t{1} << bit;
        fresh.arm(timer, at(deadline));
        EXPECT_EQ(fresh.next_deadline(), at(deadline));
        EXPECT_EQ(fresh.advance(at(deadline - 1)), 0u) << "bit " << bit;
        EXPECT_TRUE(timer.armed());
        EXPECT_EQ(fresh.advance(at(deadline)), 1u) << "bit " << bit;
        EXPECT_FALSE(timer.armed());
        EXPECT_EQ(fresh.size(), 0u);
    }
}

TEST_F(TimerWheel, ExpiresInOrderOfDeadlinesWithinOneAdvance) {
    for (const std::int64_t tick : {500, 70, 1'000'000'000, 3, 69, 4096, 64, 63, 262'144}) armed_for(tick);
    EXPECT_EQ(wheel.advance(at(1'000'000'000)), 9u);
    EXPECT_EQ(expired, (names{3, 7, 6, 4, 1, 0, 5, 8, 2}));
}

TEST_F(TimerWheel, EqualDeadlinesExpireInOrderOfArming) {
    for (int i = 0; i < 100; ++i) armed_for(123'456'789);
    wheel.advance(at(123'456'789));
    names expected(100);
    for (int i = 0; i < 100; ++i) expected[static_cast<std::size_t>(i)] = i;
    EXPECT_EQ(expired, expected);
}

TEST_F(TimerWheel, EqualDeadlinesArmedFromFarAndNearExpireInOrderOfArming) {
    constexpr std::int64_t deadline = 0x123'4567'89ab'cdef;
    // Each pair is armed from a distance that puts it on another level than the pair before.
    for (std::int64_t distance = std::int64_t{1} << 56; distance > 0; distance /= 3) {
        wheel.advance(at(deadline - distance));
        armed_for(deadline);
        armed_for(deadline);
    }
    ASSERT_TRUE(expired.empty());
    const auto armed = wheel.size();
    EXPECT_EQ(wheel.advance(at(deadline)), armed);
    EXPECT_TRUE(std::is_sorted(expired.begin(), expired.end()));
}

TEST_F(TimerWheel, ZeroAndPastDeadlinesAreDueAtTheNextAdvance) {
    wheel.advance(at(1000));
    armed_for(1000);
    armed_for(999);
    armed_for(0);
    armed_for(-5);
    armed_for(time_point::min());
    armed_for(1001);
    EXPECT_EQ(wheel.next_deadline(), at(1000));
    EXPECT_EQ(wheel.advance(at(1000)), 5u) << "the time need not move for what is due already";
    EXPECT_EQ(expired, (names{0, 1, 2, 3, 4}));
    EXPECT_EQ(wheel.next_deadline(), at(1001));
}

TEST_F(TimerWheel, TimeBeforeTheEpochIsTheEpoch) {
    armed_for(-1);
    armed_for(1);
    EXPECT_EQ(wheel.advance(time_point::min()), 1u);
    EXPECT_EQ(expired, names{0});
    EXPECT_EQ(wheel.next_deadline(), at(1));
}

TEST_F(TimerWheel, TimeNeverGoesBack) {
    wheel.advance(at(5000));
    armed_for(5010);
    EXPECT_EQ(wheel.advance(at(10)), 0u);
    armed_for(4000);
    EXPECT_EQ(wheel.next_deadline(), at(5000));
    EXPECT_EQ(wheel.advance(at(20)), 1u);
    EXPECT_EQ(expired, names{1});
    EXPECT_EQ(wheel.advance(at(5010)), 1u);
    EXPECT_EQ(expired, (names{1, 0}));
}

TEST_F(TimerWheel, NoDeadlineCountsAsArmedAndNeverExpires) {
    recording_timer& never = armed_for(no_deadline);
    EXPECT_TRUE(never.armed());
    EXPECT_EQ(wheel.size(), 1u);
    EXPECT_EQ(wheel.next_deadline(), no_deadline);
    EXPECT_EQ(wheel.advance(time_point::max()), 0u);
    EXPECT_TRUE(wheel.cancel(never));
    EXPECT_EQ(wheel.size(), 0u);
}

TEST_F(TimerWheel, CrowdWithoutDeadlineKeepsTheLoopAsleep) {
    for (int i = 0; i < 100; ++i) armed_for(no_deadline);
    EXPECT_EQ(wheel.next_deadline(), no_deadline);
    armed_for(30);
    EXPECT_EQ(wheel.next_deadline(), at(30));
    EXPECT_EQ(wheel.advance(at(30)), 1u);
    EXPECT_EQ(wheel.next_deadline(), no_deadline);
    EXPECT_EQ(wheel.size(), 100u);
}

TEST_F(TimerWheel, LastDeadlinesBeforeNeverExpireInOrder) {
    const std::int64_t last = tick_of(no_deadline) - 1;
    armed_for(no_deadline);
    armed_for(last);
    armed_for(last - 1);
    EXPECT_EQ(wheel.next_deadline(), at(last - 1));
    EXPECT_EQ(wheel.advance(at(last - 1)), 1u);
    EXPECT_EQ(wheel.advance(no_deadline), 1u);
    EXPECT_EQ(expired, (names{2, 1}));
    EXPECT_EQ(wheel.size(), 1u);
    armed_for(last);
    EXPECT_EQ(wheel.next_deadline(), at(last)) << "what is due has a deadline";
    EXPECT_EQ(wheel.advance(no_deadline), 1u) << "the wheel still works at the end of time";
}

TEST_F(TimerWheel, CancelledTimerDoesNotExpire) {
    recording_timer& first = armed_for(100);
    armed_for(100);
    recording_timer& last = armed_for(100);
    EXPECT_TRUE(wheel.cancel(first));
    EXPECT_TRUE(wheel.cancel(last));
    EXPECT_FALSE(wheel.cancel(first)) << "it was not armed any more";
    EXPECT_FALSE(first.armed());
    EXPECT_EQ(wheel.size(), 1u);
    EXPECT_EQ(wheel.advance(at(100)), 1u);
    EXPECT_EQ(expired, names{1});
}

TEST_F(TimerWheel, CancellingTheEarliestTimerForgetsItsDeadline) {
    recording_timer& early = armed_for(10);
    armed_for(1'000'000);
    EXPECT_EQ(wheel.next_deadline(), at(10));
    wheel.cancel(early);
    EXPECT_EQ(wheel.next_deadline(), at(1'000'000));
}

TEST_F(TimerWheel, CancelledTimerCanBeArmedForAnotherDeadline) {
    recording_timer& timer = armed_for(10);
    wheel.cancel(timer);
    wheel.arm(timer, at(5'000'000'000));
    EXPECT_EQ(timer.deadline(), at(5'000'000'000));
    EXPECT_EQ(wheel.advance(at(4'999'999'999)), 0u);
    EXPECT_EQ(wheel.advance(at(5'000'000'000)), 1u);
}

TEST_F(TimerWheel, ExpireCanCancelASiblingThatIsDueToo) {
    recording_timer& first = armed_for(100);
    recording_timer& sibling = armed_for(100);
    recording_timer& later = armed_for(90'000);
    armed_for(90'001);
    first.on_expire = [&] {
        EXPECT_TRUE(wheel.cancel(sibling));
        EXPECT_TRUE(wheel.cancel(later));
    };
    EXPECT_EQ(wheel.advance(at(100'000)), 2u);
    EXPECT_EQ(expired, (names{0, 3}));
    EXPECT_EQ(wheel.size(), 0u);
}

TEST_F(TimerWheel, ExpireCanCancelTheLastTimerThatIsDue) {
    recording_timer& first = armed_for(100);
    recording_timer& last = armed_for(100);
    first.on_expire = [&] { wheel.cancel(last); };
    EXPECT_EQ(wheel.advance(at(100)), 1u);
    EXPECT_EQ(wheel.next_deadline(), no_deadline);
}

TEST_F(TimerWheel, ExpireFindsItsTimerDisarmedAndMayDestroyIt) {
    struct ephemeral final : sennit::detail::timer {
        ephemeral(std::unique_ptr<ephemeral>& owner, timer_wheel& wheel) : owner_(owner), wheel_(wheel) {}
        void expire() noexcept override {
            EXPECT_FALSE(armed());
            EXPECT_EQ(wheel_.size(), 1u);
            owner_.reset();
        }
        std::unique_ptr<ephemeral>& owner_;
        timer_wheel& wheel_;
    };
    std::unique_ptr<ephemeral> owned;
    owned = std::make_unique<ephemeral>(owned, wheel);
    wheel.arm(*owned, at(50));
    armed_for(50);
    EXPECT_EQ(wheel.advance(at(50)), 2u);
    EXPECT_EQ(owned, nullptr);
    EXPECT_EQ(expired, names{0});
}

TEST_F(TimerWheel, TimerRearmedForNowExpiresOnceAnAdvance) {
    recording_timer& eager = armed_for(100);
    eager.on_expire = [&] { wheel.arm(eager, at(0)); };
    for (std::size_t round = 1; round <= 5; ++round) {
        EXPECT_EQ(wheel.advance(at(1000)), 1u);
        EXPECT_EQ(expired.size(), round);
        EXPECT_EQ(wheel.next_deadline(), at(1000)) << "it is due at once, so the loop must not sleep";
    }
}

TEST_F(TimerWheel, DueTimerCancelledAndRearmedFromExpireWaitsForTheNextAdvance) {
    recording_timer& first = armed_for(100);
    recording_timer& second = armed_for(200);
    armed_for(300);
    first.on_expire = [&] {
        wheel.cancel(second);
        wheel.arm(second, at(200));
        // The time of the wheel is 1000 already, and so is this one's place in the order.
        armed_for(150);
    };
    EXPECT_EQ(wheel.advance(at(1000)), 2u);
    EXPECT_EQ(expired, (names{0, 2}));
    EXPECT_EQ(wheel.advance(at(1000)), 2u);
    EXPECT_EQ(expired, (names{0, 2, 1, 3}));
}

TEST_F(TimerWheel, NextDeadlineDuringAnAdvanceIsNowWhileOthersAreDue) {
    recording_timer& first = armed_for(100);
    recording_timer& last = armed_for(100);
    armed_for(5000);
    first.on_expire = [&] { EXPECT_EQ(wheel.next_deadline(), at(200)); };
    last.on_expire = [&] { EXPECT_EQ(wheel.next_deadline(), at(5000)); };
    EXPECT_EQ(wheel.advance(at(200)), 2u);
}

TEST_F(TimerWheel, NextDeadlineIsExactWhileFewTimersShareASlot) {
    for (std::int64_t tick = 1'000'015; tick >= 1'000'000; --tick) armed_for(tick);
    EXPECT_EQ(wheel.next_deadline(), at(1'000'000));
}

TEST_F(TimerWheel, FollowingNextDeadlineReachesTheEarliestTimerInFewSteps) {
    std::mt19937_64 random(20260);
    for (int round = 0; round < 200; ++round) {
        timer_wheel crowded;
        names log;
        // A crowd in one slot, so that no level may be skipped by looking at its timers.
        const std::int64_t center = static_cast<std::int64_t>(random() >> 1) & ~std::int64_t{0xfff};
        std::int64_t earliest = tick_of(no_deadline);
        std::vector<std::unique_ptr<recording_timer>> crowd;
        for (int i = 0; i < 40; ++i) {
            const std::int64_t deadline = center + 1 + static_cast<std::int64_t>(random() % 4000);
            earliest = std::min(earliest, deadline);
            crowd.push_back(std::make_unique<recording_timer>(i, log));
            crowded.arm(*crowd.back(), at(deadline));
        }
        int steps = 0;
        for (time_point next; (next = crowded.next_deadline()) != at(earliest); ++steps) {
            ASSERT_LT(next, at(earliest));
            ASSERT_LT(steps, 10);
            ASSERT_EQ(crowded.advance(next), 0u);
        }
        EXPECT_GE(crowded.advance(at(earliest)), 1u);
        for (auto& each : crowd) crowded.cancel(*each);
    }
}

TEST_F(TimerWheel, TimerCanBeMovedUntilItIsArmed) {
    struct awaiter final : sennit::detail::timer {
        awaiter(time_point deadline, int& count) : timer(deadline), count_(&count) {}
        awaiter(awaiter&&) = default;
        void expire() noexcept override { ++*count_; }
        int* count_;
    };
    static_assert(!std::is_copy_constructible_v<awaiter> && !std::is_move_assignable_v<awaiter>);
    int count = 0;
    awaiter made(at(77), count);
    awaiter moved(std::move(made));
    EXPECT_FALSE(moved.armed());
    EXPECT_EQ(moved.deadline(), at(77));
    wheel.arm(moved, moved.deadline());
    EXPECT_EQ(wheel.advance(at(77)), 1u);
    EXPECT_EQ(count, 1);
}

TEST_F(TimerWheel, CrowdedSlotExpiresInOrder) {
    // All in one slot of a high level, hence moved down through the levels below.
    constexpr int count = 100'000;
    std::mt19937_64 random(2);
    std::vector<std::pair<std::int64_t, int>> expected;
    for (int i = 0; i < count; ++i) {
        const auto deadline = (std::int64_t{5} << 54) + static_cast<std::int64_t>(random() >> 11);
        armed_for(deadline);
        expected.emplace_back(deadline, i);
    }
    EXPECT_EQ(wheel.next_deadline(), at(std::int64_t{5} << 54)) << "they are meant to share the slot";
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(wheel.advance(at(std::int64_t{6} << 54)), expected.size());
    ASSERT_EQ(expired.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(expired[i], expected[i].second) << "at " << i;
}

using TimerWheelDeathTest = TimerWheel;

TEST_F(TimerWheelDeathTest, MisuseIsCaughtInDebugBuilds) {
    names log;
    recording_timer idle(0, log);
    EXPECT_DEBUG_DEATH(
        {
            timer_wheel abandoned;
            abandoned.arm(idle, at(1));
        },
        "size_ == 0");
}

}  // namespace timer_wheel_test
