// Unix domain sockets: paths that come and go, names without a file, pairs. Its one hard idea: a path belongs to
// whoever lives at it; the tests look at the file system from outside, as the next server to start would.

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sennit/net/byte_stream.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/child_process.hpp"
#include "support/sockets.hpp"

namespace sennit::testing::unix_test {

using namespace std::chrono_literals;

static_assert(net::byte_stream<net::unix_stream>);

class Unix : public SocketTest {
  protected:
    const scratch_directory directory_;
    const std::string path_ = directory_ / "socket";
    const net::endpoint where_ = net::endpoint::unix_path(path_);
};
SENNIT_ON_ALL_BACKENDS(Unix);

/// A listener that ended without removing its path, as a killed process leaves it.
void leave_a_path_behind(const net::endpoint& where, int type = SOCK_STREAM) {
    const raw_socket left(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    alignas(8) unsigned char storage[net::endpoint::max_sockaddr_size];
    const std::uint32_t length = where.to_sockaddr(storage);
    ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(storage), length), 0);
    if (type == SOCK_STREAM) {
        ASSERT_EQ(::listen(left.get(), 1), 0);
    }
}

task<> expect_echo(net::unix_stream& near, net::unix_stream& far) {
    co_await near.send("there");
    const std::string there = co_await read_exactly(far, 5);
    EXPECT_EQ(there, "there");
    co_await far.send("and back");
    const std::string back = co_await read_exactly(near, 8);
    EXPECT_EQ(back, "and back");
}

TEST_P(Unix, StreamsMeetAtAPath) {
    run([&]() -> task<> {
        auto listener = co_await net::unix_listener::bind(where_);
        EXPECT_EQ(listener.local_endpoint(), where_);
        auto near = co_await net::unix_stream::connect(where_);
        auto far = co_await listener.accept();
        EXPECT_EQ(near.peer_endpoint(), where_);
        EXPECT_TRUE(far.peer_endpoint().is_unnamed());
        co_await expect_echo(near, far);
        co_await near.shutdown_send();
        const std::string rest = co_await read_all(far);
        EXPECT_EQ(rest, "");
    });
}

TEST_P(Unix, StreamsMeetAtAnAbstractName) {
    run([&]() -> task<> {
        const auto name = net::endpoint::unix_abstract(std::string("sennit\0test", 11));
        auto listener = co_await net::unix_listener::bind(name);
        auto near = co_await net::unix_stream::connect(name);
        auto far = co_await listener.accept();
        co_await expect_echo(near, far);
        const std::string text = co_await text_of(net::unix_listener::bind(name));
        EXPECT_EQ(text, "bind " + name.to_string() + ": Address already in use");
    });
}

TEST_P(Unix, PathIsRemovedWhenTheListenerEnds) {
    SENNIT_NEEDS_KERNEL("it looks at files");
    run([&]() -> task<> {
        {
            auto listener = co_await net::unix_listener::bind(where_);
            EXPECT_TRUE(std::filesystem::is_socket(path_));
            auto moved = std::move(listener);
            listener.close();
            EXPECT_TRUE(std::filesystem::is_socket(path_)) << "it is the other's";
        }
        EXPECT_FALSE(std::filesystem::exists(path_));
        const std::string text = co_await text_of(net::unix_stream::connect(where_));
        EXPECT_EQ(text, "connect to " + where_.to_string() + ": No such file or directory");
    });
}

TEST_P(Unix, PathIsRemovedByClosingAndFreeForTheNext) {
    SENNIT_NEEDS_KERNEL("it looks at files");
    run([&]() -> task<> {
        auto old = std::make_unique<net::unix_listener>(co_await net::unix_listener::bind(where_));
        old->close();
        EXPECT_FALSE(std::filesystem::exists(path_));
        auto next = co_await net::unix_listener::bind(where_);
        old.reset();  // as a server that drained while the next one started
        EXPECT_TRUE(std::filesystem::is_socket(path_)) << "the path is the next one's";
        const auto stream = co_await net::unix_stream::connect(where_);
        EXPECT_TRUE(stream.is_open());
    });
}

TEST_P(Unix, PathThatWasReplacedByAnotherFileStays) {
    run([&]() -> task<> {
        auto listener = std::make_unique<net::unix_listener>(co_await net::unix_listener::bind(where_));
        std::filesystem::remove(path_);
        std::ofstream(path_) << "somebody's";
        listener.reset();
        EXPECT_TRUE(std::filesystem::is_regular_file(path_));
        co_return;
    });
}

TEST_P(Unix, PathLeftBehindIsReplaced) {
    SENNIT_NEEDS_KERNEL("it looks at files");
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        leave_a_path_behind(where_, type);
        ASSERT_TRUE(std::filesystem::is_socket(path_));
        run([&]() -> task<> {
            auto listener = co_await net::unix_listener::bind(where_);
            auto near = co_await net::unix_stream::connect(where_);
            auto far = co_await listener.accept();
            co_await expect_echo(near, far);
        });
    }
}

TEST_P(Unix, PathOfAKilledProcessIsReplacedAtOnce) {
    SENNIT_NEEDS_KERNEL("it has a process of its own");
    for (int round = 0; round != 10; ++round) {
        child_process server([&] {
            event_loop own(event_loop_options{GetParam()});
            const auto serve_for_ever = [&]() -> task<> {
                auto listener = co_await net::unix_listener::bind(where_);
                say("listening");
                for (;;) {
                    const auto stream = co_await listener.accept();
                }
            };
            own.run(serve_for_ever());
            return 0;
        });
        ASSERT_NO_FATAL_FAILURE(server.wait_for("listening"));
        server.signal(SIGKILL);
        EXPECT_EQ(server.end(), "signal 9");
        ASSERT_TRUE(std::filesystem::is_socket(path_));
        run([&]() -> task<> {
            auto listener = co_await net::unix_listener::bind(where_);
            auto near = co_await net::unix_stream::connect(where_);
            auto far = co_await listener.accept();
            co_await expect_echo(near, far);
        });
    }
}

TEST_P(Unix, PathOfALivingListenerIsRefused) {
    run([&]() -> task<> {
        auto listener = co_await net::unix_listener::bind(where_);
        const std::string text = co_await text_of(net::unix_listener::bind(where_));
        EXPECT_EQ(text, "bind " + where_.to_string() + ": Address already in use");
        const std::error_code error = co_await error_of(net::unix_listener::bind(where_));
        EXPECT_EQ(error, std::errc::address_in_use);
        auto near = co_await net::unix_stream::connect(where_);
        EXPECT_TRUE(near.is_open()) << "the living one still listens at its path";
    });
}

TEST_P(Unix, PathOfAListenerWithAFullBacklogIsRefusedAtOnce) {
    SENNIT_NEEDS_KERNEL("it looks at files");
    run([&]() -> task<> {
        auto listener = co_await net::unix_listener::bind(where_, 0);
        const raw_socket fills_it = raw_connect(where_);
        const auto error = co_await move_on_after(10s, error_of(net::unix_listener::bind(where_)));
        CO_ASSERT_TRUE(error.has_value());
        EXPECT_EQ(*error, std::errc::address_in_use);
        EXPECT_TRUE(std::filesystem::is_socket(path_));
    });
}

TEST_P(Unix, FileThatIsNoSocketIsNotRemoved) {
    SENNIT_NEEDS_KERNEL("it looks at files");
    std::ofstream(path_) << "precious";
    run([&]() -> task<> {
        const std::string text = co_await text_of(net::unix_listener::bind(where_));
        EXPECT_EQ(text, "bind " + where_.to_string() + ": Address already in use");
    });
    EXPECT_TRUE(std::filesystem::is_regular_file(path_));
    EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_P(Unix, ListenerNeedsAName) {
    run([&]() -> task<> {
        bool refused = false;
        try {
            co_await net::unix_listener::bind(net::endpoint::unix_unnamed());
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        EXPECT_TRUE(refused);
        const std::string text = co_await text_of(net::unix_listener::bind({"127.0.0.1", 0}));
        EXPECT_NE(text.find("is no Unix endpoint"), std::string::npos) << text;
        const std::error_code connecting = co_await error_of(net::unix_stream::connect(net::endpoint::unix_unnamed()));
        EXPECT_EQ(connecting, std::errc::invalid_argument);
    });
}

TEST_P(Unix, ConnectWaitsWhileTheBacklogIsFull) {
    run([&]() -> task<> {
        auto listener = co_await net::unix_listener::bind(where_, 0);
        const raw_socket fills_it = raw_connect(where_);
        std::optional<net::unix_stream> late;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { late.emplace(co_await net::unix_stream::connect(where_)); });
            co_await settle();
            EXPECT_FALSE(late.has_value());
            const auto first = co_await listener.accept();
            EXPECT_TRUE(first.is_open());
            auto second = co_await listener.accept();
            co_await second.send("x");
        });
        CO_ASSERT_TRUE(late.has_value());
        const std::string text = co_await read_exactly(*late, 1);
        EXPECT_EQ(text, "x");
    });
}

TEST_P(Unix, PairIsConnected) {
    run([&]() -> task<> {
        auto pair = co_await net::unix_stream::pair();
        co_await expect_echo(pair.first, pair.second);
        const std::string much = noise(1 << 20);
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await pair.first.send(much);
                pair.first.close();
            });
            received = co_await read_all(pair.second);
        });
        EXPECT_TRUE(received == much);
        const std::error_code error = co_await error_of(pair.second.send("x"));
        EXPECT_EQ(error, std::errc::broken_pipe);
    });
}

TEST_P(Unix, DatagramPairKeepsBoundsAndOrder) {
    run([&]() -> task<> {
        auto pair = co_await net::unix_datagram_socket::pair();
        co_await pair.first.send("one");
        co_await pair.first.send("");
        co_await pair.first.send("three");
        std::array<char, 4> buffer;
        const net::datagram one = co_await pair.second.recv(buffer);
        EXPECT_EQ(std::string(buffer.data(), one.size), "one");
        EXPECT_TRUE(one.sender.is_unnamed());
        const net::datagram empty = co_await pair.second.recv(buffer);
        EXPECT_EQ(empty.size, 0u);
        EXPECT_FALSE(empty.truncated);
        const net::datagram cut = co_await pair.second.recv(buffer);
        EXPECT_EQ(std::string(buffer.data(), cut.size), "thre");
        EXPECT_TRUE(cut.truncated);
    });
}

TEST_P(Unix, DatagramSenderWaitsWhileTheQueueIsFull) {
    run([&]() -> task<> {
        auto pair = co_await net::unix_datagram_socket::pair();
        static constexpr int many = 2000;
        int sent = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (; sent != many; ++sent) co_await pair.first.send(std::to_string(sent));
            });
            co_await sleep_for(5ms);
            EXPECT_LT(sent, many) << "the queue of the kernel has a limit";
            std::array<char, 16> buffer;
            for (int i = 0; i != many; ++i) {
                const net::datagram one = co_await pair.second.recv(buffer);
                EXPECT_EQ(std::string(buffer.data(), one.size), std::to_string(i));
            }
        });
        EXPECT_EQ(sent, many);
    });
}

TEST_P(Unix, ConnectedDatagramSocketCanBeAnswered) {
    run([&]() -> task<> {
        auto server = co_await net::unix_datagram_socket::bind(where_);
        auto client = co_await net::unix_datagram_socket::connect(where_);
        std::array<char, 16> there;
        std::array<char, 16> back;
        co_await client.send("question");
        const net::datagram question = co_await server.recv_from(there);
        EXPECT_EQ(std::string(there.data(), question.size), "question");
        const net::endpoint sender = question.sender;
        EXPECT_FALSE(sender.abstract_name().empty()) << sender.to_string();
        co_await server.send_to("answer", sender);
        const net::datagram answer = co_await client.recv(back);
        EXPECT_EQ(std::string(back.data(), answer.size), "answer");
        EXPECT_EQ(answer.sender, where_);

        server.close();
        co_await settle();
        const std::error_code error = co_await error_of(client.send("anybody there?"));
        EXPECT_EQ(error, std::errc::connection_refused);
    });
}

}  // namespace sennit::testing::unix_test
