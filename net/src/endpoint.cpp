// Owns the two foreign forms of an endpoint: its text and the kernel's sockaddr.
//
// The hard idea: every endpoint, whatever bytes a peer put into its Unix name, has a text that reads back as
// itself. And one reader serves parse() and from_string(), so what is refused and what is explained agree.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <sennit/net/endpoint.hpp>
#include <stdexcept>

namespace sennit::net {

static_assert(endpoint::max_sockaddr_size == sizeof(sockaddr_storage));
static_assert(endpoint::max_unix_name == sizeof(sockaddr_un::sun_path) - 1);
static_assert(sizeof(endpoint) == 112);

namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view unix_prefix = "unix:";

// ---- Text of Unix names -----------------------------------------------------------------------------------

void append_escaped(std::string& out, char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

void append_printable(std::string& out, std::string_view bytes) {
    for (const char c : bytes) {
        if (c < ' ' || c > '~' || c == '\\') {
            append_escaped(out, c);
        } else {
            out += c;
        }
    }
}

/// For messages: what the caller wrote may hold anything, and a log line must stay one short line.
std::string quoted(std::string_view text) {
    constexpr std::size_t enough = 120;
    std::string out = "'";
    append_printable(out, text.substr(0, enough));
    out += text.size() > enough ? "...'" : "'";
    return out;
}

// ---- Reading text -----------------------------------------------------------------------------------------

enum class problem {
    none,
    empty,
    is_url,
    is_unix_name,
    no_address,
    no_port,
    port_not_number,
    port_too_large,
    not_an_address,
    v6_without_brackets,
    v4_in_brackets,
    bracket_not_closed,
    text_after_bracket,
    abstract_name_empty,
    path_empty,
    path_with_nul,
    name_too_long,
    bad_escape,
};

/// What a text turned out to be: an endpoint, or a problem and the part of the text that has it.
struct reading {
    endpoint value;
    problem what = problem::none;
    std::string_view where = {};
};

reading fail(problem what, std::string_view where = {}) {
    return {endpoint{}, what, where};
}

problem check_path(std::string_view path) {
    if (path.empty()) return problem::path_empty;
    if (path.size() > endpoint::max_unix_name) return problem::name_too_long;
    return path.find('\0') == npos ? problem::none : problem::path_with_nul;
}

problem check_abstract_name(std::string_view name) {
    if (name.empty()) return problem::abstract_name_empty;
    return name.size() > endpoint::max_unix_name ? problem::name_too_long : problem::none;
}

reading read_unix(std::string_view text) {
    if (text.empty()) return {endpoint::unix_unnamed()};
    const bool abstract = text.front() == '@';
    std::array<char, endpoint::max_unix_name> bytes;
    std::size_t length = 0;
    for (std::size_t i = abstract ? 1 : 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '\\') {
            const std::string_view escape = text.substr(i, 4);
            const bool whole = escape.size() == 4 && escape[1] == 'x';
            const int high = whole ? detail::hex_value(escape[2]) : -1;
            const int low = whole ? detail::hex_value(escape[3]) : -1;
            if (high < 0 || low < 0) return fail(problem::bad_escape, escape);
            c = static_cast<char>(high * 16 + low);
            i += 3;
        }
        if (length == bytes.size()) return fail(problem::name_too_long, text);
        bytes[length++] = c;
    }
    const std::string_view name(bytes.data(), length);
    const problem what = abstract ? check_abstract_name(name) : check_path(name);
    if (what != problem::none) return fail(what, text);
    return {abstract ? endpoint::unix_abstract(name) : endpoint::unix_path(name)};
}

reading read_port(const ip_address& address, std::string_view text) {
    if (const auto port = detail::parse_decimal(text, 0xffff)) {
        return {endpoint(address, static_cast<std::uint16_t>(*port))};
    }
    if (text.empty()) return fail(problem::no_port);
    const bool number = detail::is_all_digits(text) && text.front() != '0';
    return fail(number ? problem::port_too_large : problem::port_not_number, text);
}

reading read_bracketed(std::string_view text) {
    const std::size_t close = text.find(']');
    if (close == npos) return fail(problem::bracket_not_closed);
    const std::string_view literal = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    const auto address = ip_address::parse(literal);
    if (!address) return fail(problem::not_an_address, literal);
    if (address->is_v4()) return fail(problem::v4_in_brackets, literal);
    if (rest.empty()) return fail(problem::no_port);
    if (rest.front() != ':') return fail(problem::text_after_bracket, rest);
    return read_port(*address, rest.substr(1));
}

reading read_without_port(std::string_view text) {
    if (text.empty()) return fail(problem::empty);
    if (text.front() == '@' || text.find('/') != npos) return fail(problem::is_unix_name);
    if (detail::is_all_digits(text)) return fail(problem::no_address);
    return ip_address::parse(text) ? fail(problem::no_port) : fail(problem::not_an_address, text);
}

reading read(std::string_view text) {
    if (text.starts_with(unix_prefix)) return read_unix(text.substr(unix_prefix.size()));
    if (text.find("://") != npos) return fail(problem::is_url);
    if (text.starts_with('[')) return read_bracketed(text);
    const std::size_t colon = text.rfind(':');
    if (colon == npos) return read_without_port(text);
    const std::string_view literal = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    // ::1:80 could be either, so IPv6 always takes brackets.
    const auto address = ip_address::parse(literal);
    if (ip_address::parse(text)) return fail(problem::v6_without_brackets, text);
    if (address && address->is_v6()) return fail(problem::v6_without_brackets, literal);
    if (literal.empty()) return fail(problem::no_address);
    if (!address) return fail(problem::not_an_address, literal);
    return read_port(*address, port);
}

// ---- Saying what to write instead -------------------------------------------------------------------------

/// Why `text`, which ip_address::parse() refused, is no address.
std::string explain_address(std::string_view text) {
    const auto instead = [text]() -> std::string {
        if (text.empty() || text == "*") {
            return "write 0.0.0.0 for every IPv4 address, or :: for every IPv6 one";
        }
        if (text.find("://") != npos) return "it is a URL, write the address alone, such as 127.0.0.1";
        if (text.front() == '/' || text.front() == '@' || text.starts_with(unix_prefix)) {
            return "for a Unix socket call endpoint::unix_path, unix_abstract or from_string";
        }
        if (text.front() == '[') return "write an IPv6 address without brackets or port, such as ::1";
        const reading whole = read(text);
        if (whole.what == problem::none) {
            return "write " + whole.value.address().to_string() +
                   " and pass the port by itself, or call endpoint::from_string";
        }
        const std::size_t percent = text.find('%');
        if (const auto bare = ip_address::parse(text.substr(0, percent)); bare && bare->is_v4()) {
            return "only IPv6 addresses have a scope, write " + bare->to_string();
        } else if (bare) {
            return "this host has no interface " + quoted(text.substr(percent + 1)) +
                   ", write the name or index of one after the %";
        }
        if (text.find_first_not_of("0123456789.") == npos) {
            return "write four decimal numbers from 0 to 255 without leading zeros, such as 127.0.0.1";
        }
        if (text.find(':') != npos) return "write an IPv6 address as in RFC 4291, such as ::1 or 2001:db8::1";
        return "write 127.0.0.1 or ::1, or resolve the name with net::connect / net::resolve";
    };
    return quoted(text) + " is not an IP address; " + instead();
}

std::string explain(problem what, std::string_view where) {
    switch (what) {
        case problem::none: break;
        case problem::empty: return "it is empty; write 127.0.0.1:80, [::1]:80 or unix:/run/app.sock";
        case problem::is_url: return "it is a URL; write only the address and the port, such as 127.0.0.1:80";
        case problem::is_unix_name:
            return "for a Unix socket write unix: in front, such as unix:/run/app.sock or unix:@name";
        case problem::no_address:
            return "it has no address; write one, such as 127.0.0.1:80, or 0.0.0.0:80 for every IPv4 address";
        case problem::no_port: return "it has no port; write one at the end, such as 127.0.0.1:80 or [::1]:80";
        case problem::port_not_number:
            return quoted(where) + " is not a port; write a decimal number without leading zeros, such as 80";
        case problem::port_too_large:
            return "port " + quoted(where) + " is out of range; write a number from 0 to 65535";
        case problem::not_an_address: return explain_address(where);
        case problem::v6_without_brackets:
            return "IPv6 needs brackets, and a port after them; write [" + std::string(where) + "]:80";
        case problem::v4_in_brackets: return "brackets are for IPv6 only; write " + std::string(where) + ":80";
        case problem::bracket_not_closed:
            return "the bracket is not closed; write an IPv6 address and port as [::1]:80";
        case problem::text_after_bracket:
            return quoted(where) + " follows the bracket; write a colon and the port there, such as [::1]:80";
        case problem::path_empty: return "a Unix path must not be empty; write one such as /run/app.sock";
        case problem::path_with_nul: return "a Unix path cannot hold a NUL byte; only an abstract name can";
        case problem::abstract_name_empty:
            return "an abstract Unix name must not be empty; write one such as app, which is unix:@app";
        case problem::name_too_long:
            return "a Unix path or abstract name has at most 107 bytes (unix(7)); write a shorter one, "
                   "such as a path relative to the working directory";
        case problem::bad_escape:
            return quoted(where) + " is no escape; write \\xNN with two hexadecimal digits, a backslash as \\x5c";
    }
    return {};
}

// ---- The kernel's form ------------------------------------------------------------------------------------

constexpr std::size_t sun_path_offset = offsetof(sockaddr_un, sun_path);

// Copied as bytes, not through pointers to the sockaddr types: the caller's storage holds objects of no
// particular type, and a copy is right for any.
template <typename Sockaddr>
std::uint32_t store(void* storage, const Sockaddr& from, std::size_t length = sizeof(Sockaddr)) {
    std::memcpy(storage, &from, length);
    return static_cast<std::uint32_t>(length);
}

template <typename Sockaddr>
std::optional<Sockaddr> load(const void* storage, std::size_t length) {
    if (length < sizeof(Sockaddr)) return std::nullopt;
    Sockaddr result;
    std::memcpy(&result, storage, sizeof result);
    return result;
}

}  // namespace

endpoint::endpoint(kind which, std::string_view name) noexcept : endpoint(which) {
    std::copy(name.begin(), name.end(), name_.begin());
    name_length_ = static_cast<std::uint8_t>(name.size());
}

endpoint endpoint::unix_path(std::string_view path) {
    const problem what = check_path(path);
    if (what != problem::none) throw std::invalid_argument(quoted(path) + ": " + explain(what, path));
    return {kind::unix_path, path};
}

endpoint endpoint::unix_abstract(std::string_view name) {
    const problem what = check_abstract_name(name);
    if (what != problem::none) throw std::invalid_argument(quoted(name) + ": " + explain(what, name));
    return {kind::unix_abstract, name};
}

std::optional<endpoint> endpoint::parse(std::string_view text) noexcept {
    const reading result = read(text);
    return result.what == problem::none ? std::optional(result.value) : std::nullopt;
}

endpoint endpoint::from_string(std::string_view text) {
    const reading result = read(text);
    if (result.what == problem::none) return result.value;
    throw std::invalid_argument(quoted(text) + " is not an endpoint: " + explain(result.what, result.where));
}

void endpoint::throw_not_an_address(std::string_view ip_literal) {
    throw std::invalid_argument(explain_address(ip_literal));
}

void endpoint::throw_not_ip(const char* question) const {
    throw std::logic_error("endpoint::" + std::string(question) + "() of '" + to_string() +
                           "', which is no IP endpoint; ask is_ip() first");
}

std::string endpoint::to_string() const {
    if (is_ip()) {
        const std::string literal = address_.to_string();
        return (address_.is_v4() ? literal : "[" + literal + "]") + ":" + std::to_string(port_);
    }
    std::string out(unix_prefix);
    std::string_view rest = unix_name();
    if (kind_ == kind::unix_abstract) {
        out += '@';
    } else if (rest.starts_with('@')) {
        // In a path, which would otherwise read back as an abstract name.
        append_escaped(out, '@');
        rest.remove_prefix(1);
    }
    append_printable(out, rest);
    return out;
}

std::uint32_t endpoint::to_sockaddr(void* storage) const noexcept {
    if (kind_ == kind::ip && address_.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port_);
        std::memcpy(&v4.sin_addr, address_.bytes().data(), sizeof v4.sin_addr);
        return store(storage, v4);
    }
    if (kind_ == kind::ip) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port_);
        v6.sin6_scope_id = address_.scope_id();
        std::memcpy(&v6.sin6_addr, address_.bytes().data(), sizeof v6.sin6_addr);
        return store(storage, v6);
    }
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    if (kind_ == kind::unix_unnamed) return store(storage, local, sun_path_offset);
    // One byte more than the name in both: the NUL that ends a path, or the one that opens an abstract name.
    char* const to = kind_ == kind::unix_abstract ? local.sun_path + 1 : local.sun_path;
    std::memcpy(to, name_.data(), name_length_);
    return store(storage, local, sun_path_offset + name_length_ + 1);
}

endpoint endpoint::from_sockaddr(const void* storage, std::uint32_t reported) noexcept {
    // The kernel reports the length it has, also when it had to cut the form short.
    const std::size_t length = std::min<std::size_t>(reported, max_sockaddr_size);
    sa_family_t kernel_family = AF_UNSPEC;
    if (length >= sizeof kernel_family) std::memcpy(&kernel_family, storage, sizeof kernel_family);

    if (kernel_family == AF_INET) {
        if (const auto v4 = load<sockaddr_in>(storage, length)) {
            std::array<std::uint8_t, 4> bytes;
            std::memcpy(bytes.data(), &v4->sin_addr, bytes.size());
            return {ip_address::from_v4_bytes(bytes), ntohs(v4->sin_port)};
        }
    }
    if (kernel_family == AF_INET6) {
        if (const auto v6 = load<sockaddr_in6>(storage, length)) {
            std::array<std::uint8_t, 16> bytes;
            std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
            return {ip_address::from_v6_bytes(bytes, v6->sin6_scope_id), ntohs(v6->sin6_port)};
        }
    }
    if (kernel_family == AF_UNIX && length > sun_path_offset) {
        const char* const bytes = static_cast<const char*>(storage) + sun_path_offset;
        const std::string_view name(bytes, length - sun_path_offset);
        if (name.front() == '\0') {
            const std::string_view abstract = name.substr(1);
            if (check_abstract_name(abstract) == problem::none) return {kind::unix_abstract, abstract};
        } else {
            // unix(7): the length may or may not count a NUL, and one may be missing altogether.
            const std::string_view path = name.substr(0, name.find('\0'));
            if (check_path(path) == problem::none) return {kind::unix_path, path};
        }
    }
    return unix_unnamed();
}

}  // namespace sennit::net

std::size_t std::hash<sennit::net::endpoint>::operator()(const sennit::net::endpoint& where) const noexcept {
    if (where.is_ip()) {
        const std::size_t port = where.port();
        return std::hash<sennit::net::ip_address>{}(where.address()) ^ (port * 0x9e3779b97f4a7c15U);
    }
    // One of the two is empty; the sign keeps the path /a and the abstract name /a apart.
    return std::hash<std::string_view>{}(where.path()) - std::hash<std::string_view>{}(where.abstract_name());
}
