// line_time_server: one handler object for each connection, which reads one line, answers it with the time, and closes

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <sennit/sennit.hpp>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/serving.hpp"
#include "common/time_stamp.hpp"

using namespace sennit;
using namespace std::chrono_literals;

constexpr std::size_t longest_line = 4096;

// The pattern of Python's socketserver: the server makes a handler for each connection, gives it something to read from
// and something to write to, and closes the connection when `handle` has ended.
class time_handler {
  public:
    time_handler(net::line_reader<net::tcp_stream>& reader, net::tcp_stream& writer)
        : reader_(reader), writer_(writer) {}

    task<> handle() {
        const auto line = co_await as_result(with_timeout(60s, reader_.read_line()));
        if (!line && line.error() != std::errc::message_size) co_return;  // gone, or silent for too long
        if (line && !*line) co_return;                                    // finished without a line

        std::string answer = app::time_stamp() + " ";
        answer += line ? std::string(**line) : fmt::format("(too long: {} bytes at the most)", longest_line);
        answer += '\n';
        co_await writer_.send(answer);
    }

  private:
    net::line_reader<net::tcp_stream>& reader_;
    net::tcp_stream& writer_;
};

// To close while the peer still sends would reset the connection, maybe before it has read the answer. So the end of
// our stream goes out first, and what still comes is dropped for a moment.
task<> say_goodbye(net::tcp_stream& peer) {
    co_await peer.shutdown_send();
    std::array<std::byte, 4096> ignored;
    while (co_await peer.recv(ignored) != 0) {
    }
}

template <class Handler>
task<> handle_connection(net::tcp_stream peer) {
    net::line_reader reader(peer, net::line_reader_options{longest_line});
    Handler handler(reader, peer);
    co_await handler.handle();
    co_await move_on_after(1s, say_goodbye(peer));
}

task<> serve(const app::stream_server_flags& flags) {
    auto listener = co_await net::tcp_listener::bind(flags.where());
    co_await app::announce(listener.local_endpoint(), flags.verbose);
    co_await net::serve(listener, handle_connection<time_handler>, flags.limits);
}

int main(int argc, char** argv) {
    app::stream_server_flags flags;
    app::command_line("Answers one line with `[Mon Nov 23 21:07:41 2026] ` and the line, and closes.")
        .add(flags)
        .parse(argc, argv);
    return app::run(flags, serve(flags));
}
