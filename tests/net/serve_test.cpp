// Servers: their limits, their errors and their polite end.

#include <sennit/net/serve.hpp>

#include <array>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sennit/event.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::serve_test {

using namespace std::chrono_literals;

class Serve : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(Serve);

task<> echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (const auto count = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(count));
}

task<> serve_echo(net::tcp_listener& listener, net::serve_options options) {
    co_await net::serve(listener, echo, options);
}

TEST_P(Serve, EchoesToManyClientsAtOnce) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint where = listener.local_endpoint();
        co_await with_task_group([&](task_group& servers) -> task<> {
            servers.spawn(serve_echo(listener, {}));
            co_await with_task_group([&](task_group& clients) -> task<> {
                for (int i = 0; i < 50; ++i) {
                    clients.spawn(
                        [](net::endpoint server, int number) -> task<> {
                            auto stream = co_await net::tcp_stream::connect(server);
                            const std::string sent = "client " + std::to_string(number);
                            co_await stream.send(sent);
                            co_await stream.shutdown_send();
                            const std::string answer = co_await read_all(stream);
                            EXPECT_EQ(answer, sent);
                        },
                        where, i);
                }
                co_return;
            });
            servers.cancel();
        });
    });
}

TEST_P(Serve, WhatArrivedBeforeTheStopIsAnsweredAndThenTheStreamEnds) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, {}));
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await client.send("one");
            const std::string first = co_await read_exactly(client, 3);
            EXPECT_EQ(first, "one");
            co_await client.send("two");
            loop().stop().request();
            const std::string rest = co_await read_all(client);
            EXPECT_EQ(rest, "two");
        });
        EXPECT_FALSE(listener.is_open());
    });
}

TEST_P(Serve, IdleConnectionsEndWhenItIsAskedToStop) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, {}));
            auto idle = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await settle();
            loop().stop().request();
            const std::string nothing = co_await read_all(idle);
            EXPECT_EQ(nothing, "");
        });
    });
}

TEST_P(Serve, NewConnectionsAreRefusedAfterTheStop) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint where = listener.local_endpoint();
        loop().stop().request();
        co_await serve_echo(listener, {});
        const std::error_code error = co_await error_of(net::tcp_stream::connect(where));
        EXPECT_EQ(error, std::errc::connection_refused);
    });
}

TEST_P(Serve, HandlersThatDoNotEndAreCancelledAtTheDrainTimeout) {
    run([this]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        bool was_cancelled = false;
        const auto stubborn = [&was_cancelled](net::tcp_stream) -> task<> {
            event never;
            try {
                co_await never.wait();
            } catch (const cancelled&) {
                was_cancelled = true;
                throw;
            }
        };
        net::serve_options options;
        options.drain_timeout = 20ms;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, stubborn, options); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await settle();
            loop().stop().request();
            const std::string nothing = co_await read_all(client);
            EXPECT_EQ(nothing, "");
        });
        EXPECT_TRUE(was_cancelled);
    });
}

TEST_P(Serve, ClosingTheListenerEndsItLikeAStop) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, {}));
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await client.send("x");
            const std::string answer = co_await read_exactly(client, 1);
            EXPECT_EQ(answer, "x");
            listener.close();
            const std::string nothing = co_await read_all(client);
            EXPECT_EQ(nothing, "");
        });
    });
}

TEST_P(Serve, CancellingEndsTheHandlersAtOnce) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, {}));
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await client.send("x");
            const std::string answer = co_await read_exactly(client, 1);
            EXPECT_EQ(answer, "x");
            group.cancel();
        });
        EXPECT_FALSE(listener.is_open());
    });
}

// `serve_options::on_error` is a plain function, so what it hears is kept here.
std::string reported;

void keep_report(const net::endpoint& peer, std::exception_ptr error) {
    const std::string who = peer == net::endpoint() ? "nobody" : peer.address().to_string();
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& thrown) {
        reported = who + " " + thrown.what();
    }
}

TEST_P(Serve, AnExceptionEndsOneConnectionOnlyAndIsReported) {
    reported.clear();
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const auto picky = [](net::tcp_stream peer) -> task<> {
            const std::string request = co_await read_exactly(peer, 4);
            if (request == "fail") throw std::runtime_error("as it was told");
            co_await peer.send("fine");
        };
        net::serve_options options;
        options.on_error = keep_report;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, picky, options); });
            auto bad = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await bad.send("fail");
            const std::string nothing = co_await read_all(bad);
            EXPECT_EQ(nothing, "");
            auto good = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await good.send("work");
            const std::string answer = co_await read_all(good);
            EXPECT_EQ(answer, "fine");
            group.cancel();
        });
    });
    EXPECT_EQ(reported, "127.0.0.1 as it was told");
}

TEST_P(Serve, AnExceptionAfterTheCloseIsReportedWithoutAPeer) {
    reported.clear();
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const auto hasty = [](net::tcp_stream peer) -> task<> {
            peer.close();
            throw std::runtime_error("too late");
            co_return;
        };
        net::serve_options options;
        options.on_error = keep_report;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, hasty, options); });
            auto client = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string nothing = co_await read_all(client);
            EXPECT_EQ(nothing, "");
            group.cancel();
        });
    });
    EXPECT_EQ(reported, "nobody too late");
}

TEST_P(Serve, AStreamThatTheHandlerGivesAwayOutlivesTheServer) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        std::optional<net::tcp_stream> kept;
        const auto keep = [&kept](net::tcp_stream peer) -> task<> {
            kept = std::move(peer);
            co_return;
        };
        std::optional<net::tcp_stream> client;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, keep); });
            client = co_await net::tcp_stream::connect(listener.local_endpoint());
            while (!kept) co_await yield();
            group.cancel();
        });
        co_await client->send("late");
        const std::string request = co_await read_exactly(*kept, 4);
        EXPECT_EQ(request, "late");
        co_await kept->send("fine");
        kept->close();
        const std::string answer = co_await read_all(*client);
        EXPECT_EQ(answer, "fine");
    });
}

TEST_P(Serve, ConnectionsAboveTheCapWaitUntilOneEnds) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        net::serve_options options;
        options.max_connections = 1;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            auto first = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await first.send("a");
            const std::string served = co_await read_exactly(first, 1);
            EXPECT_EQ(served, "a");
            auto second = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await second.send("b");
            std::array<char, 1> buffer;
            const auto early = co_await move_on_after(20ms, second.recv(buffer));
            EXPECT_FALSE(early.has_value()) << "the second was served beside the first";
            first.close();
            const std::string later = co_await read_exactly(second, 1);
            EXPECT_EQ(later, "b");
            group.cancel();
        });
    });
}

TEST_P(Serve, ConnectionsOfOnePeerAboveItsCapAreClosed) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        net::serve_options options;
        options.max_connections_per_peer = 1;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(serve_echo(listener, options));
            auto first = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await first.send("a");
            const std::string served = co_await read_exactly(first, 1);
            EXPECT_EQ(served, "a");
            auto second = co_await net::tcp_stream::connect(listener.local_endpoint());
            const std::string nothing = co_await read_all(second);
            EXPECT_EQ(nothing, "");
            co_await first.send("b");
            const std::string still = co_await read_exactly(first, 1);
            EXPECT_EQ(still, "b");
            co_await first.shutdown_send();
            const std::string end = co_await read_all(first);
            EXPECT_EQ(end, "");
            // Its place is free again.
            auto third = co_await net::tcp_stream::connect(listener.local_endpoint());
            co_await third.send("c");
            const std::string again = co_await read_exactly(third, 1);
            EXPECT_EQ(again, "c");
            group.cancel();
        });
    });
}

TEST_P(Serve, ServesUnixSocketsToo) {
    run([]() -> task<> {
        auto listener = co_await net::unix_listener::bind(net::endpoint::unix_abstract("sennit-serve-test"));
        const net::endpoint where = listener.local_endpoint();
        const auto shout = [](net::unix_stream peer) -> task<> {
            const std::string text = co_await read_exactly(peer, 2);
            co_await peer.send(text + "!");
        };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await net::serve(listener, shout); });
            auto client = co_await net::unix_stream::connect(where);
            co_await client.send("hi");
            const std::string answer = co_await read_all(client);
            EXPECT_EQ(answer, "hi!");
            group.cancel();
        });
    });
}

}  // namespace sennit::testing::serve_test
