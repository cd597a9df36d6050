// Holds the timer wheel against a sorted map of (deadline, order of arming) under random operations.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <sennit/detail/timer.hpp>
#include <sennit/time.hpp>

#include "support/sanitized.hpp"
#include "timer_wheel.hpp"

namespace timer_wheel_model_test {

using sennit::duration;
using sennit::no_deadline;
using sennit::time_point;
using sennit::detail::timer_wheel;

constexpr std::int64_t last_tick = no_deadline.time_since_epoch().count() - 1;

// Many timers under random operations, next to a model that is too simple to be wrong. `expire` compares each
// expiry with the model's front, and arms and cancels on its own.
class model_check {
  public:
    model_check(std::uint64_t seed, time_point start) : random_(seed), now_(start) {
        wheel_.advance(start);
        for (std::size_t i = 0; i < timer_count; ++i) timers_.push_back(std::make_unique<entry>(*this));
    }

    ~model_check() {
        for (auto& each : timers_) wheel_.cancel(*each);
    }

    void run(int operations) {
        for (int i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
            const std::uint64_t choice = random_() % 100;
            if (choice < 55) {
                rearm(any());
            } else if (choice < 80) {
                cancel(any());
            } else {
                advance(choice);
            }
            check();
        }
    }

    std::size_t expiries() const { return expiries_; }

  private:
    using key = std::pair<time_point, std::uint64_t>;

    struct entry final : sennit::detail::timer {
        explicit entry(model_check& owner) : owner_(owner) {}
        void expire() noexcept override { owner_.expired(*this); }
        model_check& owner_;
        key place;
    };

    static constexpr std::size_t timer_count = 500;

    entry& any() { return *timers_[random_() % timer_count]; }

    std::uint64_t random_magnitude(unsigned bits) { return random_() >> (64 - 1 - random_() % bits); }

    time_point random_deadline() {
        const std::uint64_t choice = random_() % 100;
        if (choice < 1) return no_deadline;
        if (choice < 2) return time_point::min();
        if (choice < 6) return sennit::saturating_add(now_, -duration(random_magnitude(40)));
        if (choice < 10) return now_;
        if (choice < 40) return remembered_;  // So that deadlines are often equal, armed from different distances.
        const duration ahead(random_magnitude(choice < 90 ? 34 : 63));
        remembered_ = sennit::saturating_add(now_, ahead);
        return remembered_;
    }

    void rearm(entry& which) {
        cancel(which);
        const time_point deadline = random_deadline();
        wheel_.arm(which, deadline);
        which.place = {std::max(deadline, now_), ++sequence_};
        pending_.emplace(which.place, &which);
    }

    void cancel(entry& which) {
        const bool known = pending_.erase(which.place) + due_.erase(which.place) == 1;
        ASSERT_EQ(wheel_.cancel(which), known);
        which.place = {};
    }

    void advance(std::uint64_t choice) {
        if (choice < 90) {
            now_ =
                std::max(now_, std::min(wheel_.next_deadline(), sennit::saturating_add(now_, std::chrono::hours(1))));
        } else if (choice < 99) {
            now_ = sennit::saturating_add(now_, duration(random_magnitude(36)));
        } else {
            now_ = sennit::saturating_add(now_, duration(random_magnitude(50)));
        }
        now_ = std::min(now_, no_deadline - duration(1));
        while (!pending_.empty() && pending_.begin()->first.first <= now_)
            due_.insert(pending_.extract(pending_.begin()));
        const std::size_t before = expiries_;
        const std::size_t count = wheel_.advance(now_);
        ASSERT_EQ(count, expiries_ - before);
        ASSERT_TRUE(due_.empty()) << "some that were due did not expire";
    }

    void expired(entry& which) {
        ++expiries_;
        ASSERT_FALSE(due_.empty()) << "expired without being due";
        ASSERT_EQ(due_.begin()->second, &which) << "out of order";
        due_.erase(due_.begin());
        which.place = {};
        const std::uint64_t choice = random_() % 10;
        if (choice < 4) rearm(which);
        if (choice == 4) rearm(any());
        if (choice == 5) cancel(any());
        if (choice == 6 && !due_.empty()) cancel(*due_.rbegin()->second);
        if (choice == 7 && !due_.empty()) rearm(*due_.begin()->second);
    }

    void check() {
        ASSERT_EQ(wheel_.size(), pending_.size());
        const time_point next = wheel_.next_deadline();
        ASSERT_GE(next, now_);
        if (pending_.empty()) {
            ASSERT_EQ(next, no_deadline);
        } else {
            const time_point earliest = pending_.begin()->first.first;
            ASSERT_LE(next, earliest);
            if (earliest == no_deadline) {
                ASSERT_EQ(next, no_deadline);
            }
        }
    }

    std::mt19937_64 random_;
    time_point now_;
    time_point remembered_;
    timer_wheel wheel_;
    std::vector<std::unique_ptr<entry>> timers_;
    std::multimap<key, entry*> pending_;
    std::multimap<key, entry*> due_;
    std::uint64_t sequence_ = 0;
    std::size_t expiries_ = 0;
};

TEST(TimerWheelModel, MillionRandomOperationsAgreeWithASortedMap) {
    constexpr int episodes = sennit::testing::is_sanitized ? 20 : 100;
    std::mt19937_64 starts(1);
    std::size_t expiries = 0;
    for (std::uint64_t seed = 0; seed < episodes && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        // Start anywhere, near the epoch and near the end of time as well.
        std::int64_t start = static_cast<std::int64_t>(starts() >> (1 + starts() % 63));
        if (seed % 10 == 9) start = last_tick - start % (std::int64_t{1} << 40);
        model_check check(seed, time_point(duration(std::min(start, last_tick))));
        check.run(10'000);
        expiries += check.expiries();
    }
    EXPECT_GT(expiries, episodes * 1000u) << "the operations have to make timers expire to show anything";
}

}  // namespace timer_wheel_model_test
