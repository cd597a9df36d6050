// The same echo server with Asio's coroutines; what is measured is compiling it.

#include <asio.hpp>

using asio::ip::tcp;

asio::awaitable<void> echo(tcp::socket peer) try {
    std::array<std::byte, 4096> buffer;
    for (;;) {
        const auto length = co_await peer.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        co_await asio::async_write(peer, asio::buffer(buffer, length), asio::use_awaitable);
    }
} catch (const std::exception&) {
}

asio::awaitable<void> serve() {
    tcp::acceptor listener(co_await asio::this_coro::executor, {asio::ip::address_v4::loopback(), 7000});
    for (;;) {
        auto peer = co_await listener.async_accept(asio::use_awaitable);
        asio::co_spawn(listener.get_executor(), echo(std::move(peer)), asio::detached);
    }
}

int main() {
    asio::io_context context(1);
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](auto, auto) { context.stop(); });
    asio::co_spawn(context, serve(), asio::detached);
    context.run();
}
