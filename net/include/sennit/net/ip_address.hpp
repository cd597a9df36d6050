#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sennit/net/detail/ip_text.hpp>
#include <span>
#include <string>
#include <string_view>

namespace sennit::net {

/// An IPv4 or IPv6 address; the latter with an optional scope, the interface index that link-local addresses
/// need (RFC 4007). A small value: copy it freely.
///
/// Two addresses are equal when they are of the same version with the same bytes and scope, so 127.0.0.1 and
/// ::ffff:127.0.0.1 differ. A dual-stack socket reports its IPv4 peers in the second form: compare unmapped()
/// there. The order is IPv4 before IPv6, then numeric, then by scope.
class ip_address {
  public:
    /// 0.0.0.0
    constexpr ip_address() noexcept = default;

    /// The IPv4 address a.b.c.d
    [[nodiscard]] static constexpr ip_address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c,
                                                 std::uint8_t d) noexcept {
        return from_v4_bytes({a, b, c, d});
    }

    /// From four bytes in network order.
    [[nodiscard]] static constexpr ip_address from_v4_bytes(std::array<std::uint8_t, 4> bytes) noexcept {
        ip_address result;
        for (std::size_t i = 0; i < bytes.size(); ++i) result.bytes_[i] = bytes[i];
        return result;
    }

    /// From sixteen bytes in network order and an interface index, 0 for none.
    [[nodiscard]] static constexpr ip_address from_v6_bytes(std::array<std::uint8_t, 16> bytes,
                                                            std::uint32_t scope_id = 0) noexcept {
        ip_address result;
        result.v6_ = true;
        result.bytes_ = bytes;
        result.scope_id_ = scope_id;
        return result;
    }

    /// 127.0.0.1
    [[nodiscard]] static constexpr ip_address loopback_v4() noexcept { return v4(127, 0, 0, 1); }
    /// ::1
    [[nodiscard]] static constexpr ip_address loopback_v6() noexcept {
        return from_v6_bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    }
    /// 0.0.0.0, every IPv4 address of this host when listening.
    [[nodiscard]] static constexpr ip_address any_v4() noexcept { return {}; }
    /// ::, every IPv6 address of this host when listening; IPv4 too unless the socket is IPv6 only (ipv6(7)).
    [[nodiscard]] static constexpr ip_address any_v6() noexcept { return from_v6_bytes({}); }

    /// Reads an address, or nothing if `text` is anything else: no names, no port, no brackets, no blanks.
    ///
    /// IPv4 is four decimal numbers without leading zeros, as for inet_pton(3); the shorter, octal and
    /// hexadecimal forms of inet_aton(3) are refused because programs disagree about them. IPv6 is RFC 4291
    /// section 2.2, optionally followed by a scope: `fe80::1%3` or `fe80::1%eth0`. A scope that is not a
    /// number is looked up among this host's interfaces (if_nametoindex(3): three system calls, no waiting,
    /// nothing returned if there is no such interface) and is therefore no constant expression; all else is.
    [[nodiscard]] static constexpr std::optional<ip_address> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr bool is_v4() const noexcept { return !v6_; }
    [[nodiscard]] constexpr bool is_v6() const noexcept { return v6_; }

    /// Whether this is an IPv6 address that stands for an IPv4 one, ::ffff:a.b.c.d (RFC 4291
    /// section 2.5.5.2).
    [[nodiscard]] constexpr bool is_v4_mapped() const noexcept {
        if (!v6_ || bytes_[10] != 0xff || bytes_[11] != 0xff) return false;
        for (std::size_t i = 0; i < 10; ++i) {
            if (bytes_[i] != 0) return false;
        }
        return true;
    }

    /// The IPv4 address inside a v4-mapped one; any other address unchanged.
    [[nodiscard]] constexpr ip_address unmapped() const noexcept {
        if (!is_v4_mapped()) return *this;
        return v4(bytes_[12], bytes_[13], bytes_[14], bytes_[15]);
    }

    // The four questions below look through v4-mapped addresses: the kernel sends ::ffff:127.0.0.1 to
    // 127.0.0.1, so a check that took them for two different things could be walked around.

    /// Whether this is in 127.0.0.0/8, or is ::1.
    [[nodiscard]] constexpr bool is_loopback() const noexcept {
        const ip_address plain = unmapped();
        if (plain.is_v4()) return plain.bytes_[0] == 127;
        return plain.bytes_ == loopback_v6().bytes_;
    }

    /// Whether this is 0.0.0.0 or ::
    [[nodiscard]] constexpr bool is_unspecified() const noexcept {
        return unmapped().bytes_ == std::array<std::uint8_t, 16>{};
    }

    /// Whether this is in 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291 section 2.7).
    [[nodiscard]] constexpr bool is_multicast() const noexcept {
        const ip_address plain = unmapped();
        return plain.is_v4() ? (plain.bytes_[0] & 0xf0) == 0xe0 : plain.bytes_[0] == 0xff;
    }

    /// Whether this is a unicast address valid on one link only: 169.254.0.0/16 (RFC 3927) or fe80::/10
    /// (RFC 4291 section 2.5.6).
    [[nodiscard]] constexpr bool is_link_local() const noexcept {
        const ip_address plain = unmapped();
        if (plain.is_v4()) return plain.bytes_[0] == 169 && plain.bytes_[1] == 254;
        return plain.bytes_[0] == 0xfe && (plain.bytes_[1] & 0xc0) == 0x80;
    }

    /// The address in network order, 4 or 16 bytes. The view is into this object, so a temporary has none:
    /// name the address first.
    [[nodiscard]] constexpr std::span<const std::uint8_t> bytes() const& noexcept {
        return {bytes_.data(), v6_ ? std::size_t{16} : std::size_t{4}};
    }
    std::span<const std::uint8_t> bytes() const&& = delete;

    /// The interface index an IPv6 address is bound to; 0 for none and always for IPv4.
    [[nodiscard]] constexpr std::uint32_t scope_id() const noexcept { return scope_id_; }

    /// The canonical text of RFC 5952: lower case, the longest run of two or more zero groups as `::`, the
    /// first of equal ones, and v4-mapped addresses as ::ffff:1.2.3.4. A scope follows as `%eth0`, or as `%3`
    /// when the kernel knows no interface of that index, or none whose name parse() would read back.
    /// parse() is the inverse for as long as the interfaces keep their names.
    [[nodiscard]] std::string to_string() const;

    friend constexpr bool operator==(const ip_address&, const ip_address&) noexcept = default;
    friend constexpr std::strong_ordering operator<=>(const ip_address&, const ip_address&) noexcept = default;

  private:
    // In the order in which addresses compare. IPv4 uses the first four bytes, and the rest stay zero.
    bool v6_ = false;
    std::array<std::uint8_t, 16> bytes_{};
    std::uint32_t scope_id_ = 0;
};

constexpr std::optional<ip_address> ip_address::parse(std::string_view text) noexcept {
    if (text.find(':') == std::string_view::npos) {
        const auto bytes = detail::parse_v4(text);
        return bytes ? std::optional(from_v4_bytes(*bytes)) : std::nullopt;
    }
    const std::size_t percent = text.find('%');
    const auto bytes = detail::parse_v6(text.substr(0, percent));
    if (!bytes) return std::nullopt;
    if (percent == std::string_view::npos) return from_v6_bytes(*bytes);
    const auto scope_id = detail::parse_scope(text.substr(percent + 1));
    return scope_id ? std::optional(from_v6_bytes(*bytes, *scope_id)) : std::nullopt;
}

}  // namespace sennit::net

template <>
struct std::hash<sennit::net::ip_address> {
    std::size_t operator()(const sennit::net::ip_address& address) const noexcept;
};
