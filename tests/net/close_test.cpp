// The end of sockets, in the middle of operations, before and after their loop. Its one hard idea: whoever waits is
// woken, the peer sees the end, the number of the descriptor may be used again at once, and nobody touches what is
// gone.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::close_test {

class Close : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(Close);

TEST_P(Close, PendingRecvIsWokenAndThePeerSeesTheEnd) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::error_code error;
        std::string text;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                error = co_await error_of(pair.first.recv(buffer));
                text = co_await text_of(pair.first.recv(buffer));
            });
            co_await settle();
            pair.first.close();
            EXPECT_FALSE(pair.first.is_open());
            EXPECT_EQ(pair.first.native_handle(), -1);
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
        EXPECT_EQ(text, "recv: Bad file descriptor");
        co_await settle();
        EXPECT_EQ(pair.second.recv_now(), "EOF");
    });
}

TEST_P(Close, PendingSendIsWoken) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        const std::string much = noise(8 << 20);
        std::error_code sending;
        std::error_code receiving;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { sending = co_await error_of(pair.first.send(much)); });
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                receiving = co_await error_of(pair.first.recv(buffer));
            });
            co_await settle();
            pair.first.close();
        });
        EXPECT_EQ(sending, std::errc::operation_canceled);
        EXPECT_EQ(receiving, std::errc::operation_canceled);
    });
}

TEST_P(Close, PendingAcceptIsWoken) {
    run([]() -> task<> {
        const std::size_t before = open_descriptors();
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint where = listener.local_endpoint();
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { error = co_await error_of(listener.accept()); });
            co_await settle();
            listener.close();
            listener.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
        const std::error_code later = co_await error_of(listener.accept());
        EXPECT_EQ(later, std::errc::bad_file_descriptor);
        co_await settle();
        EXPECT_EQ(raw_connect(where).get(), -1);
        EXPECT_EQ(open_descriptors(), before);
    });
}

TEST_P(Close, PendingDatagramRecvIsWoken) {
    run([]() -> task<> {
        auto socket = co_await net::udp_socket::bind({"127.0.0.1", 0});
        std::error_code error;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                error = co_await error_of(socket.recv_from(buffer));
            });
            co_await settle();
            socket.close();
        });
        EXPECT_EQ(error, std::errc::operation_canceled);
        EXPECT_THROW(socket.local_endpoint(), std::system_error);
    });
}

TEST_P(Close, EverythingOnAClosedStreamIsABadDescriptor) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        net::tcp_stream& stream = pair.first;
        stream.close();
        std::array<char, 16> buffer;
        const std::array<const_bytes, 2> parts{const_bytes("a"), const_bytes("b")};
        std::vector<std::error_code> errors;
        errors.push_back(co_await error_of(stream.recv(buffer)));
        errors.push_back(co_await error_of(stream.recv(mutable_bytes())));
        errors.push_back(co_await error_of(stream.recv_exactly(buffer)));
        errors.push_back(co_await error_of(stream.send("x")));
        errors.push_back(co_await error_of(stream.send_some("x")));
        errors.push_back(co_await error_of(stream.send_vectored(parts)));
        errors.push_back(co_await error_of(stream.shutdown_send()));
        for (const std::error_code& error : errors) EXPECT_EQ(error, std::errc::bad_file_descriptor);
        EXPECT_THROW(stream.local_endpoint(), std::system_error);
        EXPECT_THROW(stream.peer_endpoint(), std::system_error);
        EXPECT_THROW(stream.set_no_delay(true), std::system_error);
        EXPECT_THROW(static_cast<void>(stream.keep_alive()), std::system_error);
        stream.close();
    });
}

TEST_P(Close, MovedFromStreamIsClosedAndTheOtherGoesOn) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        net::tcp_stream moved(std::move(pair.first));
        EXPECT_FALSE(pair.first.is_open());
        EXPECT_EQ(pair.first.native_handle(), -1);
        std::array<char, 16> buffer;
        const std::error_code receiving = co_await error_of(pair.first.recv(buffer));
        const std::error_code sending = co_await error_of(pair.first.send("x"));
        EXPECT_EQ(receiving, std::errc::bad_file_descriptor);
        EXPECT_EQ(sending, std::errc::bad_file_descriptor);
        EXPECT_THROW(pair.first.local_endpoint(), std::system_error);
        pair.first.close();

        co_await moved.send("still here");
        EXPECT_EQ(pair.second.recv_now(), "still here");
        auto other = co_await tcp_with_raw_peer();
        moved = std::move(other.first);
        co_await settle();
        EXPECT_EQ(pair.second.recv_now(), "EOF") << "what was assigned over has ended";
        co_await moved.send("the other");
        EXPECT_EQ(other.second.recv_now(), "the other");
    });
}

TEST_P(Close, StreamCanEndWhileAnotherTaskWaitsOnIt) {
    run([]() -> task<> {
        const std::size_t before = open_descriptors();
        {
            auto pair = co_await tcp_with_raw_peer();
            auto stream = std::make_unique<net::tcp_stream>(std::move(pair.first));
            const std::string much = noise(8 << 20);
            std::vector<std::error_code> errors;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    std::array<char, 16> buffer;
                    errors.push_back(co_await error_of(stream->recv(buffer)));
                });
                group.spawn([&]() -> task<> { errors.push_back(co_await error_of(stream->send(much))); });
                co_await settle();
                stream.reset();
            });
            CO_ASSERT_TRUE(errors.size() == 2);
            EXPECT_EQ(errors[0], std::errc::operation_canceled);
            EXPECT_EQ(errors[1], std::errc::operation_canceled);
        }
        co_await settle();
        EXPECT_EQ(open_descriptors(), before);
    });
}

TEST_P(Close, ListenerCanEndBeforeTheAccepterGoesOn) {
    // The connection has come, but the task that ends the listener goes on first.
    run([]() -> task<> {
        for (const bool waits_for_the_end : {false, true}) {
            auto listener = std::make_unique<net::tcp_listener>(co_await net::tcp_listener::bind({"127.0.0.1", 0}));
            const net::endpoint where = listener->local_endpoint();
            std::optional<net::tcp_stream> accepted;
            raw_socket client;
            event connected;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> { accepted.emplace(co_await listener->accept()); });
                co_await settle();
                group.spawn([&]() -> task<> {
                    // Until its result is there, and then many tasks stand in line before the one that waits for it.
                    while (group.loop().describe().find("accept") != std::string::npos) co_await yield();
                    listener.reset();
                });
                client = raw_connect(where);
                for (int i = 0; waits_for_the_end && i != 2000; ++i) {
                    group.spawn([]() -> task<> { co_return; });
                }
            });
            CO_ASSERT_TRUE(accepted.has_value());
            co_await accepted->send("owned");
            EXPECT_EQ(client.recv_now(), "owned");
        }
    });
}

TEST_P(Close, NumberUsedAgainBelongsToTheNewStreamAlone) {
    SENNIT_NEEDS_KERNEL("it gives a descriptor a second name");
    run([]() -> task<> {
        int reused = 0;
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        for (int round = 0; round != 50; ++round) {
            raw_socket old_peer = raw_connect(listener.local_endpoint());
            auto old = co_await listener.accept();
            const int number = old.native_handle();
            raw_socket fresh_peer = raw_stream(net::family::ipv4);
            // A second name keeps the old connection, and what epoll knows of it, alive.
            const raw_socket second_name(::fcntl(number, F_DUPFD_CLOEXEC, 100));
            std::error_code old_error;
            std::string fresh_text;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    std::array<char, 16> buffer;
                    old_error = co_await error_of(old.recv(buffer));
                });
                co_await settle();
                old.close();
                co_await settle();
                EXPECT_TRUE(raw_connect(fresh_peer, listener.local_endpoint()));
                auto fresh = co_await listener.accept();
                reused += fresh.native_handle() == number;
                group.spawn([&]() -> task<> {
                    std::array<char, 16> buffer;
                    const std::size_t count = co_await fresh.recv(buffer);
                    fresh_text.assign(buffer.data(), count);
                });
                co_await settle();
                old_peer.send("for the old one");
                co_await settle();
                EXPECT_EQ(fresh_text, "");
                fresh_peer.send("for the new one");
                while (fresh_text.empty()) co_await settle(1);
            });
            EXPECT_EQ(old_error, std::errc::operation_canceled);
            EXPECT_EQ(fresh_text, "for the new one");
        }
        EXPECT_GT(reused, 0) << "no number was used again: the test has shown nothing";
    });
}

TEST_P(Close, ResultThatWasThereIsNotLostByClosing) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::string text;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                const std::size_t count = co_await pair.first.recv(buffer);
                text.assign(buffer.data(), count);
                pair.first.close();
            });
            co_await settle();
            pair.second.send("in time");
        });
        EXPECT_EQ(text, "in time");
    });
}

TEST_P(Close, SocketsMayOutliveTheirLoop) {
    SENNIT_NEEDS_KERNEL("it makes a loop of its own");
    std::optional<net::tcp_stream> stream;
    std::optional<net::tcp_listener> listener;
    std::optional<net::udp_socket> datagrams;
    std::optional<net::unix_listener> local;
    raw_socket peer;
    raw_socket queued;
    net::endpoint where;
    const scratch_directory directory;
    const auto path = net::endpoint::unix_path(directory / "socket");
    const std::size_t before = open_descriptors();
    {
        event_loop short_lived(event_loop_options{GetParam()});
        const auto open_all = [&]() -> task<> {
            listener.emplace(co_await net::tcp_listener::bind({"127.0.0.1", 0}));
            where = listener->local_endpoint();
            peer = raw_connect(where);
            stream.emplace(co_await listener->accept());
            queued = raw_connect(where);
            datagrams.emplace(co_await net::udp_socket::bind({"127.0.0.1", 0}));
            local.emplace(co_await net::unix_listener::bind(path));
            co_await settle();
        };
        short_lived.run(open_all());
        EXPECT_TRUE(stream->is_open());
    }
    EXPECT_EQ(peer.recv_now(), "EOF");
    EXPECT_NE(queued.recv_now(), "");
    EXPECT_EQ(raw_connect(where).get(), -1);
    EXPECT_EQ(raw_connect(path).get(), -1);
    EXPECT_EQ(open_descriptors(), before + 2) << "the two raw peers";
    EXPECT_FALSE(stream->is_open());
    EXPECT_FALSE(listener->is_open());
    EXPECT_THROW(stream->local_endpoint(), std::system_error);
    EXPECT_THROW(listener->local_endpoint(), std::system_error);
    stream->close();
    listener->close();
    datagrams->close();

    // On another loop they are closed sockets, nothing worse.
    run([&]() -> task<> {
        std::array<char, 16> buffer;
        const std::error_code receiving = co_await error_of(stream->recv(buffer));
        const std::error_code accepting = co_await error_of(listener->accept());
        EXPECT_EQ(receiving, std::errc::bad_file_descriptor);
        EXPECT_EQ(accepting, std::errc::bad_file_descriptor);
    });
}

TEST_P(Close, StreamsThatTasksOfTheRootGroupHoldEndWithTheLoop) {
    SENNIT_NEEDS_KERNEL("it makes a loop of its own");
    raw_socket peer;
    bool was_cancelled = false;
    const std::size_t before = open_descriptors();
    {
        event_loop short_lived(event_loop_options{GetParam()});
        const auto leave_a_reader = [&]() -> task<> {
            auto pair = co_await tcp_with_raw_peer();
            peer = std::move(pair.second);
            short_lived.root().spawn(
                [&was_cancelled](net::tcp_stream& stream) -> task<> {
                    std::array<char, 16> buffer;
                    try {
                        co_await stream.recv(buffer);
                    } catch (const cancelled&) {
                        was_cancelled = true;
                        throw;
                    }
                },
                std::move(pair.first));
            co_await settle();
        };
        short_lived.run(leave_a_reader());
    }
    EXPECT_TRUE(was_cancelled);
    EXPECT_EQ(peer.recv_now(), "EOF");
    peer.close();
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace sennit::testing::close_test
