#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <type_traits>

#include <sennit/net/endpoint.hpp>
#include <sennit/time.hpp>

namespace sennit::net {

/// The limits of a server.
struct serve_options {
    /// No limit of this kind.
    static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

    /// Connections served at the same time; further ones wait in the backlog. Whatever is written here, the server
    /// keeps 128 descriptors of the process's limit (RLIMIT_NOFILE) free, or half of them when the limit is small.
    std::size_t max_connections = unlimited;

    /// Connections served at the same time from one IP address; further ones are closed at once.
    std::size_t max_connections_per_peer = unlimited;

    /// How long connections may go on when the server has been asked to end.
    duration drain_timeout = std::chrono::seconds(10);

    /// How long a connection that was finished while draining waits for its peer to close too. Closing at once
    /// could reset the connection under the peer's last messages, and take our last answer along (RFC 9112, 9.6).
    duration goodbye_timeout = std::chrono::seconds(1);

    /// Called with what a handler threw, and with the peer. By default a peer that went away (`connection_reset`,
    /// `broken_pipe`, `timed_out`) is nothing to report, and everything else is written to standard error, one line a
    /// second at the most.
    void (*on_error)(const endpoint& peer, std::exception_ptr error) = nullptr;
};

static_assert(std::is_trivially_destructible_v<serve_options>);

}  // namespace sennit::net
