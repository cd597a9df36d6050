// What `wait` and `wake` promise, and poll requests on descriptors of any kind.

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>

#include "backend_fixture.hpp"

namespace sennit::testing::backend_wait_test {

using namespace std::chrono_literals;

class BackendWait : public BackendFixture {
  protected:
    static raw_fd event_counter() { return raw_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
    static void count(const raw_fd& fd) { ASSERT_EQ(::eventfd_write(fd.get(), 1), 0); }
    recorded polling(int fd, std::uint32_t events) { return recorded(*io, poll_request{fd, events}); }
};
SENNIT_ON_EACH_BACKEND(BackendWait);

class HostedBackend : public BackendFixture {
    bool hosted() const override { return true; }
};
SENNIT_ON_EACH_BACKEND(HostedBackend);

TEST_P(BackendWait, PastDeadlineMeansLookDoNotSleep) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(8, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    io->wait(time_point::min());
    io->wait(io->now() - 1s);
    io->wait(io->now());
    EXPECT_FALSE(one.over());
    cancel(one);
}

TEST_P(BackendWait, SleepsUntilTheDeadlineAndNotInALoop) {
    for (const duration length : {duration(1ns), duration(1us), duration(300us), duration(1500us), duration(20ms)}) {
        const time_point deadline = io->now() + length;
        int waits = 0;
        do {
            io->wait(deadline);
            ++waits;
        } while (io->now() < deadline);
        EXPECT_GE(io->now(), deadline);
        EXPECT_LE(waits, 20) << "a wait that ends too early, again and again";
    }
}

TEST_P(BackendWait, FarDeadlinesEndSleepsWhateverOtherWasSleptFor) {
    // First nearer and farther ones than the one before, then one that nobody sleeps for any more when its time comes.
    io->wake();
    io->wait(io->now() + 1h);
    for (const duration length : {duration(60ms), duration(90ms), duration(51ms), duration(2ms), duration(70ms)}) {
        const time_point deadline = io->now() + length;
        int waits = 0;
        for (; io->now() < deadline; ++waits) io->wait(deadline);
        EXPECT_LE(waits, 20) << "a wait that ends too early, again and again";
    }
    const time_point nearer = io->now() + 60ms;
    io->wake();
    io->wait(nearer);
    int waits = 0;
    for (const time_point deadline = nearer + 60ms; io->now() < deadline; ++waits) io->wait(deadline);
    EXPECT_LE(waits, 20);
}

TEST_P(BackendWait, SaysWhenTheDeadlineMayHavePassed) {
    for (const duration length : {duration(300us), duration(60ms), duration(90ms)}) {
        const time_point deadline = io->now() + length;
        int waits = 0;
        for (bool may_have_passed = false; !may_have_passed || io->now() < deadline; ++waits) {
            may_have_passed = io->wait(deadline);
            ASSERT_LE(waits, 1000) << "nobody says that the deadline has passed";
        }
        EXPECT_LE(waits, 20) << "a wait that ends too early, again and again";
    }
    EXPECT_TRUE(io->wait(time_point::min()));
    io->wake();
    EXPECT_FALSE(io->wait(no_deadline));
}

TEST_P(BackendWait, NoConversationHidesThatTheDeadlineHasPassed) {
    // Something to do in each turn, so that the kernel need not be looked at for more, and much to compute.
    const auto compute = [this] {
        for (const time_point end = io->now() + 1ms; io->now() < end;) {
        }
    };
    const auto [fd, peer] = connected_pair();
    const time_point deadline = io->now() + 60ms;
    io->wake();
    io->wait(deadline);  // from here on there is something that ends sleeps then
    int waits_since_then = 0;
    for (bool may_have_passed = false; !may_have_passed || io->now() < deadline;) {
        write_all(peer, "1");
        std::string buffer(8, '?');
        recorded one = recv(fd, buffer);
        one.submit();
        compute();
        while (!one.over()) {
            if (io->now() >= deadline) ++waits_since_then;
            may_have_passed = io->wait(deadline);
        }
        ASSERT_LE(waits_since_then, 100);
    }
    EXPECT_LE(waits_since_then, 3);
}

TEST_P(BackendWait, CompletionEndsASleepWithDeadline) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(8, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    look();
    write_all(peer, "1");
    const time_point far = io->now() + std::chrono::hours(24 * 365 * 200);
    while (!one.over()) io->wait(far);
    EXPECT_EQ(one.result(), 1);
}

TEST_P(BackendWait, RoomThatNobodyWaitsForDoesNotEndSleeps) {
    // A Unix socket reports room in its buffer after each message that the peer reads.
    const auto [fd, peer] = connected_pair();
    const std::string bytes(std::size_t{1} << 20, 'x');
    recorded one = send(fd, bytes);
    ASSERT_GT(result_of(one), 0);
    one.submit();
    look();
    EXPECT_FALSE(one.over());
    read_now(peer);
    ASSERT_TRUE(wait_for(one));
    read_now(peer);
    look();
    int waits = 0;
    recorded small = send(fd, "x");
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(result_of(small), 1);
        ASSERT_EQ(read_now(peer), "x");
        const time_point deadline = io->now() + 500us;
        for (; io->now() < deadline; ++waits) io->wait(deadline);
    }
    EXPECT_LE(waits, 75);
}

TEST_P(BackendWait, WakeFromAnotherThreadEndsASleep) {
    for (int round = 0; round < 200; ++round) {
        std::atomic<bool> woken = false;
        std::thread other([&] {
            woken = true;
            io->wake();
        });
        while (!woken) io->wait(no_deadline);
        other.join();
        look();
    }
}

TEST_P(BackendWait, WakeBeforeTheWaitIsNotLost) {
    io->wake();
    io->wait(no_deadline);
    // Many of them amount to one at least, and leave nothing behind that keeps later waits from sleeping.
    for (int i = 0; i < 1000; ++i) io->wake();
    io->wait(no_deadline);
    look();
    int waits = 0;
    const time_point deadline = io->now() + 5ms;
    for (; io->now() < deadline; ++waits) io->wait(deadline);
    EXPECT_LE(waits, 20);
}

backend* woken_by_signal = nullptr;

TEST_P(BackendWait, WakeWorksInASignalHandler) {
    woken_by_signal = io;
    struct sigaction action {};
    action.sa_handler = [](int) { woken_by_signal->wake(); };
    struct sigaction before;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    for (int i = 0; i < 100; ++i) {
        errno = 0;
        ::raise(SIGUSR1);
        EXPECT_EQ(errno, 0);
        io->wait(no_deadline);
    }
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_P(BackendWait, SignalStormLosesNothing) {
    const auto [fd, peer] = connected_pair();
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction before;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    std::atomic<bool> stop = false;
    const pthread_t target = ::pthread_self();
    std::thread storm([&] {
        while (!stop) ::pthread_kill(target, SIGUSR1);
    });
    std::string all;
    for (int i = 0; i < 1000; ++i) {
        std::string buffer(8, '?');
        recorded one = recv(fd, buffer);
        one.submit();
        io->wait(io->now() + 100us);
        while (::send(peer.get(), "x", 1, MSG_NOSIGNAL) < 0 && errno == EINTR) {
        }
        if (!wait_for(one)) break;
        all += buffer.substr(0, static_cast<std::size_t>(std::max(one.result(), 0)));
    }
    stop = true;
    storm.join();
    ::sigaction(SIGUSR1, &before, nullptr);
    EXPECT_EQ(all, std::string(1000, 'x'));
}

TEST_P(HostedBackend, PollDescriptorTellsAHostLoop) {
    pollfd host{io->poll_descriptor(), POLLIN, 0};
    ASSERT_GE(host.fd, 0);
    const auto [fd, peer] = connected_pair();
    std::string buffer(8, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    look();
    EXPECT_EQ(::poll(&host, 1, 0), 0);
    write_all(peer, "1");
    while (!one.over()) {
        ASSERT_EQ(::poll(&host, 1, 20'000), 1);
        io->wait(time_point::min());
    }
    look();
    EXPECT_EQ(::poll(&host, 1, 0), 0);
    io->wake();
    EXPECT_EQ(::poll(&host, 1, 20'000), 1);
    look();
    EXPECT_EQ(::poll(&host, 1, 0), 0);
}

TEST_P(BackendWait, PollWaitsForAnEventCounter) {
    const raw_fd counter = event_counter();
    recorded one = polling(counter.get(), POLLIN);
    one.submit();
    look();
    EXPECT_FALSE(one.over());
    count(counter);
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), POLLIN);
}

TEST_P(BackendWait, PollReportsWhatIsThereEachTimeItIsAsked) {
    const raw_fd counter = event_counter();
    count(counter);
    recorded one = polling(counter.get(), POLLIN | POLLOUT);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(result_of(one), POLLIN | POLLOUT);
}

TEST_P(BackendWait, PollSeesBothEndsOfAPipe) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    raw_fd reading(ends[0]), writing(ends[1]);
    recorded writable = polling(writing.get(), POLLOUT);
    EXPECT_EQ(result_of(writable), POLLOUT);
    recorded readable = polling(reading.get(), POLLIN);
    readable.submit();
    look();
    EXPECT_FALSE(readable.over());
    writing.close();
    ASSERT_TRUE(wait_for(readable));
    EXPECT_EQ(readable.result(), POLLHUP);
}

TEST_P(BackendWait, PollWaitsForRoomInAPipe) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
    const raw_fd reading(ends[0]), writing(ends[1]);
    const std::string bytes(4096, 'x');
    while (::write(writing.get(), bytes.data(), bytes.size()) > 0) {
    }
    recorded writable = polling(writing.get(), POLLOUT);
    writable.submit();
    look();
    EXPECT_FALSE(writable.over());
    std::string drained(65536, '?');
    ASSERT_GT(::read(reading.get(), drained.data(), drained.size()), 0);
    ASSERT_TRUE(wait_for(writable));
    EXPECT_EQ(writable.result(), POLLOUT);
}

TEST_P(BackendWait, RegularFileIsAlwaysReady) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
    ASSERT_NE(file, nullptr);
    recorded one = polling(::fileno(file.get()), POLLIN | POLLOUT);
    EXPECT_EQ(result_of(one), POLLIN | POLLOUT);
}

TEST_P(BackendWait, PollOnABadDescriptorIsAnError) {
    recorded one = polling(1 << 30, POLLIN);
    EXPECT_EQ(result_of(one), -EBADF);
}

TEST_P(BackendWait, PollGoesAlongsideRecv) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(8, '?');
    recorded reader = recv(fd, buffer);
    recorded first = polling(fd, POLLIN), second = polling(fd, POLLIN | POLLRDHUP), other = polling(fd, POLLPRI);
    reader.submit();
    first.submit();
    second.submit();
    other.submit();
    look();
    EXPECT_FALSE(first.over());
    write_all(peer, "data");
    ASSERT_TRUE(wait_for(first));
    ASSERT_TRUE(wait_for(second));
    ASSERT_TRUE(wait_for(reader));
    EXPECT_EQ(first.result(), POLLIN);
    EXPECT_EQ(second.result(), POLLIN);
    EXPECT_EQ(reader.result(), 4);
    EXPECT_FALSE(other.over());
    cancel(other);
    EXPECT_EQ(other.result(), -ECANCELED);
    write_all(peer, "more");
    EXPECT_EQ(received(fd), "more");
}

TEST_P(BackendWait, PollsForDifferentEventsOnOneDescriptorAreIndependent) {
    // A socket that someone else opened, so that its registration must outlive the first of the two polls.
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    const raw_fd near(pair[0]), peer(pair[1]);
    const std::string bytes(65536, 'x');
    while (::send(near.get(), bytes.data(), bytes.size(), 0) > 0) {
    }
    recorded writable = polling(near.get(), POLLOUT), readable = polling(near.get(), POLLIN);
    writable.submit();
    readable.submit();
    look();
    EXPECT_FALSE(writable.over());
    EXPECT_FALSE(readable.over());
    write_all(peer, "1");
    ASSERT_TRUE(wait_for(readable));
    look();
    EXPECT_FALSE(writable.over());
    read_now(peer);
    ASSERT_TRUE(wait_for(writable));
    EXPECT_EQ(writable.result() & POLLOUT, POLLOUT);
}

TEST_P(BackendWait, PolledDescriptorMayBeClosedAndReplaced) {
    for (const bool cancelled : {false, true}) {
        raw_fd counter = event_counter();
        const int number = counter.get();
        recorded one = polling(number, POLLIN);
        one.submit();
        look();
        if (cancelled) {
            cancel(one);
        } else {
            count(counter);
            ASSERT_TRUE(wait_for(one));
        }
        counter.close();
        const raw_fd other = event_counter();
        ASSERT_EQ(other.get(), number);
        one.submit();
        look();
        EXPECT_FALSE(one.over());
        count(other);
        ASSERT_TRUE(wait_for(one));
        EXPECT_EQ(one.result(), POLLIN);
    }
}

TEST_P(BackendWait, PolledDescriptorMayBeReplacedByASocket) {
    for (const bool foreign : {false, true}) {
        raw_fd counter = event_counter();
        const int number = counter.get();
        recorded one = polling(number, POLLIN | POLLPRI | POLLRDHUP);
        one.submit();
        look();
        count(counter);
        ASSERT_TRUE(wait_for(one));
        counter.close();
        const auto [fd, peer] = foreign ? foreign_pair() : connected_pair();
        ASSERT_EQ(fd, number);
        std::string buffer(8, '?');
        recorded reader = recv(fd, buffer);
        reader.submit();
        look();
        EXPECT_FALSE(reader.over());
        write_all(peer, "1");
        ASSERT_TRUE(wait_for(reader));
        EXPECT_EQ(reader.result(), 1);
        close(fd);
    }
}

TEST_P(BackendWait, SocketThatWasGivenAwayMayBeReplacedByAPolledDescriptor) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(8, '?');
    recorded reader = recv(fd, buffer);
    reader.submit();
    look();
    cancel(reader);
    ::close(release(fd));
    const raw_fd counter = event_counter();
    ASSERT_EQ(counter.get(), fd);
    recorded one = polling(fd, POLLIN);
    one.submit();
    look();
    EXPECT_FALSE(one.over());
    count(counter);
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), POLLIN);
}

}  // namespace sennit::testing::backend_wait_test
