// udp_time_server: answers each datagram with the time and the datagram; one that is a single space stops it

#include <fmt/format.h>

#include <sennit/sennit.hpp>
#include <vector>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"
#include "common/time_stamp.hpp"

using namespace sennit;

constexpr std::size_t longest_datagram = 65507;              // 65535 less the headers of IPv4 and UDP
constexpr std::size_t longest_text = longest_datagram - 27;  // the answer begins with 27 bytes of its own

struct options : app::server_flags {
    bool stop_on_space = false;
};

task<> answer_datagrams(net::udp_socket& socket, bool space_stops) {
    std::vector<char> buffer(longest_text);
    for (;;) {
        const auto got = co_await socket.recv_from(buffer);
        const std::string_view text(buffer.data(), got.size);
        if (space_stops && text == " ") co_return;

        std::string answer = app::time_stamp() + " ";
        if (got.truncated) {  // the kernel dropped what did not fit the buffer, and says so
            answer += fmt::format("(too long: {} bytes at the most)", longest_text);
        } else {
            answer += text;
        }
        const auto sent = co_await as_result(shield(socket.send_to(answer, got.sender)));
        if (!sent) fmt::print(stderr, "answer to {}: {}\n", got.sender.to_string(), sent.error().message());
    }
}

task<> serve(const options& flags) {
    auto socket = co_await net::udp_socket::bind(flags.where());
    co_await app::announce(socket.local_endpoint(), flags.verbose);
    // Whoever can send a datagram to us can stop us. On a loopback address these are the programs of this machine;
    // elsewhere it is anyone, so there it has to be asked for.
    co_await answer_datagrams(socket, flags.where().address().is_loopback() || flags.stop_on_space);
}

int main(int argc, char** argv) {
    options flags;
    app::command_line("Answers each datagram with `[Mon Nov 23 21:07:41 2026] ` and the datagram.")
        .add(flags)
        .flag("--stop-on-space", flags.stop_on_space, "lets a datagram of one space stop it on any address")
        .parse(argc, argv);
    return app::run(flags, serve(flags));
}
