// Measures the simulator: echo round trips between two hosts, and within one, in a second of real time.

#include <array>
#include <chrono>
#include <cstdio>
#include <sennit/sennit.hpp>
#include <sennit/testing/sim_world.hpp>

using namespace sennit;

namespace {

constexpr int connections = 64;
constexpr int round_trips = 10'000;  // on each connection

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (const auto n = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(n));
}

task<> serve_echo() {
    auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 7});
    co_await net::serve(listener, echo);
}

task<> ping(const char* host) {
    co_await sleep_for(std::chrono::milliseconds(1));
    auto stream = co_await net::connect(host, 7);
    std::array<std::byte, 64> message{};
    for (int i = 0; i < round_trips; ++i) {
        co_await stream.send(message);
        co_await stream.recv_exactly(message);
    }
}

void measure(const char* what, const char* target, bool same_host) {
    testing::sim_world world;
    testing::sim_host& server = world.add_host("server", {"10.0.0.1"});
    testing::sim_host& client = same_host ? server : world.add_host("client", {"10.0.0.2"});
    server.spawn_background(serve_echo());
    for (int i = 0; i < connections; ++i) client.spawn(ping(target));
    const auto start = std::chrono::steady_clock::now();
    world.run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%s: %.0f round trips a second, trace %016llx\n", what, connections * round_trips / took.count(),
                static_cast<unsigned long long>(world.trace_hash()));
}

}  // namespace

int main() {
    measure("between two hosts", "10.0.0.1", false);
    measure("within one host", "127.0.0.1", true);
}
