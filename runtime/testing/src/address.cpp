// The bytes of `sockaddr`, read and written as the kernel does (ip(7), ipv6(7), unix(7)).

#include "address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace sennit::testing::sim {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

std::uint32_t copy_out(const void* from, std::size_t length, void* to, std::uint32_t room) noexcept {
    std::memcpy(to, from, std::min<std::size_t>(length, room));
    return static_cast<std::uint32_t>(length);
}

}  // namespace

bool ip::is_any() const noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](unsigned char each) { return each == 0; });
}

bool ip::is_loopback() const noexcept {
    return v6 ? *this == loopback(true) : bytes[0] == 127;
}

ip ip::loopback(bool v6) noexcept {
    ip where;
    where.v6 = v6;
    where.bytes[v6 ? 15 : 3] = 1;
    if (!v6) where.bytes[0] = 127;
    return where;
}

ip ip::any(bool v6) noexcept {
    ip where;
    where.v6 = v6;
    return where;
}

bool ip::parse(const std::string& text, ip& address) noexcept {
    address = ip();
    if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return true;
    address.v6 = true;
    return ::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1;
}

bool address::is_ip() const noexcept {
    return family == AF_INET || family == AF_INET6;
}

int address::read(const sockaddr* from, std::uint32_t length, address& to) {
    to = address();
    if (length < sizeof(sa_family_t)) return -EINVAL;
    to.family = from->sa_family;
    if (to.family == AF_INET) {
        if (length < sizeof(sockaddr_in)) return -EINVAL;
        sockaddr_in bytes;
        std::memcpy(&bytes, from, sizeof bytes);
        std::memcpy(to.host.bytes.data(), &bytes.sin_addr, sizeof bytes.sin_addr);
        to.port = ntohs(bytes.sin_port);
        return 0;
    }
    if (to.family == AF_INET6) {
        if (length < sizeof(sockaddr_in6)) return -EINVAL;
        sockaddr_in6 bytes;
        std::memcpy(&bytes, from, sizeof bytes);
        to.host.v6 = true;
        std::memcpy(to.host.bytes.data(), &bytes.sin6_addr, sizeof bytes.sin6_addr);
        to.port = ntohs(bytes.sin6_port);
        return 0;
    }
    if (to.family != AF_UNIX) return -EAFNOSUPPORT;
    if (length > sizeof(sockaddr_un)) return -EINVAL;
    to.path.assign(reinterpret_cast<const char*>(from) + path_offset, length - path_offset);
    // A path ends at its NUL, an abstract name at the given length.
    if (!to.is_abstract()) to.path.resize(std::strlen(to.path.c_str()));
    return 0;
}

std::uint32_t address::write(void* to, std::uint32_t room) const noexcept {
    if (family == AF_INET) {
        sockaddr_in bytes{};
        bytes.sin_family = AF_INET;
        bytes.sin_port = htons(port);
        std::memcpy(&bytes.sin_addr, host.bytes.data(), sizeof bytes.sin_addr);
        return copy_out(&bytes, sizeof bytes, to, room);
    }
    if (family == AF_INET6) {
        sockaddr_in6 bytes{};
        bytes.sin6_family = AF_INET6;
        bytes.sin6_port = htons(port);
        std::memcpy(&bytes.sin6_addr, host.bytes.data(), sizeof bytes.sin6_addr);
        return copy_out(&bytes, sizeof bytes, to, room);
    }
    sockaddr_un bytes{};
    bytes.sun_family = AF_UNIX;
    std::memcpy(bytes.sun_path, path.data(), std::min(path.size(), sizeof bytes.sun_path));
    const std::size_t end_mark = path.empty() || is_abstract() || path.size() == sizeof bytes.sun_path ? 0 : 1;
    return copy_out(&bytes, path_offset + path.size() + end_mark, to, room);
}

std::string address::to_string() const {
    if (family == AF_UNIX) {
        if (path.empty()) return "unix:";
        return is_abstract() ? "unix:@" + path.substr(1) : "unix:" + path;
    }
    char text[INET6_ADDRSTRLEN];
    ::inet_ntop(family, host.bytes.data(), text, sizeof text);
    return (host.v6 ? "[" + std::string(text) + "]" : std::string(text)) + ":" + std::to_string(port);
}

std::string to_sockaddr(const ip& where) {
    address named;
    named.family = where.v6 ? AF_INET6 : AF_INET;
    named.host = where;
    std::string bytes(sizeof(sockaddr_in6), '\0');
    bytes.resize(named.write(bytes.data(), static_cast<std::uint32_t>(bytes.size())));
    return bytes;
}

}  // namespace sennit::testing::sim
