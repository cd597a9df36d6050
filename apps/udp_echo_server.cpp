// udp_echo_server: sends back every datagram it receives

#include <fmt/format.h>

#include <sennit/sennit.hpp>
#include <vector>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"

using namespace sennit;

task<> echo_datagrams(net::udp_socket& socket, app::traffic& total) {
    std::vector<std::byte> buffer(65536);  // longer than any datagram, so none is cut
    for (;;) {
        const auto got = co_await socket.recv_from(buffer);  // got.size may be 0: datagrams can be empty
        ++total.served;
        total.received += got.size;
        // Shielded: what was received is answered, also when Ctrl-C cancels this task at this very moment. And one
        // receiver who cannot be reached must not end the server for the others, so errors are values here.
        const auto sent = co_await as_result(shield(socket.send_to(const_bytes(buffer).first(got.size), got.sender)));
        if (sent) {
            total.sent += got.size;
        } else {
            fmt::print(stderr, "answer to {}: {}\n", got.sender.to_string(), sent.error().message());
        }
    }
}

task<> serve(const app::server_flags& flags) {
    auto socket = co_await net::udp_socket::bind(flags.where());
    co_await app::announce(socket.local_endpoint(), flags.verbose);

    app::traffic total;
    try {
        co_await echo_datagrams(socket, total);
    } catch (const cancelled&) {  // Ctrl-C; it is passed on after the last words
        total.print("datagrams");
        throw;
    }
}

int main(int argc, char** argv) {
    app::server_flags flags;
    app::command_line("Sends back every datagram it receives.").add(flags).parse(argc, argv);
    return app::run(flags, serve(flags));
}
