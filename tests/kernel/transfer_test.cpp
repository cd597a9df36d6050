// Many bytes through one connection, in pieces of every size, come out as they went in: also while signals interrupt
// the system calls a thousand times a second.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <sennit/task_group.hpp>
#include "kernel_test.hpp"

namespace sennit::testing::transfer_test {

class Transfer : public KernelTest {};
SENNIT_ON_KERNEL_BACKENDS(Transfer);

/// From 1 byte to 1 MiB, and as often around 10 bytes as around 100 KiB.
class piece_sizes {
  public:
    static constexpr std::size_t largest = 1 << 20;

    explicit piece_sizes(unsigned seed) : random_(seed) {}
    std::size_t next(std::uint64_t most) {
        const std::size_t upper = std::size_t{1} << random_() % 21;
        return static_cast<std::size_t>(std::min<std::uint64_t>(1 + random_() % upper, most));
    }

  private:
    std::mt19937 random_;
};

/// Sends until `done` says so of the number of bytes sent, then finishes sending. Gives the hash and the number.
template <class Done>
task<> send_pieces(net::tcp_stream& stream, Done done, running_hash& hash, std::uint64_t& sent) {
    const std::string block = noise(2 * piece_sizes::largest);
    piece_sizes sizes(1);
    while (!done(sent)) {
        const const_bytes piece(block.data() + sent % piece_sizes::largest, sizes.next(piece_sizes::largest));
        hash.add(piece.data(), piece.size());
        sent += piece.size();
        co_await stream.send(piece);
    }
    co_await stream.shutdown_send();
}

task<> receive_pieces(net::tcp_stream& stream, running_hash& hash, std::uint64_t& received) {
    std::vector<std::byte> buffer(piece_sizes::largest);
    piece_sizes sizes(2);
    for (;;) {
        const std::size_t count = co_await stream.recv(mutable_bytes(buffer).first(sizes.next(buffer.size())));
        if (count == 0) co_return;
        hash.add(buffer.data(), count);
        received += count;
    }
}

TEST_P(Transfer, BytesInPiecesOfEverySizeArriveAsTheyWereSent) {
    const std::uint64_t size = amount("SENNIT_TRANSFER_BYTES", 32 << 20);
    running_hash sent_hash;
    running_hash received_hash;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    OnBackends::run([&]() -> task<> {
        auto [sender, receiver] = co_await tcp_pair();
        const auto done = [&](std::uint64_t count) { return count >= size; };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(send_pieces(sender, done, sent_hash, sent));
            group.spawn(receive_pieces(receiver, received_hash, received));
            co_return;
        });
    });
    EXPECT_GE(sent, size);
    EXPECT_EQ(received, sent);
    EXPECT_EQ(received_hash.value(), sent_hash.value());
    record("bytes", received);
}

std::atomic<int> signals_seen = 0;

/// SIGALRM each millisecond, with a handler that does nothing and has no system call restarted.
class signal_storm {
  public:
    signal_storm() {
        signals_seen = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { signals_seen.fetch_add(1, std::memory_order_relaxed); };
        ::sigaction(SIGALRM, &action, &before_);
        const itimerval each_millisecond{{0, 1000}, {0, 1000}};
        ::setitimer(ITIMER_REAL, &each_millisecond, nullptr);
    }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;
    ~signal_storm() {
        const itimerval never{};
        ::setitimer(ITIMER_REAL, &never, nullptr);
        ::sigaction(SIGALRM, &before_, nullptr);
    }

  private:
    struct sigaction before_ {};
};

TEST_P(Transfer, AStormOfSignalsLosesNothing) {
    const std::uint64_t size = amount("SENNIT_STORM_BYTES", 16 << 20);
    constexpr int enough_signals = 200;
    running_hash sent_hash;
    running_hash received_hash;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    OnBackends::run([&]() -> task<> {
        auto [client, server] = co_await tcp_pair();
        const signal_storm storm;
        const auto done = [&](std::uint64_t count) { return count >= size && signals_seen >= enough_signals; };
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(echo(std::move(server)));
            group.spawn(send_pieces(client, done, sent_hash, sent));
            group.spawn(receive_pieces(client, received_hash, received));
            co_return;
        });
    });
    EXPECT_EQ(received, sent);
    EXPECT_EQ(received_hash.value(), sent_hash.value());
    record("bytes", received);
    record("signals", static_cast<std::uint64_t>(signals_seen));
}

}  // namespace sennit::testing::transfer_test
