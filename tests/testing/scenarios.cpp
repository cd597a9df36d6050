// What both the cancellations and the failing allocations are tried on: a little of everything, in which something can
// go wrong anywhere.

#include "scenarios.hpp"

#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/blocking.hpp>
#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/net/connect.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/net/memory_stream.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/sleep.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing {

using namespace std::chrono_literals;

void require(bool condition, const char* what) {
    if (!condition) throw std::logic_error(what);
}

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 512> buffer;
    while (const auto n = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(n));
}

task<bool> ask_once() {
    auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
    co_await stream.send("question\n");
    std::array<std::byte, 9> answer;
    const std::size_t size = co_await stream.recv_exactly(answer);
    co_await stream.shutdown_send();
    co_return size == answer.size();
}

namespace {

task<> echo_leases(net::tcp_stream peer) {
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

task<> echo_lines(net::tcp_stream peer) {
    net::line_reader lines(peer);
    while (const auto line = co_await lines.read_line()) {
        const std::string answer = std::string(*line) + '\n';
        co_await peer.send(answer);
    }
}

/// Asks until it is answered: a server that is short of memory may drop a connection, but only that one.
task<> ask_until_answered(std::shared_ptr<std::size_t> answered) {
    co_await sleep_for(1s);
    for (int tries = 0; tries != 3; ++tries) {
        const auto asked = co_await as_result(ask_once());
        if (asked && *asked) {
            ++*answered;
            co_return;
        }
        co_await sleep_for(1s);
    }
}

constexpr std::size_t clients = 3;

task<> use_and_stop(sim_host& server, std::shared_ptr<std::size_t> answered) {
    std::vector<task<>> all;
    for (std::size_t i = 0; i != clients; ++i) all.push_back(ask_until_answered(answered));
    co_await when_all(std::move(all));
    server.loop().stop().request();
}

using handler = task<> (*)(net::tcp_stream);

/// A server whose clients are on another host. Once it serves, all of them are served, whichever allocation fails.
task<> serve_clients(sim_world& world, sim_host& tested, handler handle) {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
    const auto answered = std::make_shared<std::size_t>(0);
    world.add_host("clients", {"10.0.0.2"}).spawn_background(use_and_stop(tested, answered));

    net::serve_options options;
    options.max_connections_per_peer = clients;
    options.on_error = [](const net::endpoint&, std::exception_ptr) {};
    const time_point start = world.now();
    try {
        co_await net::serve(listener, handle, options);
    } catch (const std::bad_alloc&) {
        require(world.now() == start, "the server has ended, instead of a connection");
        throw;
    }
    require(*answered == clients, "a client was not served");
}

}  // namespace

task<> serve_bytes(sim_world& world, sim_host& tested) {
    return serve_clients(world, tested, echo);
}

task<> serve_leases(sim_world& world, sim_host& tested) {
    return serve_clients(world, tested, echo_leases);
}

task<> serve_lines(sim_world& world, sim_host& tested) {
    return serve_clients(world, tested, echo_lines);
}

/// A server that is asked to stop while its connections are open: all of them end, and so does it.
task<> drain_connections(sim_world& world, sim_host& tested) {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
    sim_host& others = world.add_host("clients", {"10.0.0.2"});
    const auto wait_for_the_end = []() -> task<> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        std::array<std::byte, 16> buffer;
        static_cast<void>(co_await as_result(stream.recv(buffer)));
    };
    for (std::size_t i = 0; i != clients; ++i) others.spawn_background(wait_for_the_end());
    world.after(1s, [&tested] { tested.loop().stop().request(); });
    net::serve_options options;
    options.on_error = [](const net::endpoint&, std::exception_ptr) {};
    const time_point start = world.now();
    try {
        co_await net::serve(listener, echo, options);
    } catch (const std::bad_alloc&) {
        require(world.now() == start, "the server has ended badly");
        throw;
    }
    require(world.now() - start < 3s, "a connection held up the end");
}

/// A client of a server with a name and two addresses, one of which nobody has.
task<> ask_by_name(sim_world& world, sim_host&) {
    const auto serve = []() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.2", 7});
        co_await net::serve(listener, echo);
    };
    world.add_host("server", {"10.0.0.2"}).spawn_background(serve());
    world.add_name("a-name-that-takes-the-heap.test", {"10.0.0.3", "10.0.0.2"}, 1ms);
    auto stream = co_await with_timeout(20s, net::connect("a-name-that-takes-the-heap.test", 7));
    net::line_reader lines(stream);
    const std::string question(3000, 'x');
    const std::array<const_bytes, 2> parts{const_bytes(question), const_bytes("\n")};
    co_await stream.send_vectored(parts);
    const auto answer = co_await lines.read_line();
    require(answer == question, "another answer");
}

/// What fails while it connects is told, and what is told has a text.
task<> connect_to_nobody(sim_world& world, sim_host&) {
    world.add_name("nobody.test", {"127.0.0.1", "::1"});
    const auto connected = co_await as_result(net::connect("nobody.test", 7));
    require(connected.error() == std::errc::connection_refused || connected.error() == std::errc::not_enough_memory,
            "somebody is there");
    const auto found = co_await as_result(net::resolve("unknown.test", 7));
    require(!found, "it has an address");
}

task<> exchange_datagrams(sim_world&, sim_host&) {
    auto server = co_await net::udp_socket::bind({"127.0.0.1", 7});
    auto client = co_await net::udp_socket::connect({"127.0.0.1", 7});
    net::datagram_batch questions(4, 100);
    for (int i = 0; i != 4; ++i) questions.push_back("question");
    co_await client.send_batch(questions);
    net::datagram_batch received(8, 100);
    co_await server.recv_batch(received);
    co_await server.send_batch(received);
    std::array<std::byte, 100> buffer;
    const auto answer = co_await with_timeout(1s, client.recv(buffer));
    require(answer.size == 8, "another answer");
}

task<> exchange_leases(sim_world&, sim_host&) {
    auto pair = co_await net::unix_stream::pair();
    std::vector<net::buffer_lease> held;
    for (int i = 0; i != 3; ++i) {
        co_await pair.first.send("x");
        held.push_back(co_await pair.second.recv_lease());
        co_await pair.second.send(held.back());
        const auto answer = co_await pair.first.recv_lease();
        require(answer.size() == 1, "another answer");
    }
}

task<> exchange_in_memory(sim_world&, sim_host&) {
    auto streams = net::memory_stream::pair(16);
    const std::string text(100, 'x');
    const auto receive = [&]() -> task<std::size_t> {
        std::array<std::byte, 100> buffer;
        const std::size_t size = co_await streams.second.recv_exactly(buffer);
        co_return size;
    };
    const auto results = co_await when_all(streams.first.send(text), receive());
    require(std::get<1>(results) == text.size(), "bytes are missing");
}

task<> wait_for_each_other(sim_world&, sim_host&) {
    event begun;
    mutex door;
    semaphore permits(1);
    channel<std::string> letters(1);
    channel<int> by_hand(0);
    int alone = 0;
    const auto work = [&](int number) -> task<> {
        co_await begun.wait();
        const auto lock = co_await door.lock();
        require(alone++ == 0, "two are in");
        co_await yield();
        co_await permits.acquire();
        co_await letters.send(std::string(100, 'x'));
        permits.release();
        co_await by_hand.send(number);
        --alone;
    };
    const auto collect = [&]() -> task<> {
        begun.set();
        for (int i = 0; i != 3; ++i) {
            const auto letter = co_await letters.recv();
            require(letter && letter->size() == 100, "a letter is lost");
            static_cast<void>(co_await by_hand.recv());
        }
    };
    co_await with_task_group([&](task_group& group) -> task<> {
        for (int i = 0; i != 3; ++i) group.spawn(work, i);
        co_await collect();
    });
}

task<> race_and_time_out(sim_world&, sim_host&) {
    const auto after = [](duration time) -> task<std::string> {
        co_await sleep_for(time);
        co_return std::string(100, 'x');
    };
    const auto both = co_await when_all(after(1ms), after(2ms));
    require(std::get<0>(both).size() == 100, "a result is lost");
    std::vector<task<std::string>> many;
    for (int i = 0; i != 3; ++i) many.push_back(after(1ms));
    const auto all = co_await when_all(std::move(many));
    require(all.size() == 3, "a result is missing");
    const auto first = co_await when_any(after(1ms), after(1h), sleep_for(2h));
    require(first.index == 0, "another was faster");
    const bool in_time = co_await move_on_after(1ms, sleep_for(1h));
    require(!in_time, "an hour has passed");
    const std::string value = co_await shield(with_timeout(1s, after(1ms)));
    require(value.size() == 100, "no value");
    const auto late = co_await as_result(with_timeout(1ms, after(1s)));
    require(late.error() == std::errc::timed_out, "a second has passed");
}

task<> call_and_post(sim_world&, sim_host& tested) {
    auto make = [] { return std::string(100, 'x'); };
    const std::string made = co_await run_blocking(std::move(make));
    require(made.size() == 100, "another result");
    event arrived;
    tested.loop().post([&arrived] { arrived.set(); });
    co_await arrived.wait();
}

}  // namespace sennit::testing
