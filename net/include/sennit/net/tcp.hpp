#pragma once

#include <sennit/net/detail/acceptor_core.hpp>
#include <sennit/net/endpoint.hpp>
#include <sennit/net/listener.hpp>
#include <sennit/net/stream_socket.hpp>
#include <sennit/task.hpp>

namespace sennit::net {

/// A TCP connection. Nagle's algorithm is off: small messages leave at once.
class tcp_stream final : public stream_socket {
  public:
    /// For the library.
    explicit tcp_stream(detail::socket_ref core) noexcept : stream_socket(std::move(core)) {}

    /// Connects to an IP endpoint; suspends until the connection stands. Throws `std::system_error` whose text
    /// names the endpoint. Cancelling it gives up the attempt; a connection that stood already is closed. To connect to
    /// a host by name use `net::connect`. Source: connect(2), tcp(7).
    static task<tcp_stream> connect(endpoint peer);

    /// Whether small messages leave at once (TCP_NODELAY). True unless changed.
    void set_no_delay(bool on);
    bool no_delay() const;

    /// Whether the kernel probes a peer that has been silent for long (SO_KEEPALIVE). False unless changed.
    void set_keep_alive(bool on);
    bool keep_alive() const;
};

/// How a TCP listener is set up.
struct listen_options {
    int backlog = 4096;       ///< connections that wait in the kernel; it caps this at net.core.somaxconn
    bool reuse_port = false;  ///< lets other sockets listen on the same port; the kernel spreads connections
};

/// A listening TCP socket.
class tcp_listener final : public basic_listener<tcp_stream> {
  public:
    /// Listens on an IP endpoint; port 0 lets the kernel choose one, see `local_endpoint`. An IPv6 endpoint accepts
    /// IPv6 only. Does not suspend. Throws `std::system_error` whose text names the endpoint, `address_in_use` for
    /// example. Source: bind(2), listen(2).
    static task<tcp_listener> bind(endpoint where, listen_options options = {});

  private:
    explicit tcp_listener(detail::acceptor_core* core) noexcept : basic_listener(core) {}
};

}  // namespace sennit::net
