// UDP sockets: each datagram on its own, with its sender, whole or known to be cut. Its one hard idea: on the loopback
// interface a datagram has arrived, or has been refused, when the call that sent it returns.

#include <array>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sennit/net/udp.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::udp_test {

using namespace std::chrono_literals;
using namespace std::string_literals;

class Udp : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(Udp);

const net::endpoint any_loopback_port{"127.0.0.1", 0};

/// A port of the loopback interface at which nobody receives.
task<net::endpoint> deserted_port() {
    auto socket = co_await net::udp_socket::bind(any_loopback_port);
    co_return socket.local_endpoint();
}

TEST_P(Udp, DatagramsKeepTheirBoundsAndTheirSender) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::bind(any_loopback_port);
        const std::vector<std::string> sent{"one", "", "three\0with NUL"s, std::string(1000, 'x')};
        for (const std::string& each : sent) co_await client.send_to(each, server.local_endpoint());
        std::array<char, 2000> buffer;
        for (const std::string& each : sent) {
            const net::datagram received = co_await server.recv_from(buffer);
            EXPECT_EQ(std::string(buffer.data(), received.size), each);
            EXPECT_EQ(received.sender, client.local_endpoint());
            EXPECT_FALSE(received.truncated);
        }
    });
}

TEST_P(Udp, AnswerGoesToTheSender) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        std::array<char, 100> there;
        std::array<char, 100> back;
        co_await client.send("question");
        const net::datagram question = co_await server.recv_from(there);
        co_await server.send_to("answer", question.sender);
        const net::datagram answer = co_await client.recv(back);
        EXPECT_EQ(std::string(back.data(), answer.size), "answer");
        EXPECT_EQ(answer.sender, server.local_endpoint());
        EXPECT_EQ(client.peer_endpoint(), server.local_endpoint());
    });
}

TEST_P(Udp, RecvWaitsForADatagram) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        std::string text;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 100> buffer;
                const net::datagram received = co_await server.recv_from(buffer);
                text.assign(buffer.data(), received.size);
            });
            co_await settle();
            auto client = co_await net::udp_socket::connect(server.local_endpoint());
            co_await client.send("late");
        });
        EXPECT_EQ(text, "late");
    });
}

TEST_P(Udp, DatagramThatDoesNotFitIsReportedAsTruncated) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        co_await client.send("0123456789");
        co_await client.send("01234567");
        co_await client.send("no room at all");
        co_await client.send("next");
        std::array<char, 8> buffer;
        const net::datagram cut = co_await server.recv_from(buffer);
        EXPECT_EQ(cut.size, 8u);
        EXPECT_TRUE(cut.truncated);
        EXPECT_EQ(cut.sender, client.local_endpoint());
        const net::datagram exact = co_await server.recv_from(buffer);
        EXPECT_EQ(exact.size, 8u);
        EXPECT_FALSE(exact.truncated);
        const net::datagram none = co_await server.recv_from(mutable_bytes());
        EXPECT_EQ(none.size, 0u);
        EXPECT_TRUE(none.truncated);
        const net::datagram next = co_await server.recv_from(buffer);
        EXPECT_EQ(std::string(buffer.data(), next.size), "next");
    });
}

TEST_P(Udp, ConnectedSocketReceivesFromItsPeerAlone) {
    run([]() -> task<> {
        auto peer = co_await net::udp_socket::bind(any_loopback_port);
        auto stranger = co_await net::udp_socket::bind(any_loopback_port);
        auto socket = co_await net::udp_socket::connect(peer.local_endpoint());
        co_await stranger.send_to("from a stranger", socket.local_endpoint());
        co_await peer.send_to("from the peer", socket.local_endpoint());
        std::array<char, 100> buffer;
        const net::datagram received = co_await socket.recv(buffer);
        EXPECT_EQ(std::string(buffer.data(), received.size), "from the peer");
        const auto more = co_await move_on_after(1ms, socket.recv(buffer));
        EXPECT_FALSE(more.has_value());
    });
}

TEST_P(Udp, ConnectedSocketLearnsThatNobodyReceives) {
    run([]() -> task<> {
        const net::endpoint nobody = co_await deserted_port();
        co_await settle();
        auto socket = co_await net::udp_socket::connect(nobody);
        co_await socket.send("anybody there?");
        std::array<char, 100> buffer;
        const std::error_code receiving = co_await error_of(socket.recv(buffer));
        EXPECT_EQ(receiving, std::errc::connection_refused);
        co_await socket.send("anybody there?");
        const std::error_code sending = co_await error_of(socket.send("again"));
        EXPECT_EQ(sending, std::errc::connection_refused);
    });
}

TEST_P(Udp, PendingRecvLearnsThatNobodyReceives) {
    run([]() -> task<> {
        const net::endpoint nobody = co_await deserted_port();
        co_await settle();
        auto socket = co_await net::udp_socket::connect(nobody);
        std::error_code receiving;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 100> buffer;
                receiving = co_await error_of(socket.recv(buffer));
            });
            co_await settle();
            co_await socket.send("anybody there?");
        });
        EXPECT_EQ(receiving, std::errc::connection_refused);
    });
}

TEST_P(Udp, UnconnectedSocketIsNotDisturbedByPortsThatAreGone) {
    run([]() -> task<> {
        const net::endpoint nobody = co_await deserted_port();
        co_await settle();
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::bind(any_loopback_port);
        co_await server.send_to("nobody hears this", nobody);
        co_await server.send_to("nor this", nobody);
        co_await client.send_to("hello", server.local_endpoint());
        std::array<char, 100> buffer;
        const net::datagram received = co_await server.recv_from(buffer);
        EXPECT_EQ(std::string(buffer.data(), received.size), "hello");
    });
}

TEST_P(Udp, MessageThatIsTooLongIsRefusedWhole) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        const std::string longest(65507, 'x');  // 65535 less the headers of IPv4 and UDP
        const std::string text = co_await text_of(client.send(longest + "x"));
        EXPECT_EQ(text, "sendmsg: Message too long");
        const std::error_code error = co_await error_of(client.send(longest + "x"));
        EXPECT_EQ(error, std::errc::message_size);

        co_await client.send(longest);
        std::vector<char> buffer(70000);
        const net::datagram received = co_await server.recv_from(buffer);
        EXPECT_EQ(received.size, longest.size());
        EXPECT_FALSE(received.truncated);
    });
}

TEST_P(Udp, SendWithoutAReceiverSaysWhatIsMissing) {
    run([]() -> task<> {
        auto socket = co_await net::udp_socket::bind(any_loopback_port);
        const std::error_code error = co_await error_of(socket.send("to whom?"));
        EXPECT_EQ(error, std::errc::destination_address_required);
        EXPECT_THROW(socket.peer_endpoint(), std::system_error);
    });
}

TEST_P(Udp, BindErrorsNameTheEndpoint) {
    run([]() -> task<> {
        auto socket = co_await net::udp_socket::bind(any_loopback_port);
        const net::endpoint taken = socket.local_endpoint();
        const std::string text = co_await text_of(net::udp_socket::bind(taken));
        EXPECT_EQ(text, "bind " + taken.to_string() + ": Address already in use");
        const std::string other_kind = co_await text_of(net::udp_socket::bind(net::endpoint::unix_path("/tmp/x")));
        EXPECT_NE(other_kind.find("net::unix_datagram_socket"), std::string::npos) << other_kind;

        net::udp_options shared;
        shared.reuse_port = true;
        auto one = co_await net::udp_socket::bind(any_loopback_port, shared);
        auto two = co_await net::udp_socket::bind(one.local_endpoint(), shared);
        EXPECT_EQ(one.local_endpoint(), two.local_endpoint());
    });
}

TEST_P(Udp, SecondReceiverIsBusyAndTheFirstGoesOn) {
    run([]() -> task<> {
        auto socket = co_await net::udp_socket::bind(any_loopback_port);
        std::string text;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 100> buffer;
                const net::datagram received = co_await socket.recv_from(buffer);
                text.assign(buffer.data(), received.size);
            });
            co_await settle();
            std::array<char, 100> buffer;
            const std::error_code second = co_await error_of(socket.recv_from(buffer));
            EXPECT_EQ(second, std::errc::device_or_resource_busy);
            co_await socket.send_to("to myself", socket.local_endpoint());
        });
        EXPECT_EQ(text, "to myself");
    });
}

TEST_P(Udp, SendsAndReceivesOverIpv6) {
    if (!has_ipv6_loopback()) GTEST_SKIP() << "[::1] cannot be bound here";
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind({"::1", 0});
        auto client = co_await net::udp_socket::bind({"::1", 0});
        co_await client.send_to("six", server.local_endpoint());
        std::array<char, 100> buffer;
        const net::datagram received = co_await server.recv_from(buffer);
        EXPECT_EQ(std::string(buffer.data(), received.size), "six");
        EXPECT_EQ(received.sender, client.local_endpoint());
    });
}

TEST_P(Udp, BurstInAndOutIsNotLostOnTheWay) {
    run([]() -> task<> {
        auto server = co_await net::udp_socket::bind(any_loopback_port);
        auto client = co_await net::udp_socket::connect(server.local_endpoint());
        server.set_receive_buffer_size(1 << 20);
        static constexpr int window = 32;  // so few that the kernel's buffers hold them
        std::array<char, 100> there;
        std::array<char, 100> back;
        for (int round = 0; round != 20; ++round) {
            for (int i = 0; i != window; ++i) co_await client.send(std::to_string(round * window + i));
            for (int i = 0; i != window; ++i) {
                const net::datagram one = co_await server.recv_from(there);
                co_await server.send_to(const_bytes(there.data(), one.size), one.sender);
            }
            for (int i = 0; i != window; ++i) {
                const net::datagram one = co_await client.recv(back);
                EXPECT_EQ(std::string(back.data(), one.size), std::to_string(round * window + i));
            }
        }
    });
}

}  // namespace sennit::testing::udp_test
