// TCP streams and listeners.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "require_ip.hpp"

#include <sennit/net/detail/connect_operation.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/yield.hpp>

namespace sennit::net {

task<tcp_stream> tcp_stream::connect(endpoint peer) {
    require_ip(peer, "tcp_stream::connect", "net::unix_stream and net::unix_listener");
    tcp_stream stream(co_await detail::connect_stream(peer));
    stream.set_no_delay(true);
    co_return stream;
}

void tcp_stream::set_no_delay(bool on) {
    open_core().set_option(IPPROTO_TCP, TCP_NODELAY, on, "set_no_delay");
}

bool tcp_stream::no_delay() const {
    return open_core().get_option(IPPROTO_TCP, TCP_NODELAY, "no_delay") != 0;
}

void tcp_stream::set_keep_alive(bool on) {
    open_core().set_option(SOL_SOCKET, SO_KEEPALIVE, on, "set_keep_alive");
}

bool tcp_stream::keep_alive() const {
    return open_core().get_option(SOL_SOCKET, SO_KEEPALIVE, "keep_alive") != 0;
}

task<tcp_listener> tcp_listener::bind(endpoint where, listen_options options) {
    require_ip(where, "tcp_listener::bind", "net::unix_stream and net::unix_listener");
    event_loop& loop = co_await current_loop();
    tcp_listener listener(detail::open_acceptor(loop, where, options.backlog, options.reuse_port));
    co_return listener;
}

}  // namespace sennit::net
