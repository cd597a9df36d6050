// The clock in the hands of a test, over each backend: it moves when everything is at rest, and never before.

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/blocking.hpp>
#include <sennit/event.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/testing/test_clock.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>

namespace sennit::testing::test_clock_test {

using namespace std::chrono_literals;
using pace = test_clock::pace;

class TestClock : public ::testing::TestWithParam<test_backend> {
  protected:
    void SetUp() override {
        try {
            GetParam().make({});
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
    }

    /// Runs `body(clock)` on a loop that has the clock. Nothing of it may be left.
    template <class Body>
    void with_clock(test_clock& clock, Body body) {
        event_loop loop(clock.on(GetParam().make({})));
        loop.run(body(clock));
        EXPECT_EQ(loop.describe(), "") << "something still waits";
    }
};

SENNIT_ON_ALL_BACKENDS(TestClock);

struct connection {
    net::tcp_stream client;
    net::tcp_stream server;
};

task<connection> connected() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    auto [client, server] = co_await when_all(net::tcp_stream::connect(listener.local_endpoint()), listener.accept());
    co_return connection{std::move(client), std::move(server)};
}

task<> echo(net::tcp_stream& peer) {
    std::array<std::byte, 64> buffer;
    while (const auto n = co_await peer.recv(buffer)) co_await peer.send(const_bytes(buffer).first(n));
}

task<> ask(net::tcp_stream& server, int questions) {
    std::array<std::byte, 64> buffer{};
    for (int i = 0; i != questions; ++i) {
        co_await with_timeout(1s, server.send(const_bytes(buffer)));
        co_await with_timeout(1s, server.recv_exactly(buffer));
    }
    co_await server.shutdown_send();
}

task<> sleep_a_day(test_clock& clock) {
    const time_point start = clock.now();
    co_await sleep_for(23h);
    co_await sleep_for(1h);
    CO_EXPECT_EQ(clock.now() - start, 24h);
}

TEST_P(TestClock, JumpsToTheNextTimer) {
    test_clock clock;
    with_clock(clock, sleep_a_day);
}

task<> talk_under_timeouts(test_clock& clock) {
    auto both = co_await connected();
    const time_point start = clock.now();
    co_await when_all(echo(both.server), ask(both.client, 200));
    CO_EXPECT_EQ(clock.now(), start) << "there was always something to do";
}

TEST_P(TestClock, DoesNotMoveWhileBytesAreOnTheirWay) {
    test_clock clock;
    with_clock(clock, talk_under_timeouts);
}

task<> hear_nothing(test_clock& clock) {
    auto both = co_await connected();
    const time_point start = clock.now();
    std::array<std::byte, 64> buffer{};
    CO_EXPECT_ERROR(std::errc::timed_out, with_timeout(5s, both.client.recv(buffer)));
    CO_EXPECT_EQ(clock.now() - start, 5s);
    co_await both.server.send(const_bytes(buffer));
    CO_EXPECT_EQ(co_await both.client.recv(buffer), buffer.size());
}

TEST_P(TestClock, EndsAReceiveAtItsTimeout) {
    test_clock clock;
    with_clock(clock, hear_nothing);
}

task<> wait_for_a_thread(test_clock& clock) {
    const time_point start = clock.now();
    auto takes_real_time = [] { return ::poll(nullptr, 0, 20); };
    CO_EXPECT_EQ(co_await with_timeout(1ms, run_blocking(std::move(takes_real_time))), 0);
    CO_EXPECT_EQ(clock.now(), start);
}

TEST_P(TestClock, DoesNotMoveWhileACallBlocks) {
    test_clock clock(pace::jumps, 0s);
    with_clock(clock, wait_for_a_thread);
}

task<> note_at(duration when, std::vector<duration>& times, test_clock& clock) {
    const time_point start = clock.now();
    co_await sleep_for(when);
    times.push_back(clock.now() - start);
}

task<> advance_past_timers(test_clock& clock) {
    const time_point start = clock.now();
    std::vector<duration> times;
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(note_at(3s, times, clock));
        group.spawn(note_at(1s, times, clock));
        group.spawn(note_at(5s, times, clock));
        co_await clock.advance(999ms);
        CO_EXPECT_EQ(times, std::vector<duration>());
        co_await clock.advance(2001ms);
        CO_EXPECT_EQ(times, (std::vector<duration>{1s, 3s}));
        CO_EXPECT_EQ(clock.now() - start, 3s);
        co_await clock.advance(1h);
        CO_EXPECT_EQ(times, (std::vector<duration>{1s, 3s, 5s}));
    });
    CO_EXPECT_EQ(clock.now() - start, 3s + 1h);
}

TEST_P(TestClock, GoesFromTimerToTimerWhenItIsAdvanced) {
    test_clock clock(pace::stands);
    with_clock(clock, advance_past_timers);
}

task<> send_after(duration delay, net::tcp_stream& peer) {
    co_await sleep_for(delay);
    std::array<std::byte, 64> greeting{};
    co_await peer.send(const_bytes(greeting));
}

task<> receive_in(net::tcp_stream& peer, std::size_t& received) {
    std::array<std::byte, 64> buffer;
    received = co_await peer.recv(buffer);
}

task<> advance_to_a_message(test_clock& clock) {
    auto both = co_await connected();
    std::size_t received = 0;
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(send_after(10s, both.server));
        group.spawn(receive_in(both.client, received));
        co_await clock.advance(9s);
        CO_EXPECT_EQ(received, 0U);
        co_await clock.advance(1s);
        CO_EXPECT_EQ(received, 64U) << "what was sent in this moment has not arrived";
    });
}

TEST_P(TestClock, LetsEverythingHappenThatHappensInThatTime) {
    test_clock clock(pace::stands);
    with_clock(clock, advance_to_a_message);
}

task<> give_up_advancing(test_clock& clock) {
    const time_point start = clock.now();
    CO_EXPECT_ERROR(std::errc::timed_out, with_timeout(2s, clock.advance(10s)));
    CO_EXPECT_EQ(clock.now() - start, 2s);
    co_await clock.advance(1s);
    CO_EXPECT_EQ(clock.now() - start, 3s);
}

TEST_P(TestClock, StaysWhereACancelledAdvanceHasCome) {
    test_clock clock(pace::stands);
    with_clock(clock, give_up_advancing);
}

task<> advance_twice_at_once(test_clock& clock) {
    co_await when_all(clock.advance(1s), clock.advance(2s));
}

TEST_P(TestClock, IsAdvancedByOneAtATime) {
    test_clock clock(pace::stands);
    EXPECT_THROW(with_clock(clock, advance_twice_at_once), std::logic_error);
}

TEST_P(TestClock, DoesNotGoBack) {
    test_clock clock;
    EXPECT_THROW(with_clock(clock, [](test_clock& held) { return held.advance(-1ns); }), std::invalid_argument);
}

TEST_P(TestClock, IsTheClockOfOneLoop) {
    test_clock clock;
    with_clock(clock, sleep_a_day);
    EXPECT_THROW(with_clock(clock, sleep_a_day), std::logic_error);
}

}  // namespace sennit::testing::test_clock_test
