#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>

#include <sennit/net/endpoint.hpp>
#include <sennit/time.hpp>

namespace sennit::net {

/// What a server has done so far.
struct serve_counters {
    std::uint64_t served = 0;   ///< Connections that were given to the handler.
    std::uint64_t refused = 0;  ///< Connections closed at once because of `max_connections_per_peer`.
    std::uint64_t idle = 0;     ///< Receives that failed because of `idle_timeout`.
    std::uint64_t stalled = 0;  ///< Sends that failed because of `send_timeout`.
};

/// The limits of a server.
struct serve_options {
    /// No limit of this kind.
    static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

    /// Connections served at the same time; further ones wait in the backlog. Whatever is written here, the server
    /// keeps 128 descriptors of the process's limit (RLIMIT_NOFILE) free, or half of them when the limit is small.
    std::size_t max_connections = unlimited;

    /// Descriptors that a connection needs: its own and those that its handler opens for it. What the limit of the
    /// process leaves is divided by it.
    std::size_t descriptors_per_connection = 1;

    /// Connections served at the same time from one IP address; further ones are closed at once. Not limited by
    /// default, since many clients can share an address.
    std::size_t max_connections_per_peer = unlimited;

    /// How long a handler's receive may wait while nothing moves on the connection in either direction; then it fails
    /// with `std::errc::timed_out`. The connection stays usable: most handlers let the error end it. No value: for
    /// ever.
    ///
    /// Connections are looked at four times in a timeout, so it can take a quarter longer; more than 24 days count as
    /// 24. A connection that the handler does not wait for is not idle. Ten minutes leave a person time to think, and
    /// are less than most routers remember a silent connection (RFC 5382, REQ-5, wants two hours).
    std::optional<duration> idle_timeout = std::chrono::minutes(10);

    /// How long a handler's send may wait without the peer taking a byte; then it fails with `std::errc::timed_out`. An
    /// unknown part has been sent: end the connection then. Each byte that the peer takes starts the time again. No
    /// value: for ever.
    std::optional<duration> send_timeout = std::chrono::minutes(1);

    /// While the server can take no further connection, because of `max_connections` or for want of descriptors, both
    /// timeouts are this where it is shorter: who does nothing makes room for who waits. No value: they stay.
    std::optional<duration> timeout_when_full = std::chrono::seconds(10);

    /// How long connections may go on when the server has been asked to end.
    duration drain_timeout = std::chrono::seconds(10);

    /// How long a connection that was finished while draining waits for its peer to close too. Closing at once
    /// could reset the connection under the peer's last messages, and take our last answer along (RFC 9112, 9.6).
    duration goodbye_timeout = std::chrono::seconds(1);

    /// Called with what a handler threw, and with the peer. By default a peer that went away (`connection_reset`,
    /// `broken_pipe`, `timed_out`) is nothing to report, and everything else is written to standard error, one line a
    /// second at the most.
    void (*on_error)(const endpoint& peer, std::exception_ptr error) = nullptr;

    /// Called each time that no connection can be accepted for want of descriptors or memory (EMFILE, ENFILE, ENOBUFS,
    /// ENOMEM), before the server waits and tries again; how long it waits is at `serve`. By default a line is written
    /// to standard error, one a second at the most. What it throws ends the server. Source: accept(2).
    void (*on_accept_error)(std::error_code error) = nullptr;

    /// Where the server counts; must stay until `serve` has ended. None by default.
    serve_counters* counters = nullptr;
};

static_assert(std::is_trivially_destructible_v<serve_options>);

}  // namespace sennit::net
