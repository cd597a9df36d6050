// A program outside the project: one coroutine serves an echo, another asks for it. The three build descriptions beside
// it are all that differs between the ways to use the library.

#include <array>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include <sennit/sennit.hpp>

using namespace sennit;

namespace {

constexpr std::string_view message = "hello from outside";

task<> echo(net::tcp_listener& listener) {
    auto peer = co_await listener.accept();
    std::array<char, 8> buffer;
    while (auto count = co_await peer.recv(buffer)) co_await peer.send(std::span(buffer).first(count));
}

task<std::string> ask(net::endpoint server) {
    auto stream = co_await net::tcp_stream::connect(server);
    co_await stream.send(message);
    co_await stream.shutdown_send();
    std::string answer(message.size(), '\0');
    const auto count = co_await stream.recv_exactly(answer);
    answer.resize(count);
    co_return answer;
}

task<int> round_trip() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    const auto answer = co_await with_task_group([&](task_group& group) -> task<std::string> {
        group.spawn(echo(listener));
        co_return co_await ask(listener.local_endpoint());
    });
    std::printf("echoed: %s\n", answer.c_str());
    co_return answer == message ? 0 : 1;
}

}  // namespace

int main() {
    return run(round_trip());
}
