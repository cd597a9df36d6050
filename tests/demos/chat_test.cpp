// The chat, whole: what the members of a room see of each other while the network fails some of them.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <sennit/net/line_reader.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"

namespace sennit::testing::chat_test {

constexpr int seeds = 16;
constexpr auto talk_begins = 10s;  // everybody has come by then, even if it took several tries

sim_program& start_chat(demo_world& run, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--host", "10.0.0.1"});
    return run.start(run.server, demos::chat_server::main, std::move(more));
}

/// What one member has heard, and how that ended.
struct guest {
    std::vector<std::string> heard;
    bool end_seen = false;
    std::error_code error;

    bool has_heard(const std::string& line) const { return std::find(heard.begin(), heard.end(), line) != heard.end(); }
    /// How many of the numbered lines of `talk` were heard from a member, which have to be the first ones.
    int numbered(const std::string& name) const {
        int next = 0;
        for (const std::string& line : heard) {
            if (!line.starts_with("<" + name + "> ")) continue;
            EXPECT_EQ(line, "<" + name + "> " + std::to_string(next));
            ++next;
        }
        return next;
    }
};

/// Hears everything, up to the end of the connection.
task<> listen(net::tcp_stream& stream, guest& self) {
    net::line_reader lines(stream);
    for (;;) {
        const auto line = co_await as_result(lines.read_line());
        self.error = line.error();
        self.end_seen = !line || !*line;
        if (self.end_seen) co_return;
        self.heard.emplace_back(**line);
    }
}

/// So many numbered lines, one every 10 ms.
task<> talk(net::tcp_stream& stream, int lines) {
    for (int i = 0; i < lines; ++i) {
        co_await stream.send(std::to_string(i) + "\n");
        co_await sleep_for(10ms);
    }
}

/// Comes, takes a name, listens, talks once everybody has come, and goes after `stay`.
task<> visit(std::string name, int lines, duration stay, guest& self) {
    co_await sleep_for(1ms);
    auto stream = co_await net::tcp_stream::connect(server_place);
    const auto life = [&](task_group& tasks) -> task<> {
        tasks.spawn(listen(stream, self));
        co_await stream.send("/nick " + name + "\n");
        co_await sleep_for(talk_begins);
        co_await talk(stream, lines);
        co_await sleep_for(stay);
        co_await stream.send("/quit\n");
    };
    const auto done = co_await as_result(with_task_group(life));
    if (!done) self.error = done.error();
}

TEST(DemoChat, EverybodyHearsEverybodyElseInOrder) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        run.world.link(run.near, run.server).loss = run.world.link(run.server, run.near).loss = 20'000;
        const sim_program& chat = start_chat(run);
        guest ann, bob, cid;
        run.near.spawn(visit("ann", 40, 1min, ann));
        run.near.spawn(visit("bob", 40, 1min, bob));
        run.far.spawn(visit("cid", 40, 2min, cid));
        run.run();
        for (const guest* each : {&ann, &bob, &cid}) {
            EXPECT_EQ(each->numbered("ann"), each == &ann ? 0 : 40) << "one does not hear oneself";
            EXPECT_EQ(each->numbered("bob"), each == &bob ? 0 : 40);
            EXPECT_EQ(each->numbered("cid"), each == &cid ? 0 : 40);
            EXPECT_TRUE(each->end_seen && !each->error) << each->error;
        }
        EXPECT_TRUE(cid.has_heard("* ann has left") && cid.has_heard("* bob has left"));
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on 10.0.0.1:21111 (sim)\n");
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChat, MemberOutOfReachForAWhileHearsWhatItHasMissed) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(20s, run.near, talk_begins + 300ms);
        const sim_program& chat = start_chat(run);
        guest ann, bob, cid;
        run.near.spawn(visit("ann", 100, 60s, ann));
        run.far.spawn(visit("bob", 100, 61s, bob));
        run.far.spawn(visit("cid", 100, 61s, cid));
        run.world.after(talk_begins + 10s, [&] {
            EXPECT_EQ(bob.numbered("cid"), 100) << "nobody waits for the one out of reach";
            EXPECT_EQ(cid.numbered("bob"), 100);
            EXPECT_LT(ann.numbered("bob"), 100) << "the partition came too late";
        });
        run.run();
        EXPECT_EQ(ann.numbered("bob"), 100);
        EXPECT_EQ(ann.numbered("cid"), 100);
        EXPECT_EQ(bob.numbered("ann"), 100);
        EXPECT_EQ(chat.exit_status(), 0);
    });
}

TEST(DemoChat, MemberOutOfReachForTooLongIsLeftBehind) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(25min, run.near, talk_begins + 300ms);  // TCP gives up after a quarter of an hour
        const sim_program& chat = start_chat(run);
        guest ann, bob, cid;
        run.near.spawn(visit("ann", 100, 60s, ann));
        run.far.spawn(visit("bob", 100, 30min, bob));
        run.far.spawn(visit("cid", 100, 30min, cid));
        run.run();
        EXPECT_EQ(ann.error, std::errc::timed_out) << ann.error;
        EXPECT_TRUE(bob.has_heard("* ann has left"));
        EXPECT_EQ(bob.numbered("cid"), 100);
        EXPECT_EQ(cid.numbered("bob"), 100);
        EXPECT_LT(ann.numbered("bob"), 100);
        EXPECT_LT(bob.numbered("ann"), 100);
        EXPECT_EQ(chat.exit_status(), 0);
    });
}

TEST(DemoChat, ResetIsSeenByTheOthersAsLeaving) {
    for_each_seed(seeds, [](demo_world& run) {
        run.world.after(talk_begins + 300ms, [&] { run.world.reset_connections(run.server, run.near); });
        const sim_program& chat = start_chat(run);
        guest ann, bob, cid;
        run.near.spawn(visit("ann", 100, 5s, ann));
        run.far.spawn(visit("bob", 100, 5s, bob));
        run.far.spawn(visit("cid", 100, 5s, cid));
        run.run();
        EXPECT_TRUE(ann.error) << "it has not met the reset";
        EXPECT_TRUE(bob.has_heard("* ann has left") && cid.has_heard("* ann has left"));
        EXPECT_EQ(bob.numbered("cid"), 100);
        EXPECT_EQ(cid.numbered("bob"), 100);
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

/// Joins, and reads no more than that.
task<> stop_reading(const bool& everybody_has_left) {
    co_await sleep_for(1ms);
    auto stream = co_await net::tcp_stream::connect(server_place);
    stream.set_receive_buffer_size(4096);
    co_await stream.send("/nick slow\n");
    while (!everybody_has_left) co_await sleep_for(1s);
}

TEST(DemoChat, SlowReaderIsDroppedAndTheOthersHearEverything) {
    for_each_seed(seeds / 4, [](demo_world& run) {
        const sim_program& chat = start_chat(run);
        guest bob;
        int said = 0;
        bool over = false;
        run.near.spawn(stop_reading(over));
        run.far.spawn(visit("bob", 0, 60s, bob));
        const auto talk_until_it_is_out = [&]() -> task<> {
            co_await sleep_for(50ms);
            auto stream = co_await net::tcp_stream::connect(server_place);
            co_await stream.send("/nick ann\n");
            const std::string filling(900, 'x');
            while (!bob.has_heard("* slow was too slow and is out")) {
                CO_ASSERT_LT(said, 20'000);
                for (int i = 0; i < 20; ++i, ++said) {
                    co_await stream.send(std::to_string(said) + " " + filling + "\n");
                }
                co_await sleep_for(20ms);
            }
            over = true;
            co_await sleep_for(1s);
        };
        run.far.spawn(talk_until_it_is_out);
        run.run();
        int next = 0;
        for (const std::string& line : bob.heard) {
            if (!line.starts_with("<ann> ")) continue;
            EXPECT_TRUE(line.starts_with("<ann> " + std::to_string(next) + " x"));
            ++next;
        }
        EXPECT_EQ(next, said);
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoChat, InterruptedServerLetsEverybodyGo) {
    for_each_seed(seeds, [](demo_world& run) {
        run.disturb_system_calls();
        sim_program& chat = start_chat(run);
        guest ann, bob;
        run.near.spawn(visit("ann", 1'000'000, 1s, ann));
        run.far.spawn(visit("bob", 1'000'000, 1s, bob));
        run.world.after(talk_begins + 1s, [&] { chat.interrupt(); });
        run.run();
        EXPECT_TRUE(ann.end_seen && bob.end_seen);
        EXPECT_GT(ann.numbered("bob"), 0);
        EXPECT_GT(bob.numbered("ann"), 0);
        EXPECT_EQ(chat.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

}  // namespace sennit::testing::chat_test
