#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

struct sockaddr;

namespace sennit::testing::sim {

/// An IP address as the kernel sees it; IPv4 uses the first four bytes.
struct ip {
    bool v6 = false;
    std::array<unsigned char, 16> bytes{};

    bool is_any() const noexcept;
    bool is_loopback() const noexcept;
    auto operator<=>(const ip&) const = default;

    static ip loopback(bool v6) noexcept;
    static ip any(bool v6) noexcept;
    /// Reads "10.0.0.1" or "fd00::1"; false when it is neither.
    static bool parse(const std::string& text, ip& address) noexcept;
};

/// The name of a socket: what a `sockaddr` holds.
struct address {
    int family = 0;  // AF_INET, AF_INET6 or AF_UNIX
    ip host;
    std::uint16_t port = 0;
    std::string path;  // AF_UNIX; an abstract one begins with a NUL, an empty one is no name

    bool is_ip() const noexcept;
    bool is_abstract() const noexcept { return !path.empty() && path[0] == '\0'; }

    /// 0 or a negated errno value.
    static int read(const sockaddr* from, std::uint32_t length, address& to);
    /// Writes as much as there is room for and gives the whole length, as the socket calls do.
    std::uint32_t write(void* to, std::uint32_t room) const noexcept;
    std::string to_string() const;
};

/// For hooks of other layers: an IP address as `sockaddr` bytes with port 0.
std::string to_sockaddr(const ip& where);

}  // namespace sennit::testing::sim
