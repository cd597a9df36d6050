// The loop inside the poll(2) loop of a host. Its one hard idea: the host sleeps in the kernel and not in the backend,
// so whatever can end a wait of the backend must make its descriptor readable.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/net/datagram_batch.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/poll.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>

namespace sennit::testing::host_loop_test {

using namespace std::chrono_literals;

class HostLoop : public OnKernelBackends {
  protected:
    HostLoop() : OnKernelBackends("a host loop cannot sleep in a simulated world") {}
    event_loop_options loop_options() const override {
        event_loop_options options;
        options.hosted = true;
        return options;
    }
};
SENNIT_ON_ALL_BACKENDS(HostLoop);

class pipe_pair {
  public:
    pipe_pair() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
    pipe_pair(const pipe_pair&) = delete;
    pipe_pair& operator=(const pipe_pair&) = delete;
    ~pipe_pair() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    int reader() const { return ends_[0]; }
    void write() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
    void read() const {
        char byte;
        EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
    }

  private:
    int ends_[2];
};

/// What a program with a loop of its own does: it sleeps in poll(2) and runs ours when ours has something to do.
/// False when poll(2) was never told although `done` is not set.
bool host_loop(event_loop& loop, const bool& done) {
    constexpr auto patience = 5'000ms;
    while (!done) {
        loop.run_once();
        if (done) break;
        auto timeout = patience;
        if (const time_point next = loop.next_deadline(); next == time_point::min()) {
            timeout = 0ms;
        } else if (next != no_deadline) {
            timeout = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(next - loop.now()), 0ms, patience);
        }
        pollfd ours{loop.poll_descriptor(), POLLIN, 0};
        const time_point start = loop.now();
        ::poll(&ours, 1, static_cast<int>(timeout.count()));
        // What poll(2) returns says nothing: it looks again when its time is over.
        if (timeout == patience && loop.now() - start >= patience) return false;
    }
    return true;
}

TEST_P(HostLoop, TimersComeDue) {
    bool done = false;
    int naps = 0;
    loop().root().spawn([&]() -> task<> {
        for (; naps != 5; ++naps) co_await sleep_for(1ms);
        done = true;
    });
    EXPECT_TRUE(host_loop(loop(), done));
    EXPECT_EQ(naps, 5);
}

TEST_P(HostLoop, DescriptorsBecomeReady) {
    const pipe_pair there;
    const pipe_pair back;
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        for (int i = 0; i != 20; ++i) {
            static_cast<void>(co_await wait_readable(there.reader()));
            there.read();
            back.write();
        }
        done = true;
    });
    std::thread peer([&] {
        for (int i = 0; i != 20; ++i) {
            there.write();
            back.read();  // so that each byte finds the host in poll(2)
        }
    });
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);  // the thread ends in any case
    peer.join();
}

TEST_P(HostLoop, ThreadsCanPost) {
    bool done = false;
    int posted = 0;
    const pipe_pair back;
    std::thread peer([&] {
        for (int i = 0; i != 20; ++i) {
            loop().post([&] {
                ++posted;
                back.write();
            });
            back.read();
        }
        loop().post([&] { done = true; });
    });
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);  // the thread ends in any case
    peer.join();
    EXPECT_EQ(posted, 20);
}

TEST_P(HostLoop, WhatTheHostCancelsEnds) {
    const pipe_pair silent;
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        try {
            static_cast<void>(co_await wait_readable(silent.reader()));
        } catch (const cancelled&) {
            done = true;
            throw;
        }
    });
    loop().run_once();
    loop().root().cancel();
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);
}

TEST_P(HostLoop, EventCountersWakeItEachTime) {
    // As `post` does it inside, here on a descriptor of the program's own.
    const int counter = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT_GE(counter, 0);
    const pipe_pair back;
    bool done = false;
    loop().root().spawn([&]() -> task<> {
        for (int i = 0; i != 20; ++i) {
            static_cast<void>(co_await wait_readable(counter));
            eventfd_t count;
            EXPECT_EQ(::eventfd_read(counter, &count), 0);
            back.write();
        }
        done = true;
    });
    std::thread peer([&] {
        for (int i = 0; i != 20; ++i) {
            ::eventfd_write(counter, 1);
            back.read();
        }
    });
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);  // the thread ends in any case
    peer.join();
    ::close(counter);
}

TEST_P(HostLoop, TheRestOfABatchIsSent) {
    bool done = false;
    std::size_t sent = 0;
    loop().root().spawn([&]() -> task<> {
        auto receiver = co_await net::udp_socket::bind({"127.0.0.1", 0});
        auto sender = co_await net::udp_socket::bind({"127.0.0.1", 0});
        net::datagram_batch batch(4, 65535);
        const std::string too_long(65535, 'x');
        for (int i = 0; i != 3; ++i) batch.push_back(too_long, receiver.local_endpoint());
        batch.push_back("short", receiver.local_endpoint());
        sent = co_await sender.send_batch(batch);
        done = true;
    });
    EXPECT_TRUE(host_loop(loop(), done));
    EXPECT_EQ(sent, 1u);
}

TEST_P(HostLoop, TheRestOfALargeTransferIsSent) {
    constexpr std::size_t size = 8'000'000;
    bool done = false;
    std::thread peer;
    loop().root().spawn([&]() -> task<> {
        auto pair = co_await net::unix_stream::pair();
        // Not of this loop: nothing but the rest of the transfer may wake the host.
        peer = std::thread([fd = pair.second.native_handle()] {
            std::vector<char> buffer(65536);
            for (std::size_t received = 0; received < size;) {
                pollfd wanted{fd, POLLIN, 0};
                ASSERT_EQ(::poll(&wanted, 1, -1), 1);
                const auto count = ::read(fd, buffer.data(), buffer.size());
                ASSERT_GT(count, 0);
                received += static_cast<std::size_t>(count);
            }
        });
        const std::vector<std::byte> bytes(size);
        co_await pair.first.send(bytes);
        peer.join();
        done = true;
    });
    EXPECT_TRUE(host_loop(loop(), done));
    while (!done) loop().run_once(no_deadline);  // the thread ends in any case
}

TEST_P(HostLoop, TheOptionIsAskedForWhenItIsMissing) {
    event_loop own(event_loop_options{GetParam()});
    EXPECT_THROW(static_cast<void>(own.poll_descriptor()), std::logic_error);
}

}  // namespace sennit::testing::host_loop_test
