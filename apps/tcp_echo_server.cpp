// tcp_echo_server: sends back every byte it receives, to any number of TCP clients at once

#include <array>
#include <sennit/sennit.hpp>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"

using namespace sennit;

// One connection, from its beginning to its end. `recv` gives 0 when the client has finished sending (or when the
// server was asked to end, and everything that had arrived has been received); returning closes the connection.
task<> echo(net::tcp_stream peer, app::traffic& total) {
    ++total.served;
    std::array<std::byte, 16384> buffer;
    while (const std::size_t count = co_await peer.recv(buffer)) {
        total.received += count;
        co_await peer.send(const_bytes(buffer).first(count));  // all of it, however slowly the peer reads
        total.sent += count;
    }
}

task<> serve(const app::stream_server_flags& flags) {
    auto listener = co_await net::tcp_listener::bind(flags.where());
    co_await app::announce(listener.local_endpoint(), flags.verbose);

    app::traffic total;
    // A lambda with captures is named before it is passed: g++ 12 destroys temporary ones twice around co_await.
    const auto handler = [&total](net::tcp_stream peer) { return echo(std::move(peer), total); };
    co_await net::serve(listener, handler, flags.limits);  // until Ctrl-C; then connections finish what has arrived
    total.print("connections");
}

int main(int argc, char** argv) {
    app::stream_server_flags flags;
    app::command_line("Sends back every byte it receives.").add(flags).parse(argc, argv);
    return app::run(flags, serve(flags));
}
