// Echo and proxy with sennit, written as a user would write them.

#include <chrono>
#include <cstddef>
#include <memory>
#include <sennit/net/forward.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/run.hpp>
#include <sennit/when_all.hpp>
#include <sennit/yield.hpp>
#include <string>

#include "peer.hpp"

namespace {

using namespace sennit;

task<> announce_on(std::uint16_t port) {
    event_loop& loop = co_await current_loop();
    announce(port, loop.backend_reason());
}

// [tcp]
task<> echo(net::tcp_stream peer) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(echo_buffer_size);
    const mutable_bytes room(buffer.get(), echo_buffer_size);
    while (const std::size_t length = co_await peer.recv(room)) co_await peer.send(room.first(length));
}

task<> lease_echo(net::tcp_stream peer) {
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

task<> serve_tcp(std::uint16_t port, bool by_lease) {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", port});
    co_await announce_on(listener.local_endpoint().port());
    if (by_lease) {
        co_await net::serve(listener, lease_echo);
    } else {
        co_await net::serve(listener, echo);
    }
}
// [/tcp]

task<> serve_proxy(std::uint16_t port, std::uint16_t upstream) {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", port});
    co_await announce_on(listener.local_endpoint().port());
    const auto connect_and_forward = [upstream](net::tcp_stream client) -> task<> {
        auto server = co_await net::tcp_stream::connect({"127.0.0.1", upstream});
        co_await when_all(net::forward(client, server), net::forward(server, client));
    };
    co_await net::serve(listener, connect_and_forward);
}

task<> serve_udp(std::uint16_t port) {
    auto socket = co_await net::udp_socket::bind({"127.0.0.1", port});
    co_await announce_on(socket.local_endpoint().port());
    net::datagram_batch batch;
    for (;;) {
        co_await socket.recv_batch(batch);
        co_await socket.send_batch(batch);
    }
}

task<> serve(const peer_options& options) {
    if (options.mode == "udp") return serve_udp(options.port);
    if (options.mode == "proxy") return serve_proxy(options.port, options.upstream);
    return serve_tcp(options.port, options.lease);
}

backend_kind kind_named(std::string_view name) {
    if (name == "io_uring") return backend_kind::io_uring;
    if (name == "epoll") return backend_kind::epoll;
    return backend_kind::automatic;
}

}  // namespace

int main(int argc, char** argv) {
    const peer_options options = read_peer_options(argc, argv);
    event_loop_options how;
    how.backend = kind_named(options.backend);
    how.spin = std::chrono::microseconds(options.spin);
    return run(serve(options), how);
}
