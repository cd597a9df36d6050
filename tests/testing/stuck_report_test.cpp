// What the report of a stuck world says: what each task waits for and where, and who waits for whom in a circle.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/net/resolve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/run.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/sim_backend.hpp>
#include <sennit/testing/sim_world.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::stuck_report_test {

using namespace std::chrono_literals;

std::string stuck_text(sim_world& world) {
    try {
        world.run();
    } catch (const stuck& why) {
        return why.what();
    }
    return "not stuck";
}

/// "stuck_report_test.cpp:12", as the report calls it.
std::string place(int line) {
    return "stuck_report_test.cpp:" + std::to_string(line);
}

/// A task that waits, and the line in which it does.
struct lasting_wait {
    const char* kind;  // the report's word for it
    task<> (*begin)(int& line);
};

task<> forever() {
    event never;
    co_await never.wait();
}

const lasting_wait all_waits[] = {
    {"recv",
     [](int& line) -> task<> {
         auto pair = co_await net::unix_stream::pair();
         std::array<std::byte, 4> buffer;
         line = __LINE__ + 1;
         co_await pair.first.recv(buffer);
     }},
    {"recv_lease",
     [](int& line) -> task<> {
         auto pair = co_await net::unix_stream::pair();
         line = __LINE__ + 1;
         co_await pair.first.recv_lease();
     }},
    {"send",
     [](int& line) -> task<> {
         auto pair = co_await net::unix_stream::pair();
         const std::vector<std::byte> more_than_fits(10'000'000);
         line = __LINE__ + 1;
         co_await pair.first.send(more_than_fits);
     }},
    {"accept",
     [](int& line) -> task<> {
         auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
         line = __LINE__ + 1;
         co_await listener.accept();
     }},
    {"connect",
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await net::tcp_stream::connect({"10.0.0.2", 7});
     }},
    {"recvmsg",
     [](int& line) -> task<> {
         auto socket = co_await net::udp_socket::bind({"10.0.0.1", 7});
         std::array<std::byte, 4> buffer;
         line = __LINE__ + 1;
         co_await socket.recv_from(buffer);
     }},
    {"sleep",
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await sleep_for(1h);
     }},
    {"sleep",  // until the answer of the simulated name server
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await net::resolve("slow.test", 7);
     }},
    {"event",
     [](int& line) -> task<> {
         event never;
         line = __LINE__ + 1;
         co_await never.wait();
     }},
    {"mutex",
     [](int& line) -> task<> {
         mutex one;
         const mutex_lock held = co_await one.lock();
         line = __LINE__ + 1;
         const mutex_lock never = co_await one.lock();
     }},
    {"semaphore",
     [](int& line) -> task<> {
         semaphore empty(0);
         line = __LINE__ + 1;
         co_await empty.acquire();
     }},
    {"channel recv",
     [](int& line) -> task<> {
         channel<int> empty(1);
         line = __LINE__ + 1;
         co_await empty.recv();
     }},
    {"channel send",
     [](int& line) -> task<> {
         channel<int> full(1);
         co_await full.send(1);
         line = __LINE__ + 1;
         co_await full.send(2);
     }},
    {"task group",
     [](int& line) -> task<> {
         const auto body = [](task_group& group) -> task<> {
             group.spawn(forever());
             co_return;
         };
         line = __LINE__ + 1;
         co_await with_task_group(body);
     }},
    {"task group",
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await when_all(forever(), forever());
     }},
    {"task group",
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await when_any(forever(), forever());
     }},
    {"event",
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await with_timeout(1h, forever());
     }},
    {"sleep",
     [](int& line) -> task<> {
         line = __LINE__ + 1;
         co_await shield(sleep_for(1h));
     }},
};

class Waits : public ::testing::TestWithParam<lasting_wait> {};

TEST_P(Waits, AreReportedWithTheirPlace) {
    sim_world world;
    sim_host& tested = world.add_host("tested", {"10.0.0.1"});
    world.partition(tested, world.add_host("silent", {"10.0.0.2"}));
    world.add_name("slow.test", {"10.0.0.2"}, 10s);
    int line = 0;
    tested.spawn(GetParam().begin(line));
    EXPECT_FALSE(world.run_for(1s));

    const std::string report = world.describe();
    const std::string begin = std::string(GetParam().kind) + " at ";
    bool found = false;
    std::istringstream lines(report);
    for (std::string each; std::getline(lines, each);) {
        const std::size_t text = each.find_first_not_of(' ');
        if (text == each.npos || each.compare(text, begin.size(), begin) != 0) continue;
        const std::size_t where = each.find(place(line));
        if (where == each.npos) continue;
        const char after = each.c_str()[where + place(line).size()];
        found = found || after == '\0' || after == ' ' || after == ';';
    }
    EXPECT_TRUE(found) << begin << place(line) << "\n" << report;
}

INSTANTIATE_TEST_SUITE_P(Kinds, Waits, ::testing::ValuesIn(all_waits));

TEST(StuckReport, SaysWhoWaitsForWhatOnWhichConnection) {
    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    sim_host& client = world.add_host("client", {"10.0.0.2"});
    server.spawn([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
        auto peer = co_await listener.accept();
        std::array<std::byte, 16> buffer;
        co_await peer.recv(buffer);
    });
    client.spawn([]() -> task<> {
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        std::array<std::byte, 16> buffer;
        co_await stream.recv(buffer);
    });
    const std::string report = stuck_text(world);
    const std::size_t first = report.find("host server waits for:\nscope\n  recv at ");
    const std::size_t second = report.find("host client waits for:\nscope\n  recv at ");
    EXPECT_NE(report.find(" on 10.0.0.1:7 with 10.0.0.2:32768 (descriptor ", first), report.npos) << report;
    EXPECT_NE(report.find(" on 10.0.0.2:32768 with 10.0.0.1:7 (descriptor ", second), report.npos) << report;
    EXPECT_NE(report.find("wait cycle:\n  server: recv at "), report.npos) << report;
}

TEST(StuckReport, ListsWhatIsShielded) {
    sim_world world;
    world.add_host("host").spawn([]() -> task<> { co_await shield(sleep_for(1h)); });
    EXPECT_FALSE(world.run_for(1s));
    EXPECT_NE(world.describe().find("  shield\n    sleep at "), std::string::npos) << world.describe();
}

TEST(StuckReport, AShieldKeepsOutTheCancellationThatItIsReportedUnder) {
    sim_world world;
    sim_host& host = world.add_host("host");
    bool finished = false;
    host.spawn([&]() -> task<> {
        co_await shield(sleep_for(1h));
        finished = true;
    });
    EXPECT_FALSE(world.run_for(1s));
    host.loop().root().cancel();
    world.run();
    EXPECT_TRUE(finished);
}

TEST(StuckReport, NamesWhoHoldsAMutexAndTheCircleOfTwo) {
    mutex one;
    mutex other;
    sim_world world;
    int locked = 0;
    int waits = 0;
    const auto lock_both = [](mutex& first, mutex& second, int& locked_in, int& waits_in) -> task<> {
        locked_in = __LINE__ + 1;
        const mutex_lock outer = co_await first.lock();
        co_await yield();
        waits_in = __LINE__ + 1;
        const mutex_lock inner = co_await second.lock();
    };
    sim_host& host = world.add_host("host");
    host.spawn(lock_both(one, other, locked, waits));
    host.spawn(lock_both(other, one, locked, waits));
    const std::string report = stuck_text(world);
    const std::string wait =
        "mutex at " + place(waits) + "; locked at " + place(locked) + ", its holder waits at " + place(waits) + "\n";
    EXPECT_NE(report.find("wait cycle:\n  host: " + wait + "  host: " + wait), report.npos) << report << wait;
}

TEST(StuckReport, FindsTheCircleOfAGroupAndTheMutexThatItsOwnerHolds) {
    mutex one;
    sim_world world;
    world.add_host("host").spawn([&]() -> task<> {
        const mutex_lock held = co_await one.lock();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { const mutex_lock never = co_await one.lock(); });
            co_return;
        });
    });
    const std::string report = stuck_text(world);
    const std::size_t cycle = report.find("wait cycle:\n");
    ASSERT_NE(cycle, report.npos) << report;
    EXPECT_NE(report.find("  host: task group at ", cycle), report.npos) << report;
    EXPECT_NE(report.find("  host: mutex at ", cycle), report.npos) << report;
}

TEST(StuckReport, FindsTheCircleThatGoesThroughAConnectionAndAMutex) {
    mutex one;
    sim_world world;
    sim_host& server = world.add_host("server", {"10.0.0.1"});
    // The client holds the mutex and waits for an answer; the handler that would give it waits for the mutex.
    server.spawn([&]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"10.0.0.1", 7});
        auto peer = co_await listener.accept();
        std::array<std::byte, 4> question;
        co_await peer.recv(question);
        const mutex_lock held = co_await one.lock();
        co_await peer.send(question);
    });
    server.spawn([&]() -> task<> {
        const mutex_lock held = co_await one.lock();
        auto stream = co_await net::tcp_stream::connect({"10.0.0.1", 7});
        co_await stream.send("?");
        std::array<std::byte, 4> answer;
        co_await stream.recv(answer);
    });
    const std::string report = stuck_text(world);
    const std::size_t cycle = report.find("wait cycle:\n");
    ASSERT_NE(cycle, report.npos) << report;
    EXPECT_NE(report.find("  server: mutex at ", cycle), report.npos) << report;
    EXPECT_NE(report.find("  server: recv at ", cycle), report.npos) << report;
}

TEST(StuckReport, SaysNothingOfAHolderThatHasHandedItsLockOn) {
    mutex one;
    std::optional<mutex_lock> kept;
    sim_world world;
    sim_host& host = world.add_host("host");
    host.spawn([&]() -> task<> { kept = co_await one.lock(); });
    host.spawn([&]() -> task<> {
        co_await yield();
        const mutex_lock never = co_await one.lock();
    });
    const std::string report = stuck_text(world);
    EXPECT_NE(report.find("mutex at "), report.npos) << report;
    EXPECT_NE(report.find("; locked at "), report.npos) << report;
    EXPECT_EQ(report.find("its holder"), report.npos) << report;
    EXPECT_EQ(report.find("wait cycle"), report.npos) << report;
}

TEST(StuckReportDeathTest, ALoopThatIsAloneInItsWorldEndsTheProgramWithIt) {
    const auto wait_alone = [] {
        event_loop loop(make_sim_backend());
        loop.run(forever());
    };
    EXPECT_DEATH(wait_alone(),
                 "nothing can happen any more\nhost host waits for:\nscope\n  event at .*stuck_report_test");
}

}  // namespace sennit::testing::stuck_report_test
