#pragma once

#include <utility>

#include <sennit/net/datagram_socket.hpp>
#include <sennit/net/endpoint.hpp>
#include <sennit/task.hpp>

namespace sennit::net {

/// How a UDP socket is bound.
struct udp_options {
    bool reuse_port = false;  ///< lets other sockets bind the same port; the kernel spreads datagrams
};

/// A UDP socket.
class udp_socket final : public datagram_socket {
  public:
    /// A socket that receives what is sent to `where`; port 0 lets the kernel choose one. Does not suspend. Throws
    /// `std::system_error` whose text names the endpoint. Source: bind(2), udp(7).
    static task<udp_socket> bind(endpoint where, udp_options options = {});

    /// A socket that sends to `peer` and receives from it alone, at a port of the kernel's choice. Does not suspend and
    /// sends nothing. Throws `std::system_error` whose text names the endpoint. Source: connect(2), udp(7).
    static task<udp_socket> connect(endpoint peer);

  private:
    explicit udp_socket(detail::socket_ref core) noexcept : datagram_socket(std::move(core)) {}
};

}  // namespace sennit::net
