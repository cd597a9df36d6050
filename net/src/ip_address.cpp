// Owns what an ip_address needs from the kernel or the heap: interface names, text and hashing. Reading text
// is constexpr and lives in the headers.
//
// The hard idea: the text must read back as the same address. An interface may bear nearly any name, even one
// made of digits or holding a bracket, and such a name is not written: the index takes its place.

#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <sennit/net/ip_address.hpp>

namespace sennit::net {
namespace {

void append_number(std::string& out, std::uint32_t value, int base) {
    char digits[10];
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value, base);
    static_cast<void>(error);  // Ten characters hold every 32 bit number in either base.
    out.append(digits, end);
}

void append_v4(std::string& out, std::span<const std::uint8_t, 4> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i != 0) out += '.';
        append_number(out, bytes[i], 10);
    }
}

void append_v6(std::string& out, std::span<const std::uint8_t, 16> bytes) {
    constexpr std::size_t groups = 8;
    const auto group = [&](std::size_t i) { return (std::uint32_t{bytes[2 * i]} << 8) | bytes[2 * i + 1]; };

    // RFC 5952 sections 4.2.2 and 4.2.3: a single zero group is not shortened, and of equal runs the first
    // is.
    std::size_t run_begin = groups;
    std::size_t run_length = 1;
    for (std::size_t i = 0; i < groups;) {
        std::size_t end = i;
        while (end < groups && group(end) == 0) ++end;
        if (end - i > run_length) {
            run_begin = i;
            run_length = end - i;
        }
        i = end + 1;
    }

    for (std::size_t i = 0; i < groups; ++i) {
        if (i == run_begin) {
            out += "::";
            i += run_length - 1;
            continue;
        }
        if (i != 0 && out.back() != ':') out += ':';
        append_number(out, group(i), 16);
    }
}

bool reads_back_as_name(std::string_view name) {
    const auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '%'; };
    return std::all_of(name.begin(), name.end(), plain) && !detail::is_all_digits(name);
}

void append_scope(std::string& out, std::uint32_t scope_id) {
    out += '%';
    char name[IF_NAMESIZE];
    if (::if_indextoname(scope_id, name) != nullptr && reads_back_as_name(name)) {
        out += name;
    } else {
        append_number(out, scope_id, 10);
    }
}

}  // namespace

std::uint32_t detail::interface_index(std::string_view name) noexcept {
    char terminated[IF_NAMESIZE] = {};
    // Longer names do not exist, and one with a NUL inside would be cut short and could match another.
    if (name.size() >= sizeof terminated || name.find('\0') != std::string_view::npos) return 0;
    std::memcpy(terminated, name.data(), name.size());
    return ::if_nametoindex(terminated);
}

std::string ip_address::to_string() const {
    std::string out;
    const std::span<const std::uint8_t, 16> all(bytes_);
    if (is_v4()) {
        append_v4(out, all.first<4>());
        return out;
    }
    if (is_v4_mapped()) {
        out += "::ffff:";
        append_v4(out, all.last<4>());
    } else {
        append_v6(out, all);
    }
    if (scope_id_ != 0) append_scope(out, scope_id_);
    return out;
}

}  // namespace sennit::net

std::size_t std::hash<sennit::net::ip_address>::operator()(const sennit::net::ip_address& address) const noexcept {
    // The length tells the versions apart; the scope is mixed in with a large odd factor.
    const auto bytes = address.bytes();
    const std::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return std::hash<std::string_view>{}(raw) ^ (std::size_t{address.scope_id()} * 0x9e3779b97f4a7c15U);
}
