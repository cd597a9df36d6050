// The datagram servers, whole: each answer belongs to a question, and whoever goes on asking is answered.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <sennit/net/udp.hpp>
#include <sennit/timeout.hpp>

#include "demos/clients.hpp"
#include "demos/demo_world.hpp"
#include "demos/time_form.hpp"

namespace sennit::testing::datagram_test {

constexpr int seeds = 16;
constexpr int questions = 20;

sim_program& start_echo(demo_world& run) {
    return run.start(run.server, demos::udp_echo_server::main, {"--host", "10.0.0.1"});
}

sim_program& start_time(demo_world& run, std::vector<std::string> arguments) {
    return run.start(run.server, demos::udp_time_server::main, std::move(arguments));
}

/// Datagrams that get lost, come twice and pass each other, both ways.
void trouble(demo_world& run, sim_host& other) {
    link_options bad;
    bad.jitter = 2ms;
    bad.loss = bad.duplicate = bad.reorder = 200'000;
    bad.reorder_by = 5ms;
    run.world.set_link(run.server, other, bad);
}

std::string question(int id, int number) {
    // The first is empty: that is a datagram, too.
    return number == 0 ? "" : "question " + std::to_string(number) + " of " + std::to_string(id);
}

std::string itself(const std::string& answer) {
    return answer;
}

/// What a time server was asked.
std::string without_time(const std::string& answer) {
    EXPECT_TRUE(begins_with_time(answer)) << answer;
    return answer.substr(time_size + 1);
}

/// Asks each question until it has been answered. Older ones may be answered once more, and others never.
task<> ask_stubbornly(int id, std::function<std::string(const std::string&)> asked, int& answered) {
    co_await sleep_for(1ms);
    auto socket = co_await net::udp_socket::connect(server_place);
    std::array<char, 2048> buffer;
    for (int i = 0; i < questions;) {
        co_await socket.send(question(id, i));
        const auto got = co_await move_on_after(100ms, socket.recv(buffer));
        if (!got) continue;
        const std::string text = asked(std::string(buffer.data(), got->size));
        bool was_asked = false;
        for (int earlier = 0; earlier <= i; ++earlier) was_asked = was_asked || text == question(id, earlier);
        CO_ASSERT_TRUE(was_asked) << text;
        if (text != question(id, i)) continue;
        ++i;
        ++answered;
    }
}

TEST(DemoDatagrams, EchoOfWhatGotThrough) {
    for_each_seed(seeds, [](demo_world& run) {
        trouble(run, run.near);
        const sim_program& server = start_echo(run);
        int answered = 0;
        for (int id = 0; id < 4; ++id) (id < 2 ? run.near : run.far).spawn(ask_stubbornly(id, itself, answered));
        run.run();
        EXPECT_EQ(answered, 4 * questions);
        EXPECT_EQ(server.exit_status(), 0);
        // What was received is answered, and the numbers say so: "... received N bytes, sent N bytes".
        const auto number_after = [&](const std::string& word) {
            return std::stoll(run.out.substr(run.out.find(word) + word.size()));
        };
        EXPECT_GE(number_after("\nserved "), 4 * questions) << run.out;
        EXPECT_EQ(number_after(", received "), number_after(", sent ")) << run.out;
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoDatagrams, EchoGoesOnAfterAPartition) {
    for_each_seed(seeds, [](demo_world& run) {
        run.partition_for(20s, run.near, 20ms);
        const sim_program& server = start_echo(run);
        int cut_off = 0;
        int others = 0;
        run.near.spawn(ask_stubbornly(1, itself, cut_off));
        run.far.spawn(ask_stubbornly(2, itself, others));
        run.world.after(10s, [&] {
            EXPECT_LT(cut_off, questions) << "the partition came too late";
            EXPECT_EQ(others, questions);
        });
        run.run();
        EXPECT_EQ(cut_off, questions);
        EXPECT_EQ(server.exit_status(), 0);
    });
}

TEST(DemoDatagrams, EchoReportsAnswersThatCannotBeSentAndGoesOn) {
    for_each_seed(seeds, [](demo_world& run) {
        run.server.faults().send_no_buffers = 300'000;
        const sim_program& server = start_echo(run);
        int answered = 0;
        run.near.spawn(ask_stubbornly(1, itself, answered));
        run.run();
        EXPECT_EQ(answered, questions);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err.find("answer to 10.0.0.2:"), 0u) << run.err;
        EXPECT_NE(run.err.find(": No buffer space available\n"), std::string::npos) << run.err;
    });
}

TEST(DemoDatagrams, TimeOfWhatGotThrough) {
    for_each_seed(seeds, [](demo_world& run) {
        trouble(run, run.near);
        run.partition_for(20s, run.far, 20ms);
        const sim_program& server = start_time(run, {"--host", "10.0.0.1"});
        int answered = 0;
        for (sim_host* each : {&run.near, &run.far}) each->spawn(ask_stubbornly(1, without_time, answered));
        run.run();
        EXPECT_EQ(answered, 2 * questions);
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

TEST(DemoDatagrams, TimeServerSaysWhichDatagramsAreTooLong) {
    for_each_seed(1, [](demo_world& run) {
        const sim_program& server = start_time(run, {"--host", "10.0.0.1"});
        run.near.spawn([]() -> task<> {
            co_await sleep_for(1ms);
            auto socket = co_await net::udp_socket::connect(server_place);
            std::vector<char> buffer(65536);
            for (const std::size_t size : {65480, 65481, 65507}) {
                co_await socket.send(std::string(size, 'x'));
                const auto got = co_await socket.recv(buffer);
                const std::string text = without_time(std::string(buffer.data(), got.size));
                CO_ASSERT_TRUE(text ==
                               (size == 65480 ? std::string(size, 'x') : "(too long: 65480 bytes at the most)"));
            }
        });
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.err, "");
    });
}

/// A space, and whether anybody is there for the next question.
task<> send_space(net::endpoint where, bool stops) {
    co_await sleep_for(1ms);
    auto socket = co_await net::udp_socket::connect(where);
    co_await socket.send(" ");
    std::array<char, 100> buffer;
    const auto answer = co_await move_on_after(1s, socket.recv(buffer));
    CO_ASSERT_EQ(answer.has_value(), !stops);
    if (!stops) co_return;
    co_await socket.send("anybody?");
    CO_ASSERT_ERROR(std::errc::connection_refused, socket.recv(buffer));
}

TEST(DemoDatagrams, SpaceStopsATimeServerOnItsOwnMachine) {
    for_each_seed(seeds, [](demo_world& run) {
        const sim_program& server = start_time(run, {"--port", "7000"});
        run.server.spawn(send_space({"127.0.0.1", 7000}, true));
        run.world.after(500ms, [&] { EXPECT_TRUE(server.has_ended()); });
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
        EXPECT_EQ(run.out, "listening on 127.0.0.1:7000 (sim)\n");
    });
}

TEST(DemoDatagrams, SpaceFromElsewhereStopsATimeServerWhereThatWasAskedFor) {
    for_each_seed(seeds, [](demo_world& run) {
        const bool asked_for = run.world.seed() % 2 == 0;
        std::vector<std::string> arguments{"--host", "10.0.0.1"};
        if (asked_for) arguments.push_back("--stop-on-space");
        const sim_program& server = start_time(run, arguments);
        run.near.spawn(send_space(server_place, asked_for));
        run.world.after(500ms, [&, asked_for] { EXPECT_EQ(server.has_ended(), asked_for); });
        run.run();
        EXPECT_EQ(server.exit_status(), 0);
    });
}

}  // namespace sennit::testing::datagram_test
