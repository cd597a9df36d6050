#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

/// The textual grammar of IP addresses, free of the kernel so that it also runs at compile time.
namespace sennit::net::detail {

/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr bool is_all_digits(std::string_view text) noexcept {
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
    }
    return !text.empty();
}

/// Reads a decimal number without sign, blanks or leading zeros that is at most `limit`.
/// Leading zeros are refused because some programs read them as octal: 010 must not mean two things.
constexpr std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t limit) noexcept {
    if (!is_all_digits(text) || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        if (value > limit) return std::nullopt;
    }
    return static_cast<std::uint32_t>(value);
}

/// Four decimal parts, as inet_pton(3) takes them.
constexpr std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) noexcept {
    std::array<std::uint8_t, 4> bytes{};
    for (std::size_t part = 0; part < 4; ++part) {
        const bool last = part == 3;
        const std::size_t dot = last ? text.size() : text.find('.');
        if (dot == std::string_view::npos) return std::nullopt;
        const auto value = parse_decimal(text.substr(0, dot), 255);
        if (!value) return std::nullopt;
        bytes[part] = static_cast<std::uint8_t>(*value);
        text.remove_prefix(last ? dot : dot + 1);
    }
    return bytes;
}

/// RFC 4291 section 2.2: eight groups of one to four hexadecimal digits, at most one `::` standing for one or
/// more zero groups, and optionally a dotted IPv4 address in place of the last two groups. No scope.
constexpr std::optional<std::array<std::uint8_t, 16>> parse_v6(std::string_view text) noexcept {
    constexpr auto npos = std::string_view::npos;
    std::array<std::uint8_t, 16> bytes{};
    std::size_t filled = 0;  // Bytes written so far.
    std::size_t gap = npos;  // Where in `bytes` the zeros of `::` belong.
    std::size_t position = 0;
    if (text.starts_with("::")) {
        gap = 0;
        position = 2;
    }
    while (position < text.size()) {
        const std::size_t colon = text.find(':', position);
        const std::string_view group = text.substr(position, colon - position);
        if (group.find('.') != npos) {
            const auto v4 = parse_v4(group);
            if (!v4 || colon != npos || filled + 4 > bytes.size()) return std::nullopt;
            for (const std::uint8_t byte : *v4) bytes[filled++] = byte;
            break;
        }
        if (group.empty() || group.size() > 4 || filled == bytes.size()) return std::nullopt;
        unsigned value = 0;
        for (const char c : group) {
            const int digit = hex_value(c);
            if (digit < 0) return std::nullopt;
            value = value * 16 + static_cast<unsigned>(digit);
        }
        bytes[filled++] = static_cast<std::uint8_t>(value >> 8);
        bytes[filled++] = static_cast<std::uint8_t>(value & 0xff);
        if (colon == npos) break;
        position = colon + 1;
        if (position == text.size()) return std::nullopt;
        if (text[position] == ':') {
            if (gap != npos) return std::nullopt;
            gap = filled;
            ++position;
        }
    }
    if (gap == npos) return filled == bytes.size() ? std::optional(bytes) : std::nullopt;
    if (filled == bytes.size()) return std::nullopt;
    // What followed the gap moves to the end, and zeros take its place.
    for (std::size_t to = bytes.size(), from = filled; from > gap;) {
        bytes[--to] = bytes[--from];
        bytes[from] = 0;
    }
    return bytes;
}

/// The index of the named network interface, 0 if there is none (if_nametoindex(3)).
/// Asks the kernel, so an interface name in a constant expression does not compile.
std::uint32_t interface_index(std::string_view name) noexcept;

/// The scope after `%`: a decimal index, otherwise the name of a network interface (RFC 4007 section 11).
/// Digits alone are always an index, even where an interface has such a name.
constexpr std::optional<std::uint32_t> parse_scope(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    if (is_all_digits(text)) return parse_decimal(text, 0xffffffff);
    const std::uint32_t index = interface_index(text);
    return index != 0 ? std::optional(index) : std::nullopt;
}

}  // namespace sennit::net::detail
