// TCP streams as their users see them: bytes in order, ends, errors. Its one hard idea: the peer is often made of plain
// system calls, whose effect has happened when they return; so what the kernel knows at each step is no guess.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sennit/net/byte_stream.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/when_all.hpp>
#include <sennit/yield.hpp>

#include "support/sockets.hpp"

namespace sennit::testing::tcp_stream_test {

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace std::string_view_literals;

static_assert(net::byte_stream<net::tcp_stream>);

class TcpStream : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(TcpStream);

task<> echo(net::tcp_stream& stream) {
    std::array<char, 4096> buffer;
    while (const std::size_t count = co_await stream.recv(buffer)) {
        co_await stream.send(const_bytes(buffer.data(), count));
    }
    co_await stream.shutdown_send();
}

TEST_P(TcpStream, EchoesLines) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(echo(pair.second));
            for (const std::string_view text : {"hello\n"sv, "x"sv, "and a longer line\n"sv}) {
                co_await pair.first.send(text);
                const std::string answer = co_await read_exactly(pair.first, text.size());
                EXPECT_EQ(answer, text);
            }
            co_await pair.first.shutdown_send();
            const std::string rest = co_await read_all(pair.first);
            EXPECT_EQ(rest, "");
        });
    });
}

TEST_P(TcpStream, BytesOfAnyValueArriveUnchanged) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        std::string every_byte;
        for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
        const std::string sent = every_byte + "\0\0\r\n\x1a\0"s + every_byte;
        co_await pair.first.send(sent);
        const std::string received = co_await read_exactly(pair.second, sent.size());
        EXPECT_EQ(received, sent);
    });
}

TEST_P(TcpStream, KnowsBothEndpoints) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        EXPECT_EQ(pair.first.local_endpoint(), pair.second.peer_endpoint());
        EXPECT_EQ(pair.first.peer_endpoint(), pair.second.local_endpoint());
        EXPECT_NE(pair.first.local_endpoint().port(), 0);
    });
}

TEST_P(TcpStream, RefusedConnectNamesTheEndpoint) {
    run([]() -> task<> {
        net::endpoint nobody;
        {
            auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
            nobody = listener.local_endpoint();
        }
        co_await settle();
        const std::string text = co_await text_of(net::tcp_stream::connect(nobody));
        EXPECT_EQ(text, "connect to " + nobody.to_string() + ": Connection refused");
        const std::error_code error = co_await error_of(net::tcp_stream::connect(nobody));
        EXPECT_EQ(error, std::errc::connection_refused);
    });
}

TEST_P(TcpStream, OtherKindsOfEndpointAreRefusedWithAHint) {
    run([]() -> task<> {
        const std::string connecting = co_await text_of(net::tcp_stream::connect(net::endpoint::unix_path("/tmp/x")));
        EXPECT_NE(connecting.find("net::unix_stream"), std::string::npos) << connecting;
        const std::string binding = co_await text_of(net::tcp_listener::bind(net::endpoint::unix_path("/tmp/x")));
        EXPECT_NE(binding.find("net::unix_listener"), std::string::npos) << binding;
    });
}

TEST_P(TcpStream, OptionsAreReadBackAsSet) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        for (net::tcp_stream* stream : {&pair.first, &pair.second}) {
            EXPECT_TRUE(stream->no_delay()) << "small messages must leave at once";
            stream->set_no_delay(false);
            EXPECT_FALSE(stream->no_delay());
            EXPECT_FALSE(stream->keep_alive());
            stream->set_keep_alive(true);
            EXPECT_TRUE(stream->keep_alive());
            stream->set_receive_buffer_size(32768);
            EXPECT_EQ(stream->receive_buffer_size(), 2 * 32768) << "socket(7): the kernel doubles it";
            stream->set_send_buffer_size(65536);
            EXPECT_EQ(stream->send_buffer_size(), 2 * 65536);
        }
    });
}

TEST_P(TcpStream, RecvIntoAnEmptyBufferGivesNothingAtOnce) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        const std::size_t silent = co_await pair.first.recv(mutable_bytes());
        EXPECT_EQ(silent, 0u);
        const std::size_t exactly = co_await pair.first.recv_exactly(mutable_bytes());
        EXPECT_EQ(exactly, 0u);

        co_await pair.second.send("kept");
        const std::size_t with_data = co_await pair.first.recv(mutable_bytes());
        EXPECT_EQ(with_data, 0u);
        const std::string text = co_await read_exactly(pair.first, 4);
        EXPECT_EQ(text, "kept");
    });
}

TEST_P(TcpStream, SendOfNothingEndsAndSendsNothing) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        co_await pair.first.send("");
        co_await pair.first.send(const_bytes());
        const std::size_t some = co_await pair.first.send_some(const_bytes());
        EXPECT_EQ(some, 0u);
        co_await pair.first.send("x");
        co_await pair.first.shutdown_send();
        const std::string all = co_await read_all(pair.second);
        EXPECT_EQ(all, "x");
    });
}

TEST_P(TcpStream, RecvExactlyGivesLessOnlyAtTheEnd) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        std::string buffer(10, '?');
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (const std::string_view piece : {"abc"sv, "defg"sv, "hij"sv, "rest"sv}) {
                    co_await pair.second.send(piece);
                    co_await settle();
                }
                co_await pair.second.shutdown_send();
            });
            const std::size_t whole = co_await pair.first.recv_exactly(buffer);
            EXPECT_EQ(whole, 10u);
            EXPECT_EQ(buffer, "abcdefghij");
            const std::size_t cut = co_await pair.first.recv_exactly(buffer);
            EXPECT_EQ(cut, 4u);
            EXPECT_EQ(buffer.substr(0, 4), "rest");
            const std::size_t nothing = co_await pair.first.recv_exactly(buffer);
            EXPECT_EQ(nothing, 0u);
        });
    });
}

TEST_P(TcpStream, SendOneByteAtATimeThroughSmallBuffers) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        pair.first.set_send_buffer_size(2048);
        pair.second.set_receive_buffer_size(2048);
        const std::string sent = noise(sanitized ? 5000 : 20000);
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (const char& each : sent) co_await pair.first.send(const_bytes(&each, 1));
                co_await pair.first.shutdown_send();
            });
            char byte = '?';
            while (const std::size_t count = co_await pair.second.recv(mutable_bytes(&byte, 1))) {
                received.append(&byte, count);
            }
        });
        EXPECT_EQ(received, sent);
    });
}

TEST_P(TcpStream, LargeTransferInBothDirectionsArrivesWhole) {
    static constexpr std::size_t total = std::size_t{sanitized ? 8 : 64} << 20;
    const auto send_much = [](net::tcp_stream& stream, unsigned seed, std::uint64_t& hash) -> task<> {
        std::mt19937 random(seed);
        const std::string bytes = noise(1 << 20, seed);
        running_hash sent;
        for (std::size_t left = total; left != 0;) {
            const std::size_t most = random() % 4 == 0 ? bytes.size() : 20000;
            const std::size_t size = std::min<std::size_t>(left, 1 + random() % most);
            const std::size_t start = random() % (bytes.size() - size + 1);
            sent.add(bytes.data() + start, size);
            co_await stream.send(const_bytes(bytes.data() + start, size));
            left -= size;
        }
        co_await stream.shutdown_send();
        hash = sent.value();
    };
    const auto receive_much = [](net::tcp_stream& stream, unsigned seed, std::uint64_t& hash) -> task<> {
        std::mt19937 random(seed);
        std::vector<char> buffer(1 << 18);
        running_hash received;
        std::size_t sum = 0;
        for (;;) {
            const mutable_bytes place(buffer.data(), 1 + random() % buffer.size());
            const std::size_t count = co_await stream.recv(place);
            if (count == 0) break;
            received.add(buffer.data(), count);
            sum += count;
        }
        EXPECT_EQ(sum, total);
        hash = received.value();
    };
    run([&]() -> task<> {
        auto pair = co_await tcp_pair();
        std::uint64_t there_sent = 0, there_received = 1, back_sent = 0, back_received = 1;
        co_await when_all(send_much(pair.first, 1, there_sent), receive_much(pair.second, 2, there_received),
                          send_much(pair.second, 3, back_sent), receive_much(pair.first, 4, back_received));
        EXPECT_EQ(there_received, there_sent);
        EXPECT_EQ(back_received, back_sent);
        EXPECT_NE(there_sent, back_sent);
    });
}

TEST_P(TcpStream, EitherEndCanFinishSendingFirst) {
    run([]() -> task<> {
        for (const bool connector_first : {true, false}) {
            auto pair = co_await tcp_pair();
            net::tcp_stream& early = connector_first ? pair.first : pair.second;
            net::tcp_stream& late = connector_first ? pair.second : pair.first;
            co_await early.send("question");
            co_await early.shutdown_send();
            const std::string question = co_await read_all(late);
            EXPECT_EQ(question, "question");
            const std::error_code sending = co_await error_of(early.send("more"));
            EXPECT_EQ(sending, std::errc::broken_pipe);

            co_await late.send("a long ");
            co_await late.send("answer");
            co_await late.shutdown_send();
            const std::string answer = co_await read_all(early);
            EXPECT_EQ(answer, "a long answer");
        }
    });
}

TEST_P(TcpStream, PeerThatResetsIsAnError) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        std::error_code receiving;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                std::array<char, 16> buffer;
                receiving = co_await error_of(pair.first.recv(buffer));
            });
            co_await settle();
            pair.second.reset_on_close();
            pair.second.close();
        });
        EXPECT_EQ(receiving, std::errc::connection_reset);
        const std::error_code sending = co_await error_of(pair.first.send("into the void"));
        EXPECT_EQ(sending, std::errc::broken_pipe) << "and no SIGPIPE";
        const std::string text = co_await text_of(pair.first.send("again"));
        EXPECT_EQ(text, "send: Broken pipe");
    });
}

TEST_P(TcpStream, SendToAPeerThatClosedFailsWithoutASignal) {
    run([]() -> task<> {
        auto pair = co_await tcp_with_raw_peer();
        pair.second.close();
        std::error_code error;
        // The first is answered with a reset; what follows it finds a broken pipe.
        for (int i = 0; i < 100 && !error; ++i) {
            error = co_await error_of(pair.first.send("anybody there?"));
            co_await settle();
        }
        EXPECT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset) << error.message();
    });
}

TEST_P(TcpStream, PeerWhoseProcessIsKilledIsNoticed) {
    SENNIT_NEEDS_KERNEL("it has a process of its own");
    run([]() -> task<> {
        for (const bool with_unread_bytes : {false, true}) {
            auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
            const net::endpoint where = listener.local_endpoint();
            const pid_t child = ::fork();
            if (child == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // whatever becomes of the test
                raw_socket peer = raw_connect(where);
                for (;;) ::pause();
            }
            CO_ASSERT_TRUE(child > 0);
            auto stream = co_await listener.accept();
            if (with_unread_bytes) co_await stream.send("never read");
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
            std::array<char, 16> buffer;
            const auto outcome = co_await as_result(stream.recv(buffer));
            if (with_unread_bytes) {
                EXPECT_EQ(outcome.error(), std::errc::connection_reset);
            } else {
                CO_ASSERT_TRUE(outcome.has_value());
                EXPECT_EQ(*outcome, 0u);
            }
        }
    });
}

TEST_P(TcpStream, SecondReaderIsBusyAndTheFirstGoesOn) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        std::string first;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { first = co_await read_exactly(pair.first, 5); });
            co_await settle();
            std::array<char, 16> buffer;
            const std::error_code second = co_await error_of(pair.first.recv(buffer));
            EXPECT_EQ(second, std::errc::device_or_resource_busy);
            co_await pair.second.send("first");
        });
        EXPECT_EQ(first, "first");
        co_await pair.second.send("then");
        const std::string then = co_await read_exactly(pair.first, 4);
        EXPECT_EQ(then, "then");
    });
}

TEST_P(TcpStream, SecondWriterIsBusyAndTheFirstGoesOn) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        pair.first.set_send_buffer_size(4096);
        const std::string much = noise(4 << 20);
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await pair.first.send(much);
                co_await pair.first.shutdown_send();
            });
            co_await settle();
            const std::error_code second = co_await error_of(pair.first.send("in between"));
            EXPECT_EQ(second, std::errc::device_or_resource_busy);
            const std::error_code finishing = co_await error_of(pair.first.shutdown_send());
            EXPECT_EQ(finishing, std::errc::device_or_resource_busy);
            received = co_await read_all(pair.second);
        });
        EXPECT_EQ(received.size(), much.size());
        EXPECT_TRUE(received == much);
    });
}

TEST_P(TcpStream, OneReadsWhileAnotherWrites) {
    run([]() -> task<> {
        auto pair = co_await tcp_pair();
        const std::string much = noise(2 << 20);
        std::string back;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(echo(pair.second));
            group.spawn([&]() -> task<> {
                co_await pair.first.send(much);
                co_await pair.first.shutdown_send();
            });
            back = co_await read_all(pair.first);
        });
        EXPECT_TRUE(back == much);
    });
}

TEST_P(TcpStream, ConnectsOverIpv6) {
    if (!has_ipv6_loopback()) GTEST_SKIP() << "[::1] cannot be bound here";
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"::1", 0});
        auto stream = co_await net::tcp_stream::connect(listener.local_endpoint());
        EXPECT_EQ(stream.peer_endpoint(), listener.local_endpoint());
        EXPECT_EQ(stream.peer_endpoint().family(), net::family::ipv6);
    });
}

}  // namespace sennit::testing::tcp_stream_test
