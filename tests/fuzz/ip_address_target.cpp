// IP addresses: what parse() takes is what inet_pton(3) takes, and text and value turn into each other without loss.

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include <sennit/net/ip_address.hpp>

#include "target.hpp"

namespace sennit::fuzz {

namespace {

/// The bytes that the C library reads from this text; none when it refuses it, or cannot be asked.
template <std::size_t Size>
std::optional<std::array<std::uint8_t, Size>> c_library_reads(std::string_view text) {
    std::array<std::uint8_t, Size> bytes;
    const int domain = Size == 4 ? AF_INET : AF_INET6;
    const bool no_c_string = text.find('\0') != text.npos;
    if (no_c_string || ::inet_pton(domain, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
    return bytes;
}

template <std::size_t Size>
bool same_bytes(const net::ip_address& address, const std::array<std::uint8_t, Size>& expected) {
    return std::ranges::equal(address.bytes(), expected);
}

void check_text_of(const net::ip_address& address) {
    const std::string text = address.to_string();
    const auto read_back = net::ip_address::parse(text);
    require(read_back == address, "what to_string writes reads back as the same address");
    require(read_back->to_string() == text, "an address has one text");
    require(std::hash<net::ip_address>()(*read_back) == std::hash<net::ip_address>()(address), "equal, so is the hash");
    require(address.unmapped().unmapped() == address.unmapped(), "unmapping twice is unmapping once");
}

void check_reading_of(std::string_view text) {
    const auto address = net::ip_address::parse(text);
    if (address) check_text_of(*address);

    const auto v4 = c_library_reads<4>(text);
    require((address && address->is_v4()) == v4.has_value(), "IPv4 is what inet_pton(3) takes");
    if (v4) require(same_bytes(*address, *v4), "inet_pton(3) reads the same IPv4 address");

    // The scope is ours: inet_pton(3) knows none.
    const auto v6 = c_library_reads<16>(text.substr(0, text.find('%')));
    if (address && address->is_v6())
        require(v6 && same_bytes(*address, *v6), "inet_pton(3) reads the same IPv6 address");
    if (v6 && text.find('%') == text.npos) require(address.has_value(), "IPv6 is what inet_pton(3) takes");
}

}  // namespace

/// The first byte says what follows: the text of an address, or the bytes of one.
void ip_address(input from) {
    const bool is_text = from.byte() % 2 == 0;
    if (is_text) return check_reading_of(from.rest());

    std::array<std::uint8_t, 16> bytes{};
    for (std::uint8_t& byte : bytes) byte = from.byte();
    std::uint32_t scope_id = 0;
    for (int i = 0; i != 4; ++i) scope_id = scope_id << 8 | from.byte();
    check_text_of(net::ip_address::from_v6_bytes(bytes, scope_id));
    check_text_of(net::ip_address::v4(bytes[0], bytes[1], bytes[2], bytes[3]));
    check_reading_of(net::ip_address::from_v6_bytes(bytes).to_string());
}

}  // namespace sennit::fuzz
