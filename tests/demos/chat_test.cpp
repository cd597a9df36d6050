// The chat, whole: everyone hears every line of the others once and in order, whatever the network does meanwhile, and
// nobody has to wait for somebody else.

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <sennit/net/line_reader.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/when_all.hpp>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"

namespace sennit::testing {
namespace {

constexpr int seeds = 16;
constexpr int lines_each = 20;

sim_program& start_chat(demo_world& run) {
    return run.start(run.server, demos::chat_server::main, {"--host", "10.0.0.1"});
}

/// Somebody in the room: says numbered lines and counts those of the others, which have to come in order.
struct guest {
    int expected = 0;                 // lines of others, all in all
    std::map<std::string, int> next;  // by speaker
    int heard = 0;
    std::vector<std::string> notices;

    bool heard_all() const { return heard == expected; }
    bool was_told(const std::string& what) const {
        return std::any_of(notices.begin(), notices.end(),
                           [&](const std::string& each) { return each.find(what) != each.npos; });
    }
};

task<> say(net::tcp_stream& stream) {
    co_await sleep_for(3s);  // all are here by then
    for (int i = 0; i < lines_each; ++i) {
        const std::string line = std::to_string(i) + "\n";
        co_await stream.send(line);
        co_await sleep_for(50ms);
    }
}

task<> hear(net::tcp_stream& stream, guest& self) {
    net::line_reader lines(stream);
    while (!self.heard_all()) {
        const auto line = co_await lines.read_line();
        CO_ASSERT_TRUE(line.has_value());
        if (line->front() == '*') {
            self.notices.emplace_back(*line);
            continue;
        }
        const std::size_t name_end = line->find("> ");
        CO_ASSERT_TRUE(line->front() == '<' && name_end != line->npos);
        const std::string speaker(line->substr(1, name_end - 1));
        CO_ASSERT_EQ(line->substr(name_end + 2), std::to_string(self.next[speaker]));
        ++self.next[speaker];
        ++self.heard;
    }
}

task<> take_part(guest& self) {
    co_await sleep_for(1ms);
    auto stream = co_await net::tcp_stream::connect(server_place);
    co_await when_all(say(stream), hear(stream, self));
    co_await stream.send("/quit\n");
    std::array<std::byte, 4096> rest;
    while (co_await stream.recv(rest) != 0) {
    }
}

TEST(DemoChat, EveryoneHearsEveryLineInOrder) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.world.link(run.near, run.server).loss = run.world.link(run.server, run.near).loss = 10'000;
        const sim_program& chat = start_chat(run);
        std::vector<guest> guests(6);
        for (guest& each : guests) each.expected = 5 * lines_each;
        for (int i = 0; i < 3; ++i) run.near.spawn(take_part(guests[i]));
        for (int i = 3; i < 6; ++i) run.far.spawn(take_part(guests[i]));
        run.run();
        for (const guest& each : guests) EXPECT_TRUE(each.heard_all());
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on 10.0.0.1:21111 (sim)\n");
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChat, PartitionDelaysThoseBehindItAndNobodyElse) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(20s, run.near, 3500ms);
        const sim_program& chat = start_chat(run);
        std::vector<guest> guests(5);
        for (guest& each : guests) each.expected = 4 * lines_each;
        for (int i = 0; i < 2; ++i) run.near.spawn(take_part(guests[i]));
        for (int i = 2; i < 5; ++i) run.far.spawn(take_part(guests[i]));
        run.world.after(10s, [&] {
            for (int i = 2; i < 5; ++i) EXPECT_GE(guests[i].heard, 2 * lines_each) << "they hear each other";
            EXPECT_FALSE(guests[0].heard_all()) << "the partition came too late";
        });
        run.run();
        for (const guest& each : guests) EXPECT_TRUE(each.heard_all());
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChat, ResetTakesThoseItMeetsOutOfTheRoom) {
    for_each_seed(seeds, [](demo_world& run) {
        run.world.after(2s, [&] { run.world.reset_connections(run.server, run.near); });
        const sim_program& chat = start_chat(run);
        const auto be_thrown_out = []() -> task<> {
            co_await sleep_for(500ms);  // the others are guest1 and guest2
            auto stream = co_await net::tcp_stream::connect(server_place);
            std::array<std::byte, 4096> buffer;
            const auto read_on = [&]() -> task<> {
                for (;;) co_await stream.recv(buffer);
            };
            CO_ASSERT_ERROR(std::errc::connection_reset, read_on());
        };
        run.near.spawn(be_thrown_out());
        std::vector<guest> guests(2);
        for (guest& each : guests) each.expected = lines_each;
        for (guest& each : guests) run.far.spawn(take_part(each));
        run.run();
        for (const guest& each : guests) {
            EXPECT_TRUE(each.heard_all());
            EXPECT_TRUE(each.was_told("guest3 has joined"));
            EXPECT_TRUE(each.was_told("guest3 has left"));
        }
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChat, WhoDoesNotReadIsPutOutAndHoldsUpNobody) {
    for_each_seed(4, [](demo_world& run) {
        const sim_program& chat = start_chat(run);
        constexpr int many = 3000;
        bool told = false;
        const auto never_read = []() -> task<> {
            co_await sleep_for(1ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            co_await sleep_for(10min);
        };
        const auto talk = []() -> task<> {
            co_await sleep_for(100ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            co_await sleep_for(100ms);
            const std::string line = std::string(900, 'x') + "\n";
            for (int i = 0; i < many; ++i) co_await stream.send(line);
            co_await sleep_for(5min);
        };
        const auto listen = [](bool& was_told) -> task<> {
            co_await sleep_for(100ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            net::line_reader lines(stream);
            int heard = 0;
            while (heard != many) {
                const auto line = co_await lines.read_line();
                CO_ASSERT_TRUE(line.has_value());
                if (line->front() == '<') ++heard;
                was_told = was_told || line->find("guest1 was too slow and is out") != line->npos;
            }
        };
        run.near.spawn(never_read());
        run.far.spawn(talk());
        run.near.spawn(listen(told));
        run.run();
        EXPECT_TRUE(told);
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

}  // namespace
}  // namespace sennit::testing
