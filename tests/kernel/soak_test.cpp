// Servers and clients that do a bit of everything, round after round: memory, descriptors and operations in flight are
// after the last round what they were after the first ones. SENNIT_SOAK_SECONDS says for how long.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <sennit/net/udp.hpp>
#include <sennit/task_group.hpp>
#include "kernel_test.hpp"

namespace sennit::testing::soak_test {

using namespace std::chrono_literals;

class Soak : public KernelTest {};
SENNIT_ON_KERNEL_BACKENDS(Soak);

constexpr int clients_at_once = 8;
constexpr std::uint64_t warm_up_rounds = 10;
constexpr std::uint64_t usual_rounds = 30;
// The allocator keeps pages of its own, and AddressSanitizer keeps what was freed; what leaks in each round soon comes
// to more than this.
constexpr std::uint64_t allowed_growth = sanitized ? 512 << 20 : 4 << 20;

/// Bytes of this process that are in memory: proc(5).
std::uint64_t resident_bytes() {
    std::ifstream pages("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    pages >> all >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

struct sample {
    std::uint64_t resident;
    std::size_t descriptors;
    std::size_t in_flight;

    static sample take(event_loop& loop) { return {resident_bytes(), open_descriptors(), loop.io().in_flight()}; }
    void print(const char* label, std::uint64_t rounds) const {
        std::printf("soak: %s, %llu rounds, %llu KiB, %zu descriptors, %zu in flight\n", label,
                    static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(resident / 1024),
                    descriptors, in_flight);
        std::fflush(stdout);
    }
};

task<> talk(net::endpoint where) {
    auto stream = co_await net::tcp_stream::connect(where);
    for (std::size_t size = 1; size < 100'000; size *= 7) {
        const std::string question = noise(size, static_cast<unsigned>(size));
        co_await stream.send(question);
        const std::string answer = co_await read_exactly(stream, size);
        EXPECT_TRUE(answer == question);
    }
}

task<> finish_sending_first(net::endpoint where) {
    auto stream = co_await net::tcp_stream::connect(where);
    co_await stream.send("question");
    co_await stream.shutdown_send();
    const std::string answer = co_await read_all(stream);
    EXPECT_EQ(answer, "question");
}

task<> give_up(net::endpoint where) {
    auto stream = co_await net::tcp_stream::connect(where);
    std::string buffer(16, '\0');
    const auto nothing = co_await move_on_after(1ms, stream.recv(buffer));
    EXPECT_FALSE(nothing.has_value());
    const auto no_lease = co_await move_on_after(0ms, stream.recv_lease());
    EXPECT_FALSE(no_lease.has_value());
    co_await stream.send("still there");
    const std::string answer = co_await read_exactly(stream, 11);
    EXPECT_EQ(answer, "still there");
}

task<> hang_up(net::endpoint where) {
    auto stream = co_await net::tcp_stream::connect(where);
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> { static_cast<void>(co_await read_all(stream)); });
        co_await settle(1);
        group.cancel();
    });
    co_await stream.send("nobody waits for the answer");
}

task<> exchange_datagrams() {
    auto one = co_await net::udp_socket::bind({"127.0.0.1", 0});
    auto other = co_await net::udp_socket::bind({"127.0.0.1", 0});
    std::string buffer(64, '\0');
    for (int i = 0; i != 4; ++i) {
        co_await one.send_to("datagram", other.local_endpoint());
        const auto received = co_await other.recv_from(buffer);
        EXPECT_EQ(received.size, 8U);
    }
}

task<> serve_until_hang_up(net::tcp_stream peer) {
    const auto outcome = co_await as_result(echo(std::move(peer)));
    static_cast<void>(outcome);  // the peer may have hung up with an answer on its way
}

task<> round_of_everything() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    const net::endpoint where = listener.local_endpoint();
    co_await with_task_group([&](task_group& server) -> task<> {
        server.spawn([&]() -> task<> {
            for (;;) {
                auto peer = co_await listener.accept();
                server.spawn(serve_until_hang_up(std::move(peer)));
            }
        });
        co_await with_task_group([&](task_group& clients) -> task<> {
            for (int i = 0; i != clients_at_once; ++i) {
                clients.spawn(talk(where));
                clients.spawn(finish_sending_first(where));
                clients.spawn(give_up(where));
                clients.spawn(hang_up(where));
                clients.spawn(exchange_datagrams());
            }
            co_return;
        });
        server.cancel();
    });
}

TEST_P(Soak, EverythingReturnsToTheBaseline) {
    const char* const seconds = std::getenv("SENNIT_SOAK_SECONDS");
    const time_point start = loop().now();
    const time_point end = seconds == nullptr ? start : start + std::chrono::seconds(std::stoull(seconds));
    const auto one_round = [&] {
        run([]() -> task<> {
            co_await round_of_everything();
            co_await settle();
        });
    };
    std::uint64_t rounds = 0;
    for (; rounds != warm_up_rounds; ++rounds) one_round();
    const sample before = sample::take(loop());
    before.print("warm", rounds);
    time_point next_report = loop().now() + 10s;
    while (!HasFailure() && (rounds < usual_rounds || loop().now() < end)) {
        one_round();
        ++rounds;
        if (loop().now() < next_report) continue;
        next_report += 10s;
        sample::take(loop()).print(GetParam().label(), rounds);
    }
    const sample after = sample::take(loop());
    after.print("end", rounds);
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(after.in_flight, before.in_flight);
    EXPECT_LE(after.resident, before.resident + allowed_growth);
    record("rounds", rounds);
    // Four of the five kinds of work, for each client.
    record("connections", rounds * clients_at_once * 4);
}

}  // namespace sennit::testing::soak_test
