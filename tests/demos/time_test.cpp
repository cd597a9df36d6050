// The time servers for streams, whole. What they say is the time of the machine, so only its form is looked at.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include <sennit/net/line_reader.hpp>
#include <sennit/timeout.hpp>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"
#include "demos/time_form.hpp"

namespace sennit::testing::time_test {

constexpr int seeds = 16;

sim_program& start_line_server(demo_world& run) {
    return run.start(run.server, demos::line_time_server::main, {"--host", "10.0.0.1"});
}

sim_program& start_chunk_server(demo_world& run) {
    return run.start(run.server, demos::tcp_time_server::main, {"--host", "10.0.0.1"});
}

/// Sends text to the server and gives what comes back up to the end of the stream.
task<std::string> ask(std::string text, bool and_finish) {
    auto stream = co_await net::tcp_stream::connect(server_place);
    co_await stream.send(text);
    if (and_finish) co_await stream.shutdown_send();
    std::string answer;
    std::array<char, 4096> buffer;
    while (const auto count = co_await stream.recv(buffer)) answer.append(buffer.data(), count);
    co_return answer;
}

/// Each line has a connection of its own, and is the one that comes back.
task<> ask_for_lines(int id, int& answered) {
    co_await sleep_for(1ms);
    for (int i = 0; i < 10; ++i) {
        const std::string line = "line " + std::to_string(i) + " of " + std::to_string(id);
        const std::string answer = co_await ask(line + "\nmore that nobody reads\n", i % 2 == 0);
        CO_ASSERT_TRUE(begins_with_time(answer)) << answer;
        CO_ASSERT_EQ(answer.substr(time_size), " " + line + "\n");
        ++answered;
    }
}

TEST(DemoLineTime, AnswersEachLineOnce) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.world.link(run.near, run.server).loss = run.world.link(run.server, run.near).loss = 20'000;
        const sim_program& server = start_line_server(run);
        int answered = 0;
        for (int i = 0; i < 3; ++i) run.near.spawn(ask_for_lines(i, answered));
        run.run();
        EXPECT_EQ(answered, 30);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on 10.0.0.1:21111 (sim)\n");
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoLineTime, PartitionThatHealsIsOnlyADelay) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(20s, run.near, 20ms);
        const sim_program& server = start_line_server(run);
        int cut_off = 0;
        int others = 0;
        run.near.spawn(ask_for_lines(1, cut_off));
        run.far.spawn(ask_for_lines(2, others));
        run.world.after(10s, [&] {
            EXPECT_LT(cut_off, 10) << "the partition came too late";
            EXPECT_EQ(others, 10);
        });
        run.run();
        EXPECT_EQ(cut_off, 10);
        EXPECT_EQ(server.exit_status(), 0);
    });
}

TEST(DemoLineTime, EndsConnectionsThatGiveNoLine) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        const sim_program& server = start_line_server(run);
        run.near.spawn([](sim_world& world) -> task<> {
            co_await sleep_for(1ms);
            const std::string nothing = co_await ask("", true);
            CO_ASSERT_EQ(nothing, "");
            const std::string half = co_await ask("no end", true);
            CO_ASSERT_TRUE(half.ends_with("] no end\n")) << half;
            const std::string too_long = co_await ask(std::string(50'000, 'x'), false);
            CO_ASSERT_TRUE(begins_with_time(too_long) && too_long.ends_with("] (too long: 4096 bytes at the most)\n"))
                << too_long;
            const auto since = world.now();
            const std::string silence = co_await ask("no end, and silent", false);
            CO_ASSERT_EQ(silence, "");
            CO_ASSERT_GE(world.now() - since, 60s);
            CO_ASSERT_LE(world.now() - since, 62s);
        }(run.world));
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

/// So many answers to so many chunks, on one connection.
task<> ask_for_chunks(int count, int& answered) {
    co_await sleep_for(1ms);
    auto stream = co_await net::tcp_stream::connect(server_place);
    for (int i = 0; i < count; ++i) {
        co_await stream.send("x");
        std::string answer(time_size + 4, '?');
        const auto size = co_await stream.recv_exactly(answer);
        CO_ASSERT_EQ(size, answer.size());
        CO_ASSERT_TRUE(begins_with_time(answer) && answer.ends_with("] Oh?")) << answer;
        ++answered;
    }
}

task<> ask_until_it_breaks(int& answered) {
    const auto done = co_await as_result(ask_for_chunks(1'000'000, answered));
    CO_ASSERT_EQ(done.error(), std::errc::connection_reset);
}

TEST(DemoChunkTime, AnswersEachChunk) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.partition_for(20s, run.near, 100ms);
        const sim_program& server = start_chunk_server(run);
        int answered = 0;
        for (sim_host* each : {&run.near, &run.near, &run.far}) each->spawn(ask_for_chunks(50, answered));
        run.run();
        EXPECT_EQ(answered, 150);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChunkTime, ResetEndsTheConnectionsThatItMeets) {
    for_each_seed(seeds, [](demo_world& run) {
        run.world.after(100ms, [&] { run.world.reset_connections(run.server, run.near); });
        const sim_program& server = start_chunk_server(run);
        int broken = 0;
        int others = 0;
        run.near.spawn(ask_until_it_breaks(broken));
        run.far.spawn(ask_for_chunks(100, others));
        run.run();
        EXPECT_GT(broken, 0);
        EXPECT_EQ(others, 100);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChunkTime, InterruptedServerEndsItsConnections) {
    for_each_seed(seeds, [](demo_world& run) {
        sim_program& server = start_chunk_server(run);
        run.near.spawn([]() -> task<> {
            co_await sleep_for(1ms);
            const std::string answer = co_await ask("x", false);
            CO_ASSERT_EQ(answer.substr(time_size), " Oh?");
        });
        run.world.after(1s, [&] { server.interrupt(); });
        run.world.after(2s, [&] { EXPECT_TRUE(server.has_ended()); });
        run.lasts_at_least(3s);
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
    });
}

}  // namespace sennit::testing::time_test
