#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <sennit/bytes.hpp>

namespace app {

/// An endless sequence of bytes to send and to recognise. It repeats after a prime number of them, so a server that
/// mixes up the pages of its buffers, or the connections, cannot send back something that looks right.
class byte_pattern {
  public:
    static constexpr std::size_t longest_piece = 65536;

    byte_pattern() : bytes_(period + longest_piece) {
        std::uint32_t state = 0x9e3779b9;
        for (std::size_t i = 0; i != bytes_.size(); ++i) {
            // Marsaglia's xorshift: cheap, and without visible order.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes_[i] = i < period ? static_cast<std::byte>(state) : bytes_[i - period];
        }
    }

    /// `size` bytes, `longest_piece` at the most, from `position` of the sequence on.
    sennit::const_bytes piece(std::uint64_t position, std::size_t size) const noexcept {
        return {bytes_.data() + position % period, size};
    }
    bool matches(std::uint64_t position, sennit::const_bytes bytes) const noexcept {
        return std::memcmp(piece(position, bytes.size()).data(), bytes.data(), bytes.size()) == 0;
    }

  private:
    static constexpr std::size_t period = 65521;

    std::vector<std::byte> bytes_;
};

}  // namespace app
