// A whole echo server with sennit; what is measured is compiling it.

#include <sennit/sennit.hpp>

using namespace sennit;

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (auto length = co_await peer.recv(buffer)) co_await peer.send(std::span(buffer).first(length));
}

task<> serve() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 7000});
    co_await net::serve(listener, echo);
}

int main() {
    return run(serve());
}
