// The shapes of the demos' servers, unchanged, in a world where things go wrong: safety while they do, and liveness
// afterwards.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/net/connect.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/testing/sim_test.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>

namespace sennit::testing::sim_servers_test {

using namespace std::chrono_literals;

constexpr int clients = 5;
constexpr int questions = 20;

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (const auto n = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(n));
}

task<> serve_echo() {
    auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 7});
    co_await net::serve(listener, echo);
}

task<> pump(net::tcp_stream& from, net::tcp_stream& to) {
    std::array<std::byte, 16384> buffer;
    while (const std::size_t count = co_await from.recv(buffer)) co_await to.send(const_bytes(buffer).first(count));
    co_await to.shutdown_send();
}

task<> forward(net::tcp_stream client) {
    try {
        auto server = co_await with_timeout(10s, net::connect("echo.test", 7));
        co_await when_all(pump(client, server), pump(server, client));
    } catch (const std::system_error&) {
        // The client finds its connection closed.
    }
}

task<> serve_proxy() {
    auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 80});
    co_await net::serve(listener, forward);
}

/// Asks everything on one connection, or throws.
task<> ask_all(std::string host, std::uint16_t port, int id, int& answered) {
    auto stream = co_await net::connect(host, port);
    net::line_reader lines(stream);
    for (; answered < questions; ++answered) {
        const std::string question = std::to_string(id) + " asks " + std::to_string(answered) + ".";
        co_await stream.send(question + "\n");
        const auto answer = co_await lines.read_line();
        // A proxy that loses its server ends the stream wherever it was: a line without its end is no answer.
        const bool is_whole = answer && answer->ends_with('.');
        if (!is_whole) throw std::system_error(std::make_error_code(std::errc::connection_aborted));
        EXPECT_EQ(*answer, question);
        co_await sleep_for(50ms);
    }
}

/// Asks until everything is answered, with a new connection whenever one breaks or is silent for too long.
task<> ask_stubbornly(std::string host, std::uint16_t port, int id) {
    int answered = 0;
    while (answered < questions) {
        const auto done = co_await as_result(with_timeout(20s, ask_all(host, port, id, answered)));
        if (!done) co_await sleep_for(100ms);
    }
}

class SimServers : public SimTest, public ::testing::WithParamInterface<std::uint64_t> {
  protected:
    SimServers() : SimTest(options()) {}

    static sim_options options() {
        sim_options chosen;
        chosen.seed = GetParam();
        return chosen;
    }

    /// Links on which everything goes wrong now and then, until `at_last`.
    void trouble(sim_host& one, sim_host& other) {
        link_options bad;
        bad.jitter = 5ms;
        bad.loss = 30'000;
        bad.reset = 10'000;
        bad.refuse = 100'000;
        world.set_link(one, other, bad);
        for (sim_host* each : {&one, &other}) {
            each->faults().short_receive = each->faults().short_send = 200'000;
            each->faults().accept_out_of_files = each->faults().accept_aborted = 20'000;
            each->faults().multishot_end = 50'000;
        }
        for (int i = 0; i < 3; ++i) {
            world.after(1s + i * 5s, [&] { world.partition(one, other); });
            world.after(3s + i * 5s, [&] { world.heal(one, other); });
        }
        world.after(17s, [&] {
            world.reset_connections(one, other);
            world.set_link(one, other, {});
            one.faults() = other.faults() = {};
        });
    }

    sim_host& echo_host = world.add_host("echo", {"10.0.0.1"});
    sim_host& proxy_host = world.add_host("proxy", {"10.0.0.2"});
    sim_host& client_host = world.add_host("client", {"10.0.0.3"});
};

TEST_P(SimServers, EchoAnswersEverythingOnceTheTroubleIsOver) {
    world.add_name("echo.test", {"10.0.0.1"});
    trouble(echo_host, client_host);
    echo_host.spawn_background(serve_echo());
    for (int i = 0; i < clients; ++i) client_host.spawn(ask_stubbornly("echo.test", 7, i));
    world.run();
}

TEST_P(SimServers, ProxyForwardsEverythingOnceTheTroubleIsOver) {
    world.add_name("echo.test", {"10.0.0.1"});
    world.add_name("proxy.test", {"10.0.0.2"});
    trouble(proxy_host, client_host);
    trouble(echo_host, proxy_host);
    echo_host.spawn_background(serve_echo());
    proxy_host.spawn_background(serve_proxy());
    for (int i = 0; i < clients; ++i) client_host.spawn(ask_stubbornly("proxy.test", 80, i));
    world.run();
}

/// A room whose members hear each other's lines; a member that is too slow is out.
class room {
  public:
    struct member {
        explicit member(net::tcp_stream& connection) : stream(connection) {}
        net::tcp_stream& stream;
        channel<std::string> outbox{64};
    };

    task<> admit(net::tcp_stream stream) {
        member self(stream);
        members_.push_back(&self);
        try {
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(write(self));
                co_await read(self);
                self.outbox.close();
            });
        } catch (...) {
            std::erase(members_, &self);
            throw;
        }
        std::erase(members_, &self);
    }

    std::size_t size() const { return members_.size(); }

  private:
    task<> read(member& self) {
        net::line_reader lines(self.stream);
        for (;;) {
            // A peer that is gone without a word is noticed by its silence alone.
            const auto heard = co_await move_on_after(5min, lines.read_line());
            if (!heard || !*heard) co_return;
            const auto& line = *heard;
            const std::string text = std::string(*line) + "\n";
            for (member* each : members_) {
                if (each != &self && !each->outbox.try_send(std::string(text))) each->stream.close();
            }
        }
    }
    static task<> write(member& self) {
        while (const auto text = co_await self.outbox.recv()) co_await self.stream.send(*text);
    }

    std::vector<member*> members_;
};

TEST_P(SimServers, ChatForgetsWhoeverIsGone) {
    trouble(echo_host, client_host);
    world.link(client_host, echo_host).refuse = 0;
    room lobby;
    const auto serve_chat = [&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"0.0.0.0", 23});
        const auto handler = [&](net::tcp_stream stream) { return lobby.admit(std::move(stream)); };
        co_await net::serve(listener, handler);
    };
    // Without a word for a minute a chatter goes, whatever the reason.
    const auto chat = [](int id) -> task<> {
        const auto once = [](int name) -> task<> {
            auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 23});
            for (int i = 0; i < 50; ++i) {
                co_await stream.send("line " + std::to_string(i) + " of " + std::to_string(name) + "\n");
                std::array<char, 4096> heard;
                co_await move_on_after(100ms, stream.recv(heard));
            }
            co_await stream.shutdown_send();
        };
        const auto done = co_await as_result(with_timeout(1min, once(id)));
        static_cast<void>(done);
    };
    echo_host.spawn_background(serve_chat());
    for (int i = 0; i < clients; ++i) client_host.spawn(chat, i);
    world.run();
    world.advance(30min);
    EXPECT_EQ(lobby.size(), 0u) << world.describe();
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimServers, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace sennit::testing::sim_servers_test
