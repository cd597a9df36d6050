#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sennit::fuzz {

/// What a fuzzer made up, taken from the front.
class input {
  public:
    explicit input(std::string_view bytes) noexcept : left_(bytes) {}

    bool empty() const noexcept { return left_.empty(); }
    /// 0 when nothing is left.
    std::uint8_t byte() noexcept {
        if (left_.empty()) return 0;
        const auto first = static_cast<std::uint8_t>(left_.front());
        left_.remove_prefix(1);
        return first;
    }
    /// As many bytes, or all that are left.
    std::string_view bytes(std::size_t count) noexcept {
        const std::string_view taken = left_.substr(0, count);
        left_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest() noexcept { return bytes(left_.size()); }

  private:
    std::string_view left_;
};

/// A property does not hold for an input. libFuzzer stops at it as at a crash, a test reports it.
class broken_property : public std::logic_error {
    using logic_error::logic_error;
};

inline void require(bool holds, std::string_view property) {
    if (!holds) throw broken_property(std::string(property));
}

// One function for each parser, named like its folder of inputs. Each throws `broken_property` when what the parser
// promises does not hold for the input.

void ip_address(input from);
void endpoint(input from);
void line_reader(input from);
void command_values(input from);
void safe_text(input from);

}  // namespace sennit::fuzz
