// tcp_time_client: sends the lines you type to tcp_time_server and prints its answers

#include <array>
#include <sennit/sennit.hpp>
#include <stdexcept>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/terminal.hpp"

using namespace sennit;

task<> converse(const app::client_flags& flags) {
    auto server = co_await net::connect(flags.host, flags.port);
    app::input_lines input;
    std::array<char, 4096> answer;
    for (;;) {
        co_await app::print("> ");
        auto line = co_await input.next();
        if (!line || line->empty()) co_return;  // the end of the input, or of the patience

        line->push_back('\n');
        co_await server.send(*line);
        const std::size_t size = co_await server.recv(answer);
        if (size == 0) throw std::runtime_error("the server has closed the connection");
        co_await app::print(const_bytes(answer).first(size));
        co_await app::print("\n");
    }
}

int main(int argc, char** argv) {
    app::client_flags flags;
    app::command_line("Sends each line to a tcp_time_server and prints the answer. An empty line ends it.")
        .add(flags)
        .parse(argc, argv);
    return app::run(flags, converse(flags));
}
