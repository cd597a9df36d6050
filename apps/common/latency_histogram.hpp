#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <sennit/time.hpp>

namespace app {

/// Any number of latencies in a fixed 30 KiB. A bucket is at most 1/64 as wide as the values in it, so a quantile is
/// right to 1.6 %, from nanoseconds to centuries.
class latency_histogram {
  public:
    void record(sennit::duration latency) noexcept {
        const auto value = static_cast<std::uint64_t>(std::max<sennit::duration::rep>(0, latency.count()));
        ++buckets_[bucket_of(value)];
        ++count_;
        longest_ = std::max(longest_, value);
    }

    std::uint64_t count() const noexcept { return count_; }
    sennit::duration longest() const noexcept { return to_duration(longest_); }

    /// The latency that a share of `quantile` (0.99, say) does not exceed; zero when there are none.
    sennit::duration at(double quantile) const noexcept {
        const auto wanted = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket != buckets_.size(); ++bucket) {
            seen += buckets_[bucket];
            if (seen != 0 && seen >= wanted) return to_duration(std::min(longest_, highest_in(bucket)));
        }
        return {};
    }

  private:
    static constexpr unsigned precision = 6;  // bits of a value that tell buckets apart, below the leading one
    static constexpr std::uint64_t linear = std::uint64_t{1} << precision;  // below it a bucket for each value

    static std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < linear) return static_cast<std::size_t>(value);
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - precision - 1;
        return static_cast<std::size_t>(shift * linear + (value >> shift));
    }
    static std::uint64_t highest_in(std::size_t bucket) noexcept {
        if (bucket < 2 * linear) return bucket;
        const std::size_t shift = bucket / linear - 1;
        return ((bucket % linear + linear + 1) << shift) - 1;
    }
    static sennit::duration to_duration(std::uint64_t value) noexcept {
        return sennit::duration(static_cast<sennit::duration::rep>(value));
    }

    std::array<std::uint64_t, (64 - precision + 1) * linear> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t longest_ = 0;
};

}  // namespace app
