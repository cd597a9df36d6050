// line_time_client: connects to line_time_server anew for every line you type, and prints the answer

#include <sennit/sennit.hpp>
#include <stdexcept>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/terminal.hpp"

using namespace sennit;

task<std::string> ask(const app::client_flags& flags, std::string line) {
    auto server = co_await net::connect(flags.host, flags.port);
    line += '\n';
    co_await server.send(line);
    net::line_reader lines(server);
    const auto answer = co_await lines.read_line();
    if (!answer) throw std::runtime_error("the server has closed the connection without an answer");
    co_return std::string(*answer);  // the connection closes here
}

task<> converse(const app::client_flags& flags) {
    app::input_lines input;
    for (;;) {
        co_await app::print("> ");
        auto line = co_await input.next();
        if (!line || line->empty()) co_return;

        std::string answer = co_await ask(flags, std::move(*line));
        answer += '\n';
        co_await app::print(answer);
    }
}

int main(int argc, char** argv) {
    app::client_flags flags;
    app::command_line("Sends each line to a line_time_server, over a connection of its own. An empty line ends it.")
        .add(flags)
        .parse(argc, argv);
    return app::run(flags, converse(flags));
}
