// Datagrams, names and faults of simulated hosts.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/connect.hpp>
#include <sennit/net/resolve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/testing/sim_test.hpp>
#include <sennit/timeout.hpp>

namespace sennit::testing::sim_network_test {

using namespace std::chrono_literals;

class SimNetwork : public SimTest {
  protected:
    sim_host& one = world.add_host("one", {"10.0.0.1", "fd00::1"});
    sim_host& other = world.add_host("other", {"10.0.0.2", "fd00::2"});

    /// Sends so many numbered datagrams from `other` to `one`; gives those that arrive, in order.
    std::vector<int> exchange(int count) {
        std::vector<int> arrived;
        const auto receive = [&]() -> task<> {
            auto socket = co_await net::udp_socket::bind({"10.0.0.1", 9});
            for (;;) {
                std::array<char, 16> buffer;
                const auto got = co_await move_on_after(1s, socket.recv_from(buffer));
                if (!got) co_return;
                arrived.push_back(std::stoi(std::string(buffer.data(), got->size)));
            }
        };
        const auto send = [&]() -> task<> {
            co_await sleep_for(1ms);
            auto socket = co_await net::udp_socket::connect({"10.0.0.1", 9});
            for (int i = 0; i < count; ++i) {
                co_await socket.send(std::to_string(i));
                co_await sleep_for(10us);
            }
        };
        one.spawn(receive());
        other.spawn(send());
        world.run();
        return arrived;
    }
};

TEST_F(SimNetwork, DatagramsArriveOnAGoodLink) {
    const auto arrived = exchange(100);
    ASSERT_EQ(arrived.size(), 100u);
    EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST_F(SimNetwork, DatagramsGetLostAndLostOnly) {
    world.link(other, one).loss = 300'000;
    const auto arrived = exchange(200);
    EXPECT_GT(arrived.size(), 100u);
    EXPECT_LT(arrived.size(), 180u);
    EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST_F(SimNetwork, DatagramsArriveTwice) {
    world.link(other, one).duplicate = 500'000;
    const auto arrived = exchange(100);
    EXPECT_GT(arrived.size(), 120u);
    EXPECT_EQ(std::set<int>(arrived.begin(), arrived.end()).size(), 100u);
}

TEST_F(SimNetwork, DatagramsPassEachOther) {
    world.link(other, one).reorder = 200'000;
    const auto arrived = exchange(100);
    EXPECT_EQ(arrived.size(), 100u);
    EXPECT_FALSE(std::is_sorted(arrived.begin(), arrived.end()));
}

TEST_F(SimNetwork, NoDatagramCrossesAPartition) {
    world.partition(one, other);
    EXPECT_TRUE(exchange(10).empty());
}

TEST_F(SimNetwork, AnAnswerReachesWhoAsked) {
    one.spawn([]() -> task<> {
        auto socket = co_await net::udp_socket::bind({"::", 9});
        std::array<char, 4> buffer;
        const auto got = co_await socket.recv_from(buffer);
        CO_ASSERT_TRUE(got.truncated);
        co_await socket.send_to("pong", got.sender);
    });
    other.spawn([]() -> task<> {
        auto socket = co_await net::udp_socket::connect({"fd00::1", 9});
        co_await socket.send("longer than four");
        std::array<char, 16> buffer;
        const auto got = co_await socket.recv(buffer);
        CO_ASSERT_EQ(std::string(buffer.data(), got.size), "pong");
    });
    world.run();
}

TEST_F(SimNetwork, AConnectedSocketHearsThatNobodyHasThePort) {
    other.spawn([]() -> task<> {
        auto socket = co_await net::udp_socket::connect({"10.0.0.1", 9});
        co_await socket.send("anyone?");
        std::array<char, 16> buffer;
        CO_ASSERT_ERROR(std::errc::connection_refused, socket.recv(buffer));
    });
    world.run();
}

TEST_F(SimNetwork, ADatagramThatFindsNoRoomIsDropped) {
    one.spawn([]() -> task<> {
        auto socket = co_await net::udp_socket::bind({"10.0.0.1", 9});
        socket.set_receive_buffer_size(2048);
        co_await sleep_for(10ms);
        int got = 0;
        std::array<char, 2048> buffer;
        while (co_await move_on_after(1s, socket.recv(buffer))) ++got;
        CO_ASSERT_EQ(got, 3);
    });
    other.spawn([]() -> task<> {
        co_await sleep_for(1ms);
        auto socket = co_await net::udp_socket::connect({"10.0.0.1", 9});
        for (int i = 0; i < 10; ++i) co_await socket.send(std::string(1000, 'x'));
    });
    world.run();
}

TEST_F(SimNetwork, UnixSocketsBelongToTheirHost) {
    one.spawn([]() -> task<> {
        auto listener = co_await net::unix_listener::bind(net::endpoint::unix_path("/run/service"));
        auto peer = co_await listener.accept();
        co_await peer.send("hello");
    });
    one.spawn([]() -> task<> {
        co_await sleep_for(1ms);
        auto stream = co_await net::unix_stream::connect(net::endpoint::unix_path("/run/service"));
        std::array<char, 5> buffer;
        co_await stream.recv_exactly(buffer);
        CO_ASSERT_EQ(std::string(buffer.data(), 5), "hello");
    });
    other.spawn([]() -> task<> {
        co_await sleep_for(1ms);
        CO_ASSERT_ERROR(std::errc::no_such_file_or_directory,
                        net::unix_stream::connect(net::endpoint::unix_path("/run/service")));
    });
    world.run();
}

TEST_F(SimNetwork, NamesAreAnsweredByTheWorld) {
    world.add_name("both.test", {"fd00::1", "10.0.0.1"}, 5ms);
    world.fail_name("broken.test", -3, 1s);  // EAI_AGAIN
    other.spawn([]() -> task<> {
        const auto all = co_await net::resolve("both.test", 80);
        CO_ASSERT_EQ(all.size(), 2u);
        CO_ASSERT_EQ(all.front().to_string(), "[fd00::1]:80");
        net::resolve_options v4;
        v4.family = net::ip_family::ipv4;
        const auto some = co_await net::resolve("both.test", 80, v4);
        CO_ASSERT_EQ(some.size(), 1u);
        CO_ASSERT_ERROR(std::errc::no_such_device_or_address, net::resolve("unknown.test", 80));
        CO_ASSERT_ERROR(std::errc::resource_unavailable_try_again, net::resolve("broken.test", 80));
    });
    const auto start = world.now();
    world.run();
    EXPECT_EQ(world.now() - start, 1010ms);
}

TEST_F(SimNetwork, ConnectRacesAddressesOfWhichOneIsSilent) {
    world.add_name("both.test", {"fd00::dead", "10.0.0.1"});
    one.spawn([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 80});
        co_await listener.accept();
    });
    other.spawn([]() -> task<> {
        auto stream = co_await net::connect("both.test", 80);
        CO_ASSERT_EQ(stream.peer_endpoint().to_string(), "10.0.0.1:80");
    });
    const auto start = world.now();
    world.run();
    EXPECT_LT(world.now() - start, 1s);
}

TEST_F(SimNetwork, BandwidthTakesTime) {
    link_options slow;
    slow.bandwidth = 1'000'000;
    world.set_link(one, other, slow);
    one.spawn([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 80});
        auto peer = co_await listener.accept();
        co_await peer.send(std::string(2'000'000, 'x'));
    });
    other.spawn([]() -> task<> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 80});
        std::array<char, 65536> buffer;
        while (co_await stream.recv(buffer) != 0) {
        }
    });
    const auto start = world.now();
    world.run();
    EXPECT_GT(world.now() - start, 2s);
    EXPECT_LT(world.now() - start, 2100ms);
}

TEST_F(SimNetwork, ADatagramLargerThanAPacketIsLostWithAnyOfItsFragments) {
    link_options& way = world.link(other, one);
    way.mtu = 1500;
    way.loss = 100'000;  // a tenth of the packets
    constexpr int count = 300;
    int small = 0;
    int large = 0;
    one.spawn([&]() -> task<> {
        auto socket = co_await net::udp_socket::bind({"10.0.0.1", 9});
        std::vector<std::byte> buffer(65536);
        for (;;) {
            const auto got = co_await move_on_after(1s, socket.recv_from(buffer));
            if (!got) co_return;
            ++(got->size == 1000 ? small : large);
            CO_EXPECT_TRUE(got->size == 1000 || got->size == 14'000);
        }
    });
    other.spawn([&]() -> task<> {
        co_await sleep_for(1ms);
        auto socket = co_await net::udp_socket::connect({"10.0.0.1", 9});
        const std::vector<std::byte> bytes(14'000);
        for (int i = 0; i < count; ++i) {
            co_await socket.send(const_bytes(bytes).first(1000));
            co_await socket.send(bytes);  // ten fragments, so 0.9 to the tenth of them arrive
            co_await sleep_for(1ms);
        }
    });
    world.run();
    EXPECT_GT(small, count * 8 / 10);
    EXPECT_LT(large, count / 2);
    EXPECT_GT(large, count / 5);
}

TEST_F(SimNetwork, SomePacketsOfASlowLinkTakeTheirTime) {
    link_options& way = world.link(other, one);
    way.latency = 1ms;
    way.slow = 500'000;
    way.slow_by = 50ms;
    int quick = 0;
    int slow = 0;
    one.spawn([&]() -> task<> {
        auto socket = co_await net::udp_socket::bind({"10.0.0.1", 9});
        for (int i = 0; i < 200; ++i) {
            std::array<std::byte, 4> buffer;
            const time_point before = world.now();
            co_await socket.recv_from(buffer);
            const duration took = world.now() - before;
            CO_EXPECT_LE(took, 1s + 51ms);
            ++(took == 1s ? quick : slow);
        }
    });
    other.spawn([&]() -> task<> {
        auto socket = co_await net::udp_socket::connect({"10.0.0.1", 9});
        for (int i = 0; i < 200; ++i) {
            co_await sleep_for(1s);
            co_await socket.send("?");
        }
    });
    world.run();
    EXPECT_GT(slow, 20);
    EXPECT_GT(quick, 20);
}

TEST_F(SimNetwork, ACutStopsOneDirectionOnly) {
    world.cut(other, one);
    std::vector<std::string> arrived;
    const auto collect = [&](net::endpoint where) -> task<> {
        auto socket = co_await net::udp_socket::bind(where);
        std::array<char, 16> buffer;
        const auto got = co_await move_on_after(1s, socket.recv_from(buffer));
        if (got) arrived.emplace_back(buffer.data(), got->size);
    };
    const auto say = [](net::endpoint to, std::string text) -> task<> {
        co_await sleep_for(1ms);
        auto socket = co_await net::udp_socket::connect(to);
        co_await socket.send(text);
    };
    one.spawn(collect({"10.0.0.1", 9}));
    other.spawn(collect({"10.0.0.2", 9}));
    one.spawn(say({"10.0.0.2", 9}, "from one"));
    other.spawn(say({"10.0.0.1", 9}, "from other"));
    world.run();
    EXPECT_EQ(arrived, std::vector<std::string>{"from one"});
}

TEST_F(SimNetwork, ShortTransfersMoveEverythingAllTheSame) {
    one.faults().short_send = other.faults().short_receive = 900'000;
    const std::string sent(100'000, 'x');
    one.spawn([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 80});
        auto peer = co_await listener.accept();
        co_await peer.send(sent);
    });
    other.spawn([&]() -> task<> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 80});
        std::string got(sent.size(), '?');
        const auto count = co_await stream.recv_exactly(got);
        CO_ASSERT_EQ(count, sent.size());
        CO_ASSERT_TRUE(got == sent);
    });
    world.run();
}

TEST_F(SimNetwork, FaultsAreErrorsOfTheOperationsTheyBelongTo) {
    one.faults().max_descriptors = 2;
    one.spawn([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 80});
        auto first = co_await listener.accept();
        CO_ASSERT_ERROR(std::errc::too_many_files_open, listener.accept());
        one.faults().max_descriptors = 10;
        auto second = co_await listener.accept();
        one.faults().send_no_buffers = 1'000'000;
        CO_ASSERT_ERROR(std::errc::no_buffer_space, second.send("x"));
        one.faults().send_no_buffers = 0;
        one.faults().submit_no_memory = 1'000'000;
        CO_ASSERT_ERROR(std::errc::not_enough_memory, second.send("x"));
        one.faults().submit_no_memory = 0;
        one.faults().accept_aborted = 1'000'000;
        CO_ASSERT_ERROR(std::errc::connection_aborted, listener.accept());
    });
    other.spawn([]() -> task<> {
        auto first = co_await net::tcp_stream::connect({"10.0.0.1", 80});
        auto second = co_await net::tcp_stream::connect({"10.0.0.1", 80});
        co_await sleep_for(1s);
        auto third = co_await net::tcp_stream::connect({"10.0.0.1", 80});
        co_await sleep_for(1s);
    });
    world.run();
}

TEST_F(SimNetwork, ACancelRaceEndsBothWaysAndLosesNoByte) {
    int results = 0;
    int cancels = 0;
    one.spawn([&]() -> task<> {
        auto pair = co_await net::unix_stream::pair();
        for (int i = 0; i < 100; ++i) {
            char byte = 0;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    try {
                        co_await pair.first.recv(std::span(&byte, 1));
                        ++results;
                    } catch (const cancelled&) {
                        ++cancels;
                        throw;
                    }
                });
                co_await sleep_for(1us);
                // It arrives before the loop hears of the cancel, which comes in the turn after the send.
                co_await pair.second.send("x");
                group.cancel();
            });
            if (byte == 0) co_await pair.first.recv(std::span(&byte, 1));
            CO_ASSERT_EQ(byte, 'x');
        }
    });
    world.run();
    EXPECT_EQ(results + cancels, 100);
    EXPECT_GT(results, 0);
}

}  // namespace sennit::testing::sim_network_test
