// tcp_proxy: accepts connections and forwards them to another server, in both directions

#include <fmt/format.h>

#include <chrono>
#include <sennit/sennit.hpp>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"

using namespace sennit;
using namespace std::chrono_literals;

struct options : app::loop_flags {
    app::host_and_port listen;
    app::host_and_port target;
    net::serve_options limits;
};

task<> proxy(net::tcp_stream client, const app::host_and_port& target) {
    try {
        auto server = co_await with_timeout(10s, net::connect(target.host, target.port));
        // A slow receiver slows its sender down, so nothing piles up here. The end of a stream is passed on as such:
        // the other direction goes on until it ends too. An error in one direction cancels the other; both connections
        // close when this returns.
        co_await when_all(net::forward(client, server), net::forward(server, client));
    } catch (const std::system_error& error) {
        fmt::print(stderr, "a connection to {}:{} ended: {}\n", target.host, target.port, error.what());
    }
}

task<> serve(const options& flags) {
    auto listener = co_await net::tcp_listener::bind({flags.listen.host, flags.listen.port});
    co_await app::announce(listener.local_endpoint(), flags.verbose);
    const auto handler = [&flags](net::tcp_stream client) { return proxy(std::move(client), flags.target); };
    co_await net::serve(listener, handler, flags.limits);
}

int main(int argc, char** argv) {
    options flags;
    flags.limits.descriptors_per_connection = 6;  // one to each side, and a pipe for each direction
    app::command_line("Forwards each connection to another server.")
        .listening_place("LISTEN", flags.listen, "where to listen: [ADDRESS:]PORT, port 0 for any that is free")
        .target_place("TARGET", flags.target, "where to forward to: [HOST:]PORT")
        .add(flags.limits)
        .add(static_cast<app::loop_flags&>(flags))
        .flag("--verbose", flags.verbose, "also prints why the backend was chosen")
        .parse(argc, argv);
    return app::run(flags, serve(flags));
}
