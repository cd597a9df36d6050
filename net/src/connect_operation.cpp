// Connecting a stream socket to an endpoint that is known.

#include <sys/socket.h>

#include <system_error>

#include <sennit/net/detail/connect_operation.hpp>
#include <sennit/yield.hpp>

namespace sennit::net::detail {

bool connect_awaiter::prepare() noexcept {
    request_.address_length = peer_.to_sockaddr(address_);
    request_.address = reinterpret_cast<const sockaddr*>(address_);
    return true;
}

void connect_awaiter::await_resume() const {
    if (const auto error = outcome()) throw std::system_error(error, "connect to " + peer_.to_string());
}

task<socket_ref> connect_stream(endpoint peer) {
    event_loop& loop = co_await current_loop();
    socket_ref socket = open_socket(loop, peer.family(), SOCK_STREAM);
    co_await connect_awaiter(socket, peer);
    co_return socket;
}

}  // namespace sennit::net::detail
