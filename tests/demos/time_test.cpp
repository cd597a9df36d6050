// The time servers and the datagram echo, whole: who asks is answered, only what was asked is answered, and what the
// network does to datagrams ends nobody.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include <sennit/net/line_reader.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/timeout.hpp>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"

namespace sennit::testing {
namespace {

constexpr int seeds = 16;

/// Whether `answer` is "[Mon Nov 23 21:07:41 2026] " and then this.
bool is_time_and(std::string_view answer, std::string_view rest) {
    static const std::regex stamp(R"(\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \d{4}\] )");
    constexpr std::size_t stamp_size = 27;
    return answer.size() >= stamp_size && std::regex_match(std::string(answer.substr(0, stamp_size)), stamp) &&
           answer.substr(stamp_size) == rest;
}

TEST(DemoTime, EveryChunkIsAnsweredAlsoAfterAPartition) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(20s, run.near, 30ms);
        const sim_program& server = run.start(run.server, demos::tcp_time_server::main, {"--host", "10.0.0.1"});
        const auto ask = []() -> task<> {
            co_await sleep_for(1ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            for (int i = 0; i < 20; ++i) {
                co_await stream.send("what time is it?");
                std::array<char, 30> answer;
                CO_ASSERT_EQ(co_await stream.recv_exactly(std::as_writable_bytes(std::span(answer))), answer.size());
                CO_ASSERT_TRUE(is_time_and({answer.data(), answer.size()}, "Oh?"));
            }
        };
        for (int i = 0; i < 3; ++i) run.near.spawn(ask());
        run.far.spawn(ask());
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoTime, OneLineIsAnsweredAndTheSilentAreSentAway) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        const sim_program& server = run.start(run.server, demos::line_time_server::main, {"--host", "10.0.0.1"});
        const auto ask = [](std::string line, std::string answer) -> task<> {
            co_await sleep_for(1ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            co_await stream.send(line);
            net::line_reader lines(stream);
            const auto got = co_await lines.read_line();
            CO_ASSERT_TRUE(got.has_value() && is_time_and(*got, answer));
            const auto end = co_await lines.read_line();
            CO_ASSERT_FALSE(end.has_value());
        };
        const auto be_silent = [](sim_world& world) -> task<> {
            co_await sleep_for(1ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            const time_point since = world.now();
            std::array<std::byte, 16> buffer;
            CO_ASSERT_EQ(co_await stream.recv(buffer), 0u);
            CO_ASSERT_TRUE(world.now() - since > 59s && world.now() - since < 61s);
        };
        run.near.spawn(ask("Is it late?\n", "Is it late?"));
        run.near.spawn(ask(std::string(5000, 'x'), "(too long: 4096 bytes at the most)"));
        run.far.spawn(be_silent(run.world));
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

/// Sends numbered datagrams and takes what comes back, which has to answer one of them. How many did.
template <class IsAnswer>
task<> ask_by_datagrams(int count, int& answered, IsAnswer is_answer) {
    co_await sleep_for(1ms);
    auto socket = co_await net::udp_socket::connect(server_place);
    std::set<int> open;
    for (int i = 0; i < count; ++i) {
        const std::string question = "question " + std::to_string(i);
        co_await socket.send(question);
        open.insert(i);
    }
    std::array<char, 128> buffer;
    for (;;) {
        const auto got = co_await move_on_after(1s, socket.recv(std::as_writable_bytes(std::span(buffer))));
        if (!got) co_return;
        const std::string_view text(buffer.data(), got->size);
        bool known = false;
        for (int i = 0; i < count && !known; ++i) {
            if (!is_answer(text, "question " + std::to_string(i))) continue;
            known = true;
            answered += static_cast<int>(open.erase(i));
        }
        CO_ASSERT_TRUE(known) << text;
    }
}

void trouble_datagrams(demo_world& run) {
    for (link_options* each : {&run.world.link(run.near, run.server), &run.world.link(run.server, run.near)}) {
        each->loss = 100'000;
        each->duplicate = 100'000;
        each->reorder = 200'000;
    }
}

TEST(DemoDatagrams, EchoAnswersOnlyWhatWasAskedThroughLossDuplicatesAndReordering) {
    for_each_seed(seeds, [](demo_world& run) {
        trouble_datagrams(run);
        const sim_program& server = run.start(run.server, demos::udp_echo_server::main, {"--host", "10.0.0.1"});
        int through_trouble = 0;
        int on_a_good_way = 0;
        const auto same = [](std::string_view answer, const std::string& question) { return answer == question; };
        run.near.spawn(ask_by_datagrams(50, through_trouble, same));
        run.far.spawn(ask_by_datagrams(50, on_a_good_way, same));
        run.run();
        EXPECT_EQ(on_a_good_way, 50);
        EXPECT_GT(through_trouble, 25);
        EXPECT_LT(through_trouble, 50);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoDatagrams, TimeServerAnswersAndStopsOnASpace) {
    for_each_seed(seeds, [](demo_world& run) {
        trouble_datagrams(run);
        const sim_program& server =
            run.start(run.server, demos::udp_time_server::main, {"--host", "10.0.0.1", "--stop-on-space"});
        int through_trouble = 0;
        int on_a_good_way = 0;
        const auto with_time = [](std::string_view answer, const std::string& question) {
            return is_time_and(answer, question);
        };
        run.near.spawn(ask_by_datagrams(50, through_trouble, with_time));
        run.far.spawn(ask_by_datagrams(50, on_a_good_way, with_time));
        bool still_running = false;
        bool has_stopped = false;
        const auto stop_it = [&]() -> task<> {
            co_await sleep_for(10s);
            still_running = !server.has_ended();
            auto socket = co_await net::udp_socket::connect(server_place);
            co_await socket.send(" ");
            co_await sleep_for(1s);
            has_stopped = server.has_ended();
        };
        run.far.spawn(stop_it());
        run.run();
        EXPECT_EQ(on_a_good_way, 50);
        EXPECT_GT(through_trouble, 25);
        EXPECT_TRUE(still_running);
        EXPECT_TRUE(has_stopped);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

}  // namespace
}  // namespace sennit::testing
