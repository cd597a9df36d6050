#pragma once

#include <cstdint>

namespace sennit::swarm {

/// Choices from a seed by integer arithmetic alone: the standard's distributions differ between libraries. It counts
/// in steps of the golden ratio and scrambles them with the finaliser of MurmurHash3.
class dice {
  public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}

    /// A number below `bound`, which is not 0. The remainder's bias does not matter for small bounds.
    std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    bool percent(unsigned chance) noexcept { return below(100) < chance; }

  private:
    std::uint64_t next() noexcept {
        std::uint64_t value = state_ += 0x9e3779b97f4a7c15u;
        value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdu;
        value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53u;
        return value ^ (value >> 33);
    }

    std::uint64_t state_;
};

}  // namespace sennit::swarm
