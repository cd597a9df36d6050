// echo_client: sends what you type, or what is piped in, to an echo server and prints what comes back

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <sennit/sennit.hpp>
#include <stdexcept>
#include <vector>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/resolve.hpp"
#include "common/terminal.hpp"

using namespace sennit;
using namespace std::chrono_literals;

struct options : app::client_flags {
    std::string protocol;
    app::unix_path path;
};

struct progress {
    std::uint64_t sent = 0;
    std::uint64_t echoed = 0;
    bool all_sent = false;
};

template <net::byte_stream Stream>
task<> send_input(Stream& server, progress& so_far) {
    std::array<std::byte, 16384> buffer;
    while (const std::size_t count = co_await app::read_input(buffer)) {
        so_far.sent += count;
        co_await server.send(const_bytes(buffer).first(count));
    }
    so_far.all_sent = true;
    co_await server.shutdown_send();  // the server sees the end of our stream, and sends the rest
}

template <net::byte_stream Stream>
task<> print_echo(Stream& server, progress& so_far) {
    std::array<std::byte, 16384> buffer;
    while (const std::size_t count = co_await server.recv(buffer)) {
        so_far.echoed += count;
        co_await app::print(const_bytes(buffer).first(count));
    }
    if (!so_far.all_sent || so_far.echoed != so_far.sent) {
        throw std::runtime_error(
            fmt::format("the server has closed the connection after {} of {} bytes", so_far.echoed, so_far.sent));
    }
}

// Both directions at the same time: with one after the other, a long input would fill all buffers on the way to the
// server and back, and both sides would wait for each other for ever.
template <net::byte_stream Stream>
task<> converse(Stream server) {
    progress so_far;
    co_await when_all(send_input(server, so_far), print_echo(server, so_far));
}

// A datagram for each line. It may be lost, or its echo may: then nobody will ever tell.
task<int> converse_by_datagrams(net::udp_socket server) {
    int status = 0;
    app::input_lines input;
    std::vector<char> buffer(65536);
    while (const auto line = co_await input.next()) {
        const auto sent = co_await as_result(server.send(*line));
        if (!sent && sent.error() == std::errc::message_size) {
            fmt::print(stderr, "a line of {} bytes does not fit a datagram; 65507 do\n", line->size());
            status = 1;
            continue;
        }
        if (!sent) throw std::system_error(sent.error(), "send");

        const auto got = co_await move_on_after(2s, server.recv(buffer));
        if (!got) throw std::runtime_error("no answer within 2 seconds");
        co_await app::print(const_bytes(buffer).first(got->size));
        co_await app::print("\n");
    }
    co_return status;
}

task<int> talk(const options& flags) {
    if (flags.protocol == "udp") {
        const net::endpoint server = co_await app::resolve(flags);
        auto socket = co_await net::udp_socket::connect(server);
        co_return co_await converse_by_datagrams(std::move(socket));
    }
    if (flags.protocol == "tcp") {
        auto stream = co_await net::connect(flags.host, flags.port);
        co_await converse(std::move(stream));
    } else {
        auto stream = co_await net::unix_stream::connect(flags.path.where());
        co_await converse(std::move(stream));
    }
    co_return 0;
}

int main(int argc, char** argv) {
    options flags;
    app::command_line("Sends standard input to an echo server and prints what comes back; over UDP, line by line.")
        .choice("PROTOCOL", flags.protocol, {"tcp", "udp", "unix"}, "tcp, udp or unix")
        .add(flags)
        .add(flags.path)
        .parse(argc, argv);
    return app::run(flags, talk(flags));
}
