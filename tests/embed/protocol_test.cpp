// The outside project tests a protocol of its own in a simulated world, without a test framework.

#include <cstdio>
#include <sennit/sennit.hpp>
#include <sennit/testing/allocation_failures.hpp>
#include <sennit/testing/explore.hpp>
#include <sennit/testing/sim_world.hpp>

using namespace sennit;
using namespace std::chrono_literals;

// The protocol: a line with a number is answered by the next number.
task<> count(net::tcp_stream peer) {
    net::line_reader lines(peer);
    while (const auto line = co_await lines.read_line()) {
        const std::string next = std::to_string(std::stoi(std::string(*line)) + 1);
        co_await peer.send(next + "\n");
    }
}

task<> serve_counting() {
    auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 4000});
    co_await net::serve(listener, count);
}

task<int> ask(std::string host, int number) {
    auto stream = co_await net::connect(host, 4000);
    const std::string question = std::to_string(number) + "\n";
    co_await stream.send(question);
    net::line_reader lines(stream);
    const auto line = co_await lines.read_line();
    co_return line ? std::stoi(std::string(*line)) : -1;
}

task<> expect_answer(int& answer) {
    answer = co_await ask("counter.test", 41);
}

task<> ask_a_server(testing::sim_world& world, testing::sim_host&) {
    world.add_host("server", {"10.0.0.2"}).spawn_background(serve_counting());
    world.add_name("counter.test", {"10.0.0.2"});
    static_cast<void>(co_await ask("counter.test", 41));
}

int main() {
    // [readme]
    testing::sim_world world;
    auto& server = world.add_host("server", {"10.0.0.1"});
    auto& client = world.add_host("client", {"10.0.0.2"});
    world.add_name("counter.test", {"10.0.0.1"});
    world.link(client, server).loss = 300'000;

    int answer = 0;
    server.spawn_background(serve_counting());
    client.spawn(expect_answer(answer));
    world.run();
    // [/readme]
    std::printf("answer: %d\n", answer);

    const std::size_t runs = testing::for_each_allocation_failure(ask_a_server);
    return answer == 42 && runs > 10 ? 0 : 1;
}
