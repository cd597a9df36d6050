#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <sennit/testing/sim_options.hpp>

namespace sennit::testing::sim {

/// Everything that a seed decides, and the record of it. Only integers enter the record: no address, and nothing
/// that another compiler or a build of another kind could compute differently.
class decisions {
  public:
    explicit decisions(std::uint64_t seed, std::function<void(std::string_view)> sink) noexcept
        : state_(seed), sink_(std::move(sink)) {}

    /// A number below `bound`, which is not 0. `what` is a word for the record.
    std::uint64_t below(std::uint64_t bound, const char* what);

    /// True with this probability. What can never happen takes nothing from the seed.
    bool chance(parts_per_million probability, const char* what);

    /// A length of time from zero to `longest`.
    duration up_to(duration longest, const char* what);

    /// Adds a fact to the record: what it is, where, and a number.
    void note(const char* what, std::uint64_t where, std::int64_t number);

    std::uint64_t hash() const noexcept { return hash_; }

  private:
    std::uint64_t next() noexcept;
    void mix(std::uint64_t value) noexcept;

    std::uint64_t state_;
    std::uint64_t hash_ = 0;
    std::function<void(std::string_view)> sink_;
};

}  // namespace sennit::testing::sim
