// minimal_echo_server: the whole echo server of the README

#include <array>
#include <sennit/sennit.hpp>

using namespace sennit;

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (auto n = co_await peer.recv(buffer))            // 0: the peer has finished sending
        co_await peer.send(const_bytes(buffer).first(n));  // sends all of it
}

int main() {
    return run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 21111});
        co_await net::serve(listener, echo);  // one task for each connection; Ctrl-C drains them
    });
}
