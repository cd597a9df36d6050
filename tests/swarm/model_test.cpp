// The swarm itself is tested: its programs are rich enough to show something, and its model notices when a run is not
// as it should be.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>

#include "model.hpp"
#include "run_seed.hpp"

namespace sennit::swarm {
namespace {

bool is_accepted(const program& plan, const observations& seen) {
    try {
        check_tasks(plan, seen);
        check_shared(plan, seen, timing::exact);
    } catch (const disagreement&) {
        return false;
    }
    return true;
}

void collect(const step& from, const observations& seen, std::set<std::pair<action, outcome>>& found) {
    if (seen.of[from.id].ended) found.emplace(from.what, seen.of[from.id].how);
    for (const sequence& part : from.parts) {
        for (const step& each : part.steps) collect(each, seen, found);
    }
}

TEST(SwarmPrograms, EndInEveryWay) {
    std::set<std::pair<action, outcome>> found;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) collect(generate(seed).root, run_seed(seed).seen, found);
    for (std::size_t i = 0; i != action_count; ++i) {
        const auto what = static_cast<action>(i);
        if (what != action::fail) {
            EXPECT_TRUE(found.contains({what, outcome::done})) << name_of(what);
        }
        const bool is_instant = what == action::set || what == action::close || what == action::spawn ||
                                what == action::cancel || what == action::fail;
        if (!is_instant && what != action::shield) {
            EXPECT_TRUE(found.contains({what, outcome::cancelled})) << name_of(what);
        }
        if (what >= action::lock && what != action::attempt) {
            EXPECT_TRUE(found.contains({what, outcome::failed})) << name_of(what);
        }
    }
}

TEST(SwarmModel, NoticesWhatEndsLaterThanItShould) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const program plan = generate(seed);
        observations seen = run_seed(seed).seen;
        ASSERT_TRUE(is_accepted(plan, seen)) << seed;
        for (observation& each : seen.of) {
            if (!each.ended) continue;
            each.ended->at += duration(1);
            EXPECT_FALSE(is_accepted(plan, seen)) << seed;
            each.ended->at -= duration(1);
        }
    }
}

TEST(SwarmModel, NoticesWhatEndsInAnotherWay) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const program plan = generate(seed);
        observations seen = run_seed(seed).seen;
        for (observation& each : seen.of) {
            if (!each.ended) continue;
            const outcome before = each.how;
            each.how = before == outcome::failed ? outcome::done : outcome::failed;
            EXPECT_FALSE(is_accepted(plan, seen)) << seed;
            each.how = before;
        }
    }
}

TEST(SwarmModel, NoticesALostValue) {
    std::size_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        const program plan = generate(seed);
        observations seen = run_seed(seed).seen;
        for (observation& each : seen.of) {
            if (!each.received) continue;
            ++lost;
            const observation before = each;
            each.how = outcome::cancelled;
            EXPECT_FALSE(is_accepted(plan, seen)) << seed;
            each = before;
        }
    }
    EXPECT_GT(lost, 50u);
}

}  // namespace
}  // namespace sennit::swarm
