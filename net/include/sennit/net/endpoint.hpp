#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sennit/net/ip_address.hpp>
#include <string>
#include <string_view>
#include <type_traits>

namespace sennit::net {

/// The address family of a socket. Not `unix`, which GNU mode predefines as a macro.
enum class family : std::uint8_t { ipv4, ipv6, unix_domain };

/// Where a socket is: an IP address and a port, or a Unix domain name (unix(7)), which is a path, an abstract
/// name, or nothing at all, as for a Unix socket that was never bound. A value of 112 bytes without a heap.
///
/// Endpoints are equal when they are of the same kind with the same contents. 127.0.0.1:80 and
/// [::ffff:127.0.0.1]:80 differ; see ip_address::unmapped().
class endpoint {
  public:
    /// The most bytes a Unix path or abstract name has: sun_path without its NUL.
    static constexpr std::size_t max_unix_name = 107;
    /// The bytes to_sockaddr() wants to write to: sizeof(sockaddr_storage).
    static constexpr std::size_t max_sockaddr_size = 128;

    /// 0.0.0.0:0, any IPv4 address and a port of the kernel's choice.
    constexpr endpoint() noexcept : endpoint(ip_address{}, 0) {}

    constexpr endpoint(ip_address address, std::uint16_t port) noexcept
        : address_(address), port_(port), kind_(kind::ip) {}

    /// The literal as ip_address::parse() reads it: `endpoint{"127.0.0.1", 21111}`. Resolves no names.
    /// Throws std::invalid_argument, which says what to write instead; in a constant expression a mistake
    /// does not compile.
    constexpr endpoint(std::string_view ip_literal, std::uint16_t port) : endpoint(require_ip(ip_literal), port) {}

    /// A Unix socket in the file system. Throws std::invalid_argument if `path` is empty, longer than
    /// max_unix_name bytes or holds a NUL.
    [[nodiscard]] static endpoint unix_path(std::string_view path);

    /// A Unix socket in the abstract namespace, given without the leading NUL (or @): any bytes, NUL
    /// included. Throws std::invalid_argument if `name` is empty or longer than max_unix_name bytes.
    [[nodiscard]] static endpoint unix_abstract(std::string_view name);

    /// A Unix socket without a name. Nobody can connect to it; binding to it makes the kernel choose an
    /// abstract name (unix(7), "Autobind feature").
    [[nodiscard]] static constexpr endpoint unix_unnamed() noexcept { return endpoint(kind::unix_unnamed); }

    /// Reads what to_string() writes, or nothing if `text` is anything else:
    ///
    ///     127.0.0.1:80   [::1]:80   [fe80::1%eth0]:80   unix:/run/app.sock   unix:@abstract   unix:
    ///
    /// The last is a Unix socket without a name. In Unix names \xNN stands for the byte with that hexadecimal
    /// value, so a backslash is \x5c and a path that begins with an @ is unix:\x40path. Resolves no host or
    /// service names; an interface name after % is looked up, see ip_address::parse().
    [[nodiscard]] static std::optional<endpoint> parse(std::string_view text) noexcept;

    /// As parse(), but throws std::invalid_argument, which says what is wrong and what to write instead.
    [[nodiscard]] static endpoint from_string(std::string_view text);

    [[nodiscard]] constexpr net::family family() const noexcept {
        if (kind_ != kind::ip) return net::family::unix_domain;
        return address_.is_v4() ? net::family::ipv4 : net::family::ipv6;
    }
    [[nodiscard]] constexpr bool is_ip() const noexcept { return kind_ == kind::ip; }
    [[nodiscard]] constexpr bool is_unix() const noexcept { return kind_ != kind::ip; }
    /// Whether this is a Unix socket with neither path nor abstract name.
    [[nodiscard]] constexpr bool is_unnamed() const noexcept { return kind_ == kind::unix_unnamed; }

    /// The IP address. Throws std::logic_error if is_unix(): no address would be the right one to go on with.
    [[nodiscard]] constexpr ip_address address() const {
        if (is_unix()) throw_not_ip("address");
        return address_;
    }

    /// The port, in host order. Throws std::logic_error if is_unix().
    [[nodiscard]] constexpr std::uint16_t port() const {
        if (is_unix()) throw_not_ip("port");
        return port_;
    }

    /// The same address with another port. Throws std::logic_error if is_unix().
    [[nodiscard]] constexpr endpoint with_port(std::uint16_t port) const {
        if (is_unix()) throw_not_ip("with_port");
        return {address_, port};
    }

    /// The path of a Unix socket that has one, otherwise empty. The view is into this object, so a temporary
    /// has none: name the endpoint first.
    [[nodiscard]] constexpr std::string_view path() const& noexcept {
        return kind_ == kind::unix_path ? unix_name() : std::string_view{};
    }
    std::string_view path() const&& = delete;

    /// The abstract name of a Unix socket that has one, without the leading NUL, otherwise empty. The view is
    /// into this object, as for path().
    [[nodiscard]] constexpr std::string_view abstract_name() const& noexcept {
        return kind_ == kind::unix_abstract ? unix_name() : std::string_view{};
    }
    std::string_view abstract_name() const&& = delete;

    /// The text that parse() reads back as this endpoint. It is printable ASCII whatever a Unix name holds:
    /// every other byte is written as \xNN.
    [[nodiscard]] std::string to_string() const;

    /// Writes the kernel's form of this endpoint and returns its length in bytes. `storage` has room for
    /// max_sockaddr_size bytes and is aligned to 8. A path is written with its NUL.
    std::uint32_t to_sockaddr(void* storage) const noexcept;

    /// Reads the kernel's form: `length` is what the kernel reported, and `storage` holds that many bytes or,
    /// if fewer, max_sockaddr_size. The flow label of an IPv6 address is dropped.
    ///
    /// unix_unnamed() is returned for whatever an endpoint cannot hold: another family, a form cut short, a
    /// length of 0 (which is how recvfrom(2) reports an unbound Unix sender), an empty abstract name, or a
    /// path that fills sun_path without a NUL. That is never mistaken for a place to send to.
    [[nodiscard]] static endpoint from_sockaddr(const void* storage, std::uint32_t length) noexcept;

    friend constexpr bool operator==(const endpoint& a, const endpoint& b) noexcept {
        if (a.kind_ != b.kind_) return false;
        if (a.is_ip()) return a.address_ == b.address_ && a.port_ == b.port_;
        return a.unix_name() == b.unix_name();
    }

  private:
    enum class kind : std::uint8_t { ip, unix_path, unix_abstract, unix_unnamed };

    constexpr explicit endpoint(kind which) noexcept : name_{}, kind_(which) {}
    /// `name` is known to fit.
    endpoint(kind which, std::string_view name) noexcept;

    constexpr std::string_view unix_name() const noexcept { return {name_.data(), name_length_}; }

    static constexpr ip_address require_ip(std::string_view ip_literal) {
        const auto address = ip_address::parse(ip_literal);
        if (!address) throw_not_an_address(ip_literal);
        return *address;
    }

    [[noreturn]] static void throw_not_an_address(std::string_view ip_literal);
    [[noreturn]] void throw_not_ip(const char* question) const;

    union {
        ip_address address_;                    // kind::ip
        std::array<char, max_unix_name> name_;  // every other kind
    };
    std::uint16_t port_ = 0;
    kind kind_;
    std::uint8_t name_length_ = 0;
};

// g++ 12 destroys some aggregate temporaries twice in expressions that await; this type is neither an
// aggregate nor has anything to destroy, so endpoints can be written in place as arguments.
static_assert(std::is_trivially_copyable_v<endpoint>);
static_assert(std::is_trivially_destructible_v<endpoint>);
static_assert(!std::is_aggregate_v<endpoint>);
static_assert(!std::is_aggregate_v<ip_address>);

}  // namespace sennit::net

template <>
struct std::hash<sennit::net::endpoint> {
    std::size_t operator()(const sennit::net::endpoint& where) const noexcept;
};
