// What one stranger's terminal may be sent from another. Its one hard idea: a byte that is no valid UTF-8 is replaced
// alone, and reading goes on with the next one, so nothing that follows can hide behind it.

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/safe_text.hpp"

namespace app {

namespace {

struct character {
    std::uint32_t code;
    std::size_t length;  // bytes; 0 for what is no UTF-8
};

character decode(std::string_view text) {
    const auto byte_at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte_at(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return {0, 0};
    std::uint32_t code = first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i != length; ++i) {
        if ((byte_at(i) & 0xc0) != 0x80) return {0, 0};
        code = code << 6 | (byte_at(i) & 0x3f);
    }
    constexpr std::array<std::uint32_t, 5> shortest{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < shortest[length] || code > 0x10ffff || surrogate) return {0, 0};
    return {code, length};
}

bool only_prints(std::uint32_t code) {
    const bool control = (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0);
    const bool direction =
        (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return !control && !direction;
}

}  // namespace

std::string safe_text(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const character next = decode(text);
        if (next.length != 0 && only_prints(next.code)) {
            result += text.substr(0, next.length);
        } else {
            result += '?';
        }
        text.remove_prefix(next.length == 0 ? 1 : next.length);
    }
    return result;
}

}  // namespace app
