// Echo and proxy with Asio's coroutines; built once on epoll and once on io_uring. Errors come as codes, not as
// exceptions, and the executor is the concrete one: the faster of the usual ways of writing it.

#include <asio.hpp>
#include <cstddef>
#include <memory>

#include "peer.hpp"

namespace {

using asio::ip::tcp;
using asio::ip::udp;
using executor = asio::io_context::executor_type;
using token = asio::use_awaitable_t<executor>;
using stream = asio::basic_stream_socket<tcp, executor>;
using acceptor = asio::basic_socket_acceptor<tcp, executor>;
using datagram_socket = asio::basic_datagram_socket<udp, executor>;
using nothing = asio::awaitable<void, executor>;

constexpr token use_awaitable;

nothing echo(stream peer) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(echo_buffer_size);
    asio::error_code error;
    for (;;) {
        const std::size_t length = co_await peer.async_read_some(asio::buffer(buffer.get(), echo_buffer_size),
                                                                 asio::redirect_error(use_awaitable, error));
        if (error) co_return;
        co_await asio::async_write(peer, asio::buffer(buffer.get(), length),
                                   asio::redirect_error(use_awaitable, error));
        if (error) co_return;
    }
}

nothing serve_tcp(acceptor& listener) {
    for (;;) {
        stream peer = co_await listener.async_accept(use_awaitable);
        asio::co_spawn(listener.get_executor(), echo(std::move(peer)), asio::detached);
    }
}

struct connected {
    explicit connected(stream peer) : client(std::move(peer)), server(client.get_executor()) {}
    stream client;
    stream server;
};

// `both` keeps the streams until both directions have ended.
nothing pump([[maybe_unused]] std::shared_ptr<connected> both, stream& from, stream& to) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(proxy_buffer_size);
    asio::error_code error;
    for (;;) {
        const std::size_t length = co_await from.async_read_some(asio::buffer(buffer.get(), proxy_buffer_size),
                                                                 asio::redirect_error(use_awaitable, error));
        if (error) break;
        co_await asio::async_write(to, asio::buffer(buffer.get(), length), asio::redirect_error(use_awaitable, error));
        if (error) break;
    }
    to.shutdown(stream::shutdown_send, error);
}

nothing serve_proxy(acceptor& listener, tcp::endpoint upstream) {
    for (;;) {
        stream client = co_await listener.async_accept(use_awaitable);
        const auto both = std::make_shared<connected>(std::move(client));
        co_await both->server.async_connect(upstream, use_awaitable);
        both->server.set_option(tcp::no_delay(true));
        asio::co_spawn(listener.get_executor(), pump(both, both->client, both->server), asio::detached);
        asio::co_spawn(listener.get_executor(), pump(both, both->server, both->client), asio::detached);
    }
}

nothing serve_udp(datagram_socket& socket) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(echo_buffer_size);
    udp::endpoint client;
    for (;;) {
        const std::size_t length =
            co_await socket.async_receive_from(asio::buffer(buffer.get(), echo_buffer_size), client, use_awaitable);
        co_await socket.async_send_to(asio::buffer(buffer.get(), length), client, use_awaitable);
    }
}

void rethrow(std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
}

#if defined(ASIO_HAS_IO_URING_AS_DEFAULT)
constexpr const char* backend = "io_uring";
#else
constexpr const char* backend = "epoll";
#endif

}  // namespace

int main(int argc, char** argv) try {
    const peer_options options = read_peer_options(argc, argv);
    const asio::ip::address here = asio::ip::address_v4::loopback();
    asio::io_context context(1);
    if (options.mode == "udp") {
        datagram_socket socket(context.get_executor(), udp::endpoint(here, options.port));
        announce(socket.local_endpoint().port(), backend);
        asio::co_spawn(context.get_executor(), serve_udp(socket), rethrow);
        context.run();
    } else {
        acceptor listener(context.get_executor(), tcp::endpoint(here, options.port));
        listener.set_option(tcp::no_delay(true));  // accepted sockets inherit it
        announce(listener.local_endpoint().port(), backend);
        if (options.mode == "proxy") {
            asio::co_spawn(context.get_executor(), serve_proxy(listener, tcp::endpoint(here, options.upstream)),
                           rethrow);
        } else {
            asio::co_spawn(context.get_executor(), serve_tcp(listener), rethrow);
        }
        context.run();
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
