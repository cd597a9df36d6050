#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/net/endpoint.hpp>
#include <sennit/net/resolve.hpp>
#include <sennit/task.hpp>

namespace sennit::net::detail {

/// A call that finds the addresses of a host and blocks meanwhile. It runs on another thread and may outlive
/// whoever asked, so it owns what it uses. Throws `std::system_error`.
using lookup_function =
    std::function<std::vector<endpoint>(const std::string& host, std::uint16_t port, ip_family family)>;

/// getaddrinfo(3).
std::vector<endpoint> look_up(const std::string& host, std::uint16_t port, ip_family family);

/// What `resolve` does around its lookup.
task<std::vector<endpoint>> resolve_with(lookup_function lookup, std::string host, std::uint16_t port,
                                         resolve_options options);

/// A host name for messages, which must stay one short line whatever it holds.
std::string printable_host(std::string_view host);

}  // namespace sennit::net::detail
