// Endpoints: IPv4, IPv6 with scopes, Unix paths and abstract names turn into text and into the kernel's form and back
// without loss, and what is refused is refused with a reason.

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include <sennit/net/endpoint.hpp>

#include "target.hpp"

namespace sennit::fuzz {

namespace {

/// What the factory makes of a name; none when it refuses it, which it must do with a reason.
template <class Factory>
std::optional<net::endpoint> made_from(Factory factory, std::string_view name) {
    try {
        return factory(name);
    } catch (const std::invalid_argument& refused) {
        require(!std::string_view(refused.what()).empty(), "a refusal says why");
        return std::nullopt;
    }
}

void check_both_forms_of(const net::endpoint& where) {
    const std::string text = where.to_string();
    require(std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; }), "the text is printable ASCII");
    const auto read_back = net::endpoint::parse(text);
    require(read_back == where, "what to_string writes reads back as the same endpoint");
    require(read_back->to_string() == text, "an endpoint has one text");
    require(std::hash<net::endpoint>()(*read_back) == std::hash<net::endpoint>()(where), "equal, so is the hash");

    alignas(8) char storage[net::endpoint::max_sockaddr_size];
    std::memset(storage, 0x5a, sizeof storage);
    const std::uint32_t length = where.to_sockaddr(storage);
    require(length <= sizeof storage, "the kernel's form has room");
    require(net::endpoint::from_sockaddr(storage, length) == where, "the kernel's form reads back");
}

void check_reading_of_endpoint(std::string_view text) {
    const auto where = net::endpoint::parse(text);
    require(made_from(net::endpoint::from_string, text) == where, "from_string takes what parse takes");
    if (where) check_both_forms_of(*where);
}

void check_name(std::string_view name) {
    const bool fits = !name.empty() && name.size() <= net::endpoint::max_unix_name;
    const auto abstract = made_from(net::endpoint::unix_abstract, name);
    require(abstract.has_value() == fits, "an abstract name has 1 to 107 bytes, whichever they are");
    if (abstract) {
        require(abstract->abstract_name() == name, "no byte of an abstract name is lost");
        check_both_forms_of(*abstract);
    }
    const auto path = made_from(net::endpoint::unix_path, name);
    require(path.has_value() == (fits && name.find('\0') == name.npos), "a path has 1 to 107 bytes other than NUL");
    if (path) {
        require(path->path() == name, "no byte of a path is lost");
        check_both_forms_of(*path);
    }
}

/// What a kernel that has gone mad might report.
void check_kernel_form(std::uint32_t length, std::string_view bytes) {
    alignas(8) char storage[net::endpoint::max_sockaddr_size] = {};
    std::memcpy(storage, bytes.data(), std::min(bytes.size(), sizeof storage));
    check_both_forms_of(net::endpoint::from_sockaddr(storage, length));
}

}  // namespace

/// The first byte says what follows: the text of an endpoint, a name, or a `sockaddr` and its length.
void endpoint(input from) {
    switch (from.byte() % 3) {
        case 0: return check_reading_of_endpoint(from.rest());
        case 1: return check_name(from.rest());
        default: const std::uint32_t length = from.byte(); return check_kernel_form(length, from.rest());
    }
}

}  // namespace sennit::fuzz
