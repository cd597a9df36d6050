// UDP sockets.

#include <netinet/in.h>
#include <sys/socket.h>

#include <system_error>

#include "require_ip.hpp"

#include <sennit/net/detail/connect_operation.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/yield.hpp>

namespace sennit::net {

task<udp_socket> udp_socket::bind(endpoint where, udp_options options) {
    require_ip(where, "udp_socket::bind", "net::unix_datagram_socket");
    event_loop& loop = co_await current_loop();
    detail::socket_ref socket = detail::open_socket(loop, where.family(), SOCK_DGRAM);
    if (options.reuse_port) socket->set_option(SOL_SOCKET, SO_REUSEPORT, 1, "reuse_port");
    if (where.family() == family::ipv6) socket->set_option(IPPROTO_IPV6, IPV6_V6ONLY, 1, "ipv6_only");
    socket->bind(where);
    co_return udp_socket(std::move(socket));
}

task<udp_socket> udp_socket::connect(endpoint peer) {
    require_ip(peer, "udp_socket::connect", "net::unix_datagram_socket");
    event_loop& loop = co_await current_loop();
    detail::socket_ref socket = detail::open_socket(loop, peer.family(), SOCK_DGRAM);
    co_await detail::connect_awaiter(socket, peer);
    co_return udp_socket(std::move(socket));
}

}  // namespace sennit::net
