// tcp_time_server: answers each chunk it receives with the time and "Oh?", to many clients at once

#include <array>
#include <sennit/sennit.hpp>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"
#include "common/time_stamp.hpp"

using namespace sennit;

// What was said does not matter, only that something was: a chunk is what one `recv` gives. Streams do not keep the
// boundaries of what was sent; line_time_server shows how to put some into them.
task<> tell_time(net::tcp_stream peer) {
    std::array<std::byte, 4096> ignored;
    while (co_await peer.recv(ignored) != 0) {
        const std::string answer = app::time_stamp() + " Oh?";
        co_await peer.send(answer);
    }
}

task<> serve(const app::stream_server_flags& flags) {
    auto listener = co_await net::tcp_listener::bind(flags.where());
    co_await app::announce(listener.local_endpoint(), flags.verbose);
    co_await net::serve(listener, tell_time, flags.limits);
}

int main(int argc, char** argv) {
    app::stream_server_flags flags;
    app::command_line("Answers each chunk it receives with `[Mon Nov 23 21:07:41 2026] Oh?`.")
        .add(flags)
        .parse(argc, argv);
    return app::run(flags, serve(flags));
}
