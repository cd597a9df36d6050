// Conversions and sums of times that must not overflow. Most of this is settled by the compiler, whose
// constant evaluation also rejects any overflow on the way.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

#include <sennit/time.hpp>

namespace time_test {

using sennit::duration;
using sennit::no_deadline;
using sennit::saturating_add;
using sennit::saturating_cast;
using sennit::time_point;
using namespace std::chrono_literals;

template <class Rep, class Period = std::ratio<1>>
constexpr duration cast(Rep count) {
    return saturating_cast(std::chrono::duration<Rep, Period>(count));
}

TEST(SaturatingCast, IsExactWhereNanosecondsSuffice) {
    static_assert(saturating_cast(5s) == 5'000'000'000ns && saturating_cast(-3ms) == -3'000'000ns);
    static_assert(saturating_cast(duration::max()) == duration::max());
    static_assert(saturating_cast(duration::min()) == duration::min());
    static_assert(cast<std::int64_t>(9'223'372'036) == 9'223'372'036s);
    static_assert(cast<unsigned char, std::milli>(200) == 200ms);
    static_assert(cast<int, std::ratio<1, 3>>(2) == 666'666'666ns, "rounds towards zero");
    static_assert(cast<int, std::pico>(1999) == 1ns && cast<int, std::pico>(-1999) == -1ns);
    // Numerator and denominator are both so large that their product with a count needs more than 64 bits.
    static_assert(cast<int, std::ratio<4'000'000'000'000'000'000, 3'999'999'999'999'999'999>>(7) == 7s + 1ns - 1ns);
}

TEST(SaturatingCast, TooLongDurationsStopAtTheEnds) {
    static_assert(saturating_cast(std::chrono::hours::max()) == duration::max());
    static_assert(saturating_cast(std::chrono::hours::min()) == duration::min());
    static_assert(saturating_cast(std::chrono::seconds::max()) == duration::max());
    static_assert(saturating_cast(std::chrono::years(293)) == duration::max());
    static_assert(cast<std::int64_t>(9'223'372'037) == duration::max());
    static_assert(cast<std::int64_t>(-9'223'372'037) == duration::min());
    static_assert(cast<std::uint64_t, std::nano>(UINT64_MAX) == duration::max());
    static_assert(cast<int, std::exa>(1) == duration::max() && cast<int, std::exa>(0) == 0ns);
    static_assert(cast<std::int64_t, std::exa>(INT64_MIN) == duration::min());
}

TEST(SaturatingCast, FloatingDurationsRoundTowardsZeroAndStopAtTheEnds) {
    static_assert(cast(0.3) == 300ms && cast(-1.5) == -1500ms && cast(1.5f) == 1500ms);
    static_assert(cast<double, std::nano>(0.9) == 0ns && cast<long double, std::milli>(0.25L) == 250us);
    static_assert(cast<double, std::nano>(9223372036854774784.0) == 9223372036854774784ns, "the last that fits");
    static_assert(cast<double, std::nano>(9223372036854775808.0) == duration::max());
    static_assert(cast<double, std::nano>(-9223372036854775808.0) == duration::min());
    static_assert(cast(1e300) == duration::max() && cast(-1e300) == duration::min());
    constexpr double infinite = std::numeric_limits<double>::infinity();
    static_assert(cast(infinite) == duration::max() && cast(-infinite) == duration::min());
    EXPECT_EQ(cast(std::numeric_limits<double>::max()), duration::max());
}

TEST(SaturatingCast, NotANumberIsZero) {
    static_assert(cast(std::numeric_limits<double>::quiet_NaN()) == 0ns);
    static_assert(cast(std::numeric_limits<float>::quiet_NaN()) == 0ns);
}

TEST(SaturatingAdd, StopsAtTheEndsAndKeepsNoDeadline) {
    constexpr time_point start(100ns);
    static_assert(saturating_add(start, 5ns) == time_point(105ns));
    static_assert(saturating_add(start, -200ns) == time_point(-100ns));
    static_assert(saturating_add(start, duration::max()) == no_deadline);
    static_assert(saturating_add(start, duration::max() - 100ns) == no_deadline);
    static_assert(saturating_add(start, duration::max() - 101ns) == no_deadline - 1ns);
    static_assert(saturating_add(start, duration::min()) == time_point(duration::min() + 100ns));
    static_assert(saturating_add(time_point(-100ns), duration::min()) == time_point::min());
    static_assert(saturating_add(no_deadline, -1h) == no_deadline);
    static_assert(saturating_add(time_point::min(), duration::max()) == time_point(-1ns));
}

}  // namespace time_test
