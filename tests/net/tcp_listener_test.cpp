// Listening and accepting. Its one hard idea: a connection stands as soon as the kernel's backlog has it, long before
// anyone accepts; so the tests make connections with plain calls and count which of them are served.

#include <array>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/tcp.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::tcp_listener_test {

using namespace std::chrono_literals;

class TcpListener : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(TcpListener);

TEST_P(TcpListener, PortZeroBecomesAPortThatWorks) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint where = listener.local_endpoint();
        EXPECT_NE(where.port(), 0);
        EXPECT_EQ(where.address(), net::ip_address::loopback_v4());
        auto client = co_await net::tcp_stream::connect(where);
        auto accepted = co_await listener.accept();
        EXPECT_EQ(accepted.local_endpoint(), where);
    });
}

TEST_P(TcpListener, BindErrorNamesTheEndpoint) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint taken = listener.local_endpoint();
        const std::string text = co_await text_of(net::tcp_listener::bind(taken));
        EXPECT_EQ(text, "bind " + taken.to_string() + ": Address already in use");
        const std::error_code error = co_await error_of(net::tcp_listener::bind(taken));
        EXPECT_EQ(error, std::errc::address_in_use);

        const std::string elsewhere = co_await text_of(net::tcp_listener::bind({"192.0.2.1", 80}));
        EXPECT_EQ(elsewhere, "bind 192.0.2.1:80: Cannot assign requested address");
    });
}

TEST_P(TcpListener, PortCanBeBoundAgainWhileOldConnectionsLinger) {
    run([]() -> task<> {
        net::endpoint where;
        raw_socket client;
        {
            auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
            where = listener.local_endpoint();
            client = raw_connect(where);
            auto accepted = co_await listener.accept();
        }  // we close first, so our side of the connection lingers at the port
        co_await settle();
        EXPECT_EQ(client.recv_now(), "EOF");
        client.close();
        auto again = co_await net::tcp_listener::bind(where);
        EXPECT_EQ(again.local_endpoint(), where);
    });
}

TEST_P(TcpListener, ReusePortLetsTwoListenAtOnePort) {
    run([]() -> task<> {
        net::listen_options shared;
        shared.reuse_port = true;
        auto one = co_await net::tcp_listener::bind({"127.0.0.1", 0}, shared);
        auto two = co_await net::tcp_listener::bind(one.local_endpoint(), shared);
        EXPECT_EQ(one.local_endpoint(), two.local_endpoint());
        const std::error_code alone = co_await error_of(net::tcp_listener::bind(one.local_endpoint()));
        EXPECT_EQ(alone, std::errc::address_in_use);
    });
}

TEST_P(TcpListener, SecondAccepterIsBusyAndTheFirstGoesOn) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        bool accepted = false;
        raw_socket client;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto stream = co_await listener.accept();
                accepted = stream.is_open();
            });
            co_await settle();
            const std::error_code second = co_await error_of(listener.accept());
            EXPECT_EQ(second, std::errc::device_or_resource_busy);
            client = raw_connect(listener.local_endpoint());
        });
        EXPECT_TRUE(accepted);
    });
}

TEST_P(TcpListener, AllThatConnectedBeforeTheFirstAcceptAreServed) {
    run([]() -> task<> {
        static constexpr std::size_t many = 200;
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        std::vector<raw_socket> clients;
        for (std::size_t i = 0; i != many; ++i) {
            clients.push_back(raw_connect(listener.local_endpoint()));
            CO_ASSERT_TRUE(clients.back().get() >= 0);
            clients.back().send(std::to_string(i));
            clients.back().shutdown(SHUT_WR);
        }
        std::set<std::string> served;
        for (std::size_t i = 0; i != many; ++i) {
            auto stream = co_await listener.accept();
            EXPECT_TRUE(stream.no_delay());
            const std::string name = co_await read_all(stream);
            served.insert(name);
            co_await stream.send(name);
        }
        EXPECT_EQ(served.size(), many);
        co_await settle();
        for (std::size_t i = 0; i != many; ++i) EXPECT_EQ(clients[i].recv_now(), std::to_string(i));
    });
}

TEST_P(TcpListener, StopsAcceptingAheadWhenNobodyAccepts) {
    run([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const std::size_t before = open_descriptors();
        std::vector<raw_socket> clients;
        const auto connect_some = [&](int count) {
            for (int i = 0; i != count; ++i) clients.push_back(raw_connect(listener.local_endpoint()));
        };
        connect_some(1);
        auto first = co_await listener.accept();
        connect_some(200);
        co_await settle(100);  // without a multishot accept it is one in a turn
        const std::size_t accepted_ahead = open_descriptors() - clients.size();
        EXPECT_GT(accepted_ahead, before + 1);
        // io_uring takes a burst at once, before it can be told to stop.
        const std::size_t most = GetParam().is(backend_kind::epoll) ? 64 : 200;
        EXPECT_LE(accepted_ahead, before + 1 + most);
        connect_some(200);
        co_await settle(100);  // without a multishot accept it is one in a turn
        EXPECT_EQ(open_descriptors() - clients.size(), accepted_ahead) << "these belong in the backlog";

        for (int i = 0; i != 400; ++i) {
            const auto stream = co_await listener.accept();
            EXPECT_TRUE(stream.is_open());
        }
        const auto nobody = co_await move_on_after(1ms, listener.accept());
        EXPECT_FALSE(nobody.has_value());
    });
}

TEST_P(TcpListener, QueueThatIsNeverEmptyKeepsTheOrder) {
    // Each round leaves some in the queue, so those that were taken have to be dropped from its front.
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        std::vector<raw_socket> clients;
        std::size_t connected = 0;
        std::size_t accepted = 0;
        const auto connect_one = [&] {
            clients.push_back(raw_connect(listener.local_endpoint()));
            clients.back().send(std::to_string(connected++));
        };
        connect_one();
        while (accepted != 300) {
            if (connected != 300) connect_one();
            if (connected < 10 && accepted != 0) continue;
            auto stream = co_await listener.accept();
            std::array<char, 16> buffer;
            const std::size_t count = co_await stream.recv(buffer);
            EXPECT_EQ(std::string(buffer.data(), count), std::to_string(accepted));
            ++accepted;
        }
    });
}

TEST_P(TcpListener, ClosingItClosesWhatWasAcceptedAhead) {
    run([]() -> task<> {
        const std::size_t before = open_descriptors();
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        std::vector<raw_socket> clients;
        for (int i = 0; i != 30; ++i) clients.push_back(raw_connect(listener.local_endpoint()));
        auto first = co_await listener.accept();
        co_await settle();
        EXPECT_GT(open_descriptors(), before + 2 + clients.size()) << "nothing was accepted ahead";

        listener.close();
        EXPECT_FALSE(listener.is_open());
        co_await settle();
        EXPECT_EQ(open_descriptors(), before + 1 + clients.size()) << "the first connection and the clients";
        int ended = 0;
        for (raw_socket& client : clients) ended += client.recv_now() != "";
        EXPECT_EQ(ended, 29);
        EXPECT_EQ(raw_connect(first.local_endpoint()).get(), -1) << "nobody listens any more";
    });
}

TEST_P(TcpListener, ClientsThatLeftBeforeTheAcceptDoNoHarm) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        for (int i = 0; i != 20; ++i) {
            raw_socket client = raw_connect(listener.local_endpoint());
            if (i % 2 == 0) client.reset_on_close();
        }
        raw_socket patient = raw_connect(listener.local_endpoint());
        patient.send("here");
        std::string text;
        while (text != "here") {
            auto stream = co_await listener.accept();
            std::array<char, 16> buffer;
            const auto count = co_await as_result(stream.recv(buffer));
            if (count) text.assign(buffer.data(), *count);
        }
        EXPECT_EQ(text, "here");
    });
}

TEST_P(TcpListener, MovedFromListenerIsClosedAndTheOtherGoesOn) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint where = listener.local_endpoint();
        auto moved = std::move(listener);
        EXPECT_FALSE(listener.is_open());
        EXPECT_EQ(listener.native_handle(), -1);
        listener.close();
        EXPECT_THROW(listener.local_endpoint(), std::system_error);
        const std::error_code error = co_await error_of(listener.accept());
        EXPECT_EQ(error, std::errc::bad_file_descriptor);

        const raw_socket client = raw_connect(where);
        const auto accepted = co_await moved.accept();
        EXPECT_TRUE(accepted.is_open());
        auto other = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        moved = std::move(other);
        co_await settle();
        EXPECT_EQ(raw_connect(where).get(), -1) << "what was assigned over has ended";
        EXPECT_TRUE(moved.is_open());
    });
}

}  // namespace sennit::testing::tcp_listener_test
