#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <sennit/net/endpoint.hpp>
#include <sennit/net/resolve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/task.hpp>
#include <sennit/time.hpp>

namespace sennit::net {

/// How `connect` goes about it.
struct connect_options {
    /// Which addresses of the name are tried; `connect_any` tries whatever it is given.
    ip_family family = ip_family::any;

    /// How long an attempt stays alone before the next one is started beside it. Less than 10 ms counts as 10 ms.
    /// Source: RFC 8305, section 5.
    duration attempt_delay = std::chrono::milliseconds(250);
};

static_assert(std::is_trivially_destructible_v<connect_options>);

/// Connects to a host by name, or by IP address. Suspends until a connection stands.
///
/// A host may have several addresses of which not all work, so they are tried in a race (Happy Eyeballs, RFC 8305): in
/// the order of `resolve`, IPv6 and IPv4 in turn, each attempt started when the one before has failed or has had
/// `attempt_delay`. The first connection wins; the other attempts are given up before this returns. (The two kinds of
/// addresses are asked for together, not as section 3 has it.)
///
/// Throws what `resolve` throws, and `std::system_error` when all attempts have failed, with the code of the first
/// address and a text that names the host, each endpoint and how it failed. There is no limit of time but the kernel's,
/// some two minutes for an address that does not answer: use `with_timeout`. Cancelling it gives up all attempts;
/// when one has succeeded already, its connection is given.
task<tcp_stream> connect(std::string host, std::uint16_t port, connect_options options = {});

/// The same with endpoints that are known. Throws `std::invalid_argument` when there are none or one is no IP endpoint.
task<tcp_stream> connect_any(std::vector<endpoint> candidates, connect_options options = {});

}  // namespace sennit::net
