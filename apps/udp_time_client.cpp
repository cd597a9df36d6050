// udp_time_client: sends the lines you type to udp_time_server and prints its answers; a single space ends both

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

task<> converse(const app::client_flags& flags) {
    const net::endpoint server = co_await app::resolve(flags);
    auto socket = co_await net::udp_socket::connect(server);  // sends nothing: it only remembers the address
    app::input_lines input;
    std::vector<char> answer(65536);
    for (;;) {
        co_await app::print("> ");
        const auto line = co_await input.next();
        if (!line) co_return;

        co_await socket.send(*line);
        if (*line == " ") co_return;  // the server has ended, or will: it does not answer this
        const auto got = co_await move_on_after(2s, socket.recv(answer));
        if (!got) throw std::runtime_error("no answer within 2 seconds");
        co_await app::print(const_bytes(answer).first(got->size));
        co_await app::print("\n");
    }
}

int main(int argc, char** argv) {
    app::client_flags flags;
    app::command_line("Sends each line to a udp_time_server and prints the answer. A single space ends both.")
        .add(flags)
        .parse(argc, argv);
    return app::run(flags, converse(flags));
}
