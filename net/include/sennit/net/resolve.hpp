#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include <sennit/net/endpoint.hpp>
#include <sennit/task.hpp>

namespace sennit::net {

/// Which IP addresses are wanted.
enum class ip_family : std::uint8_t { any, ipv4, ipv6 };

/// How a name is resolved.
struct resolve_options {
    ip_family family = ip_family::any;
};

static_assert(std::is_trivially_destructible_v<resolve_options>);

/// The addresses of a host, each with this port, in the order in which they should be tried (RFC 6724) and without
/// duplicates; there is at least one. An IP address as `ip_address::parse` reads it is its own answer, given at once;
/// for anything else suspends while getaddrinfo(3) asks /etc/hosts, the DNS or whatever the system is set up for.
///
/// Throws `std::system_error` whose text names the host: with a code of `resolver_category()`, with that of a failed
/// system call, or with `invalid_argument` for what cannot be a host name: nothing, a NUL byte, more than 253
/// characters, or a number at the end, where programs disagree about the address (`127.1`, `0x7f.1`).
///
/// Cancelling it goes on at once. The lookup itself cannot be stopped; its result is dropped. A name server that does
/// not answer is waited for as long as resolv.conf(5) says: use `with_timeout`.
task<std::vector<endpoint>> resolve(std::string host, std::uint16_t port, resolve_options options = {});

/// The error codes of getaddrinfo(3). They compare equal to these conditions:
///
/// - EAI_NONAME, EAI_NODATA: `std::errc::no_such_device_or_address`, there is no such host, or it has no address
/// - EAI_AGAIN: `resource_unavailable_try_again`, no name server has answered
/// - EAI_ADDRFAMILY, EAI_FAMILY: `address_family_not_supported`, it has no address of the family asked for
/// - EAI_MEMORY: `not_enough_memory`; EAI_BADFLAGS: `invalid_argument`; EAI_OVERFLOW: `value_too_large`
const std::error_category& resolver_category() noexcept;

}  // namespace sennit::net
