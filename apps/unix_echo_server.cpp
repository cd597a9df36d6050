// unix_echo_server: the same as tcp_echo_server, on a Unix domain socket

#include <array>
#include <sennit/sennit.hpp>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"

using namespace sennit;

task<> echo(net::unix_stream peer, app::traffic& total) {
    ++total.served;
    std::array<std::byte, 16384> buffer;
    while (const std::size_t count = co_await peer.recv(buffer)) {
        total.received += count;
        co_await peer.send(const_bytes(buffer).first(count));
        total.sent += count;
    }
}

task<> serve(const app::unix_server_flags& flags) {
    // A path is removed again when the listener ends. One that a killed server left behind is replaced, one where
    // somebody still listens is not.
    auto listener = co_await net::unix_listener::bind(flags.path.where());
    co_await app::announce(listener.local_endpoint(), flags.verbose);

    app::traffic total;
    const auto handler = [&total](net::unix_stream peer) { return echo(std::move(peer), total); };
    co_await net::serve(listener, handler, flags.limits);
    total.print("connections");
}

int main(int argc, char** argv) {
    app::unix_server_flags flags;
    app::command_line("Sends back every byte it receives on a Unix socket.").add(flags).parse(argc, argv);
    return app::run(flags, serve(flags));
}
