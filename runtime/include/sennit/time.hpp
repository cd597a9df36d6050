#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

namespace sennit {

/// A length of time. Every timeout of the library is one; nanoseconds in 64 bits reach 292 years.
using duration = std::chrono::nanoseconds;

/// The clock that deadlines are measured on: steady, with an epoch that only its loop knows.
///
/// It has no static `now()`, on purpose. The time comes from an event loop, because a simulated world has a
/// time of its own; a global `now()` would read the machine's clock behind its back. For the same reason the
/// standard's sleeping and waiting functions refuse this clock at compile time.
struct clock {
    using duration = sennit::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<clock, duration>;
    static constexpr bool is_steady = true;
};

/// A moment on `clock`.
using time_point = clock::time_point;

/// The deadline of what may take for ever.
inline constexpr time_point no_deadline = time_point::max();

/// Converts any standard duration to nanoseconds, rounding towards zero as `std::chrono::duration_cast` does,
/// but without its overflow: what does not fit becomes `duration::max()` or `duration::min()`, so that
/// `std::chrono::hours::max()` is a very long timeout and not an accidental past one.
///
/// A NaN becomes zero: a timeout computed wrongly ends at once, where it is noticed, rather than never.
template <class Rep, class Period>
constexpr duration saturating_cast(std::chrono::duration<Rep, Period> length) noexcept {
    static_assert(std::is_arithmetic_v<Rep>, "only durations that count in built-in numbers can be converted");
    // One count is num * multiplier / divisor nanoseconds.
    using fraction = std::ratio<std::nano::den, Period::den>;  // in its lowest terms
    constexpr std::intmax_t multiplier = fraction::num;
    constexpr std::intmax_t divisor = fraction::den;
    const Rep count = length.count();
    if constexpr (std::is_floating_point_v<Rep>) {
        using real = std::common_type_t<Rep, double>;
        constexpr real limit = 9223372036854775808.0;  // 2^63, exact in every binary floating type.
        constexpr real scale =
            static_cast<real>(Period::num) * static_cast<real>(multiplier) / static_cast<real>(divisor);
        // Coarse bounds first: a product that overflows, or that of a NaN, is no constant expression.
        if (count != count) return duration::zero();
        if (count >= 2 * (limit / scale)) return duration::max();
        if (count <= -2 * (limit / scale)) return duration::min();
        const real result = static_cast<real>(count) * static_cast<real>(Period::num) * static_cast<real>(multiplier) /
                            static_cast<real>(divisor);
        if (result >= limit) return duration::max();
        if (result <= -limit) return duration::min();
        return duration(static_cast<duration::rep>(result));
    } else {
        // 128 bits hold each intermediate value exactly, whatever the period: count * num has at most 127.
        __extension__ typedef unsigned __int128 wide;
        constexpr wide limit = wide{1} << 63;
        const bool negative = std::is_signed_v<Rep> && count < Rep{0};
        const auto bits = static_cast<std::uint64_t>(count);
        const wide scaled = wide{negative ? std::uint64_t{0} - bits : bits} * static_cast<wide>(Period::num);
        const wide whole = scaled / static_cast<wide>(divisor);
        if (whole >= limit) return negative ? duration::min() : duration::max();
        const wide rest = scaled % static_cast<wide>(divisor);
        const wide result =
            whole * static_cast<wide>(multiplier) + rest * static_cast<wide>(multiplier) / static_cast<wide>(divisor);
        if (result >= limit) return negative ? duration::min() : duration::max();
        const auto magnitude = static_cast<duration::rep>(result);
        return duration(negative ? -magnitude : magnitude);
    }
}

/// `moment` moved by `length`, stopping at the ends of the clock's range: a timeout that reaches past the
/// last moment is no deadline at all. `no_deadline` stays `no_deadline`, whatever is added.
constexpr time_point saturating_add(time_point moment, duration length) noexcept {
    if (moment == no_deadline) return no_deadline;
    constexpr auto highest = std::numeric_limits<duration::rep>::max();
    constexpr auto lowest = std::numeric_limits<duration::rep>::min();
    const duration::rep start = moment.time_since_epoch().count();
    const duration::rep step = length.count();
    if (step > 0 && start > highest - step) return time_point::max();
    if (step < 0 && start < lowest - step) return time_point::min();
    return moment + length;
}

}  // namespace sennit
