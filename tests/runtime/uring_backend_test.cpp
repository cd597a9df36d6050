// What only the io_uring backend can get wrong: full queues, batches, cancellations that have completions of their
// own. Everything runs on each rung of the ladder of set-up flags. What all backends promise is in backend_test.cpp.

#include <sys/syscall.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "support/deny_syscalls.hpp"
#include "uring_fixture.hpp"

namespace sennit::testing::uring_backend_test {

using namespace std::chrono_literals;

class UringBackend : public UringFixture {};
SENNIT_ON_EACH_RUNG(UringBackend);

TEST_P(UringBackend, SaysWhichRungItStandsOn) {
    const char* const name = GetParam() == rung::defer  ? "DEFER_TASKRUN"
                             : GetParam() == rung::coop ? "COOP_TASKRUN"
                                                        : "no TASKRUN flags";
    EXPECT_TRUE(reason().starts_with("io_uring: kernel ")) << reason();
    EXPECT_TRUE(reason().ends_with(name)) << reason();
}

TEST_P(UringBackend, OverflownCompletionQueueLosesNothing) {
    make_tiny();
    for (int round = 0; round < 3; ++round) {
        const int counter = event_counter();
        std::deque<recorded> polls;
        for (int i = 0; i < 100; ++i) polls.emplace_back(polling(counter)).submit();
        look();
        ::eventfd_write(counter, 1);
        ASSERT_TRUE(wait_for_all(polls));
        for (const recorded& one : polls) {
            EXPECT_EQ(one.completions.size(), 1u);
            EXPECT_EQ(one.result(), POLLIN);
        }
    }
}

TEST_P(UringBackend, WakeSurvivesAnOverflow) {
    make_tiny();
    const int counter = event_counter();
    for (int round = 0; round < 20; ++round) {
        std::deque<recorded> polls;
        for (int i = 0; i < 20; ++i) polls.emplace_back(polling(counter)).submit();
        look();
        ::eventfd_write(counter, 1);
        for (int i = 0; i < 20; ++i) io->wake();
        ASSERT_TRUE(wait_for_all(polls));
        eventfd_t drained;
        ::eventfd_read(counter, &drained);
        for (int i = 0; i < 10; ++i) look();
        io->wake();
        io->wait(no_deadline);
        look();
        int waits = 0;
        const time_point deadline = io->now() + 1ms;
        for (; io->now() < deadline; ++waits) io->wait(deadline);
        EXPECT_LE(waits, 20) << "it does not sleep any more";
    }
}

TEST_P(UringBackend, FullSubmissionQueueKeepsTheOrder) {
    for (const std::size_t count : {9u, 80u, 200u}) {
        make(with_queues(GetParam(), 8));
        const auto [near, far] = socket_pair();
        const std::string text = letters(count);
        std::deque<recorded> sends;
        for (const char& byte : text) sends.emplace_back(sending(near, byte)).submit();
        EXPECT_EQ(io->in_flight(), count);
        look();
        EXPECT_EQ(read_now(far), text) << "one wait hands over everything";
        ASSERT_TRUE(wait_for_all(sends));
        for (const recorded& one : sends) EXPECT_EQ(one.result(), 1);
    }
}

TEST_P(UringBackend, WhatIsSubmittedFromACompletionKeepsTheOrderToo) {
    make(with_queues(GetParam(), 8));
    const auto [near, far] = socket_pair();
    const std::string text = letters(100);
    std::deque<recorded> sends;
    const int counter = event_counter();
    recorded start = polling(counter);
    start.then = [&, fd = near](completion) {
        for (const char& byte : text) sends.emplace_back(sending(fd, byte)).submit();
    };
    start.submit();
    ::eventfd_write(counter, 1);
    ASSERT_TRUE(wait_for(start));
    ASSERT_TRUE(wait_for_all(sends));
    EXPECT_EQ(read_now(far), text);
}

TEST_P(UringBackend, CancelledBeforeTheKernelKnewOfItNeverHappens) {
    make(with_queues(GetParam(), 8));
    const auto [near, far] = socket_pair();
    const std::string text = letters(26);
    std::deque<recorded> sends;
    for (const char& byte : text) sends.emplace_back(sending(near, byte)).submit();
    for (std::size_t i = 20; i < 26; ++i) sends[i].cancel();
    EXPECT_FALSE(sends[20].over()) << "it completes from wait";
    ASSERT_TRUE(wait_for_all(sends));
    EXPECT_EQ(read_now(far), text.substr(0, 20));
    for (std::size_t i = 20; i < 26; ++i) EXPECT_EQ(sends[i].result(), -ECANCELED);
}

TEST_P(UringBackend, CancellationsMayOverfillTheQueueToo) {
    make_tiny();
    const int counter = event_counter();
    std::deque<recorded> polls;
    for (int i = 0; i < 50; ++i) polls.emplace_back(polling(counter)).submit();
    look();
    for (recorded& one : polls) {
        one.cancel();
        one.cancel();
    }
    ASSERT_TRUE(wait_for_all(polls));
    for (const recorded& one : polls) {
        EXPECT_EQ(one.completions.size(), 1u);
        EXPECT_EQ(one.result(), -ECANCELED);
    }
}

TEST_P(UringBackend, OperationMayEndWhileItsCancellationIsStillQueued) {
    make(with_queues(GetParam(), 2, 64));
    const int counter = event_counter(), quiet = event_counter();
    for (int round = 0; round < 50; ++round) {
        recorded first = polling(counter), second = polling(counter);
        std::deque<recorded> others;
        const auto cancel_other = [&](recorded& other) {
            return [&](completion) {
                for (int i = 0; i < 6; ++i) others.emplace_back(polling(quiet)).submit();
                other.cancel();
            };
        };
        first.then = cancel_other(second);
        second.then = cancel_other(first);
        first.submit();
        second.submit();
        look();
        ::eventfd_write(counter, 1);
        ASSERT_TRUE(wait_for(first) && wait_for(second));
        for (const recorded* one : {&first, &second}) {
            EXPECT_EQ(one->completions.size(), 1u);
            EXPECT_TRUE(one->result() == POLLIN || one->result() == -ECANCELED) << one->result();
        }
        for (recorded& one : others) one.cancel();
        ASSERT_TRUE(wait_for_all(others));
        eventfd_t drained;
        ::eventfd_read(counter, &drained);
    }
}

TEST_P(UringBackend, ResultGoesBeforeACancellationOfTheSameBatch) {
    const auto [near, far] = socket_pair();
    char got = 0;
    for (int round = 0; round < 100; ++round) {
        ASSERT_EQ(::send(far, "x", 1, 0), 1);
        recorded one(*io, recv_request{near, &got, 1, 0});
        one.submit();
        one.cancel();
        ASSERT_TRUE(wait_for(one));
        EXPECT_EQ(one.completions.size(), 1u);
        EXPECT_EQ(one.result(), 1);
        EXPECT_EQ(io->in_flight(), 0u);
    }
}

TEST_P(UringBackend, OperationStaysAloneUntilItsCancellationIsOverToo) {
    const auto [near, far] = socket_pair();
    char got = 0;
    // The memory is used again at once: a late completion for the old operation would hit the new one.
    recorded one(*io, recv_request{near, &got, 1, 0});
    for (int round = 0; round < 1000; ++round) {
        one.submit();
        if (round % 3 == 0) look();
        const bool sent = round % 2 == 0 && ::send(far, "x", 1, 0) == 1;
        one.cancel();
        ASSERT_TRUE(wait_for(one));
        ASSERT_TRUE(one.result() == 1 || one.result() == -ECANCELED) << one.result();
        const std::string rest = read_now(near);
        EXPECT_EQ((one.result() == 1 ? 1u : 0u) + (rest == "x" ? 1u : 0u), sent ? 1u : 0u);
    }
    EXPECT_EQ(one.completions.size(), 1000u);
}

TEST_P(UringBackend, MultishotAcceptGoesOnAcrossOverflows) {
    make_tiny();
    const int listener = io->open_socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(io->bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(io->listen(listener, 1024), 0);
    std::uint32_t length = sizeof address;
    ASSERT_EQ(io->local_name(listener, &address, length), 0);

    recorded accepting(*io, accept_request{listener, true});
    accepting.submit();
    look();
    std::size_t connected = 0;
    for (const int batch : {1, 12, 100, 1}) {
        std::vector<raw_fd> clients;
        for (int i = 0; i < batch; ++i) {
            clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            ASSERT_EQ(::connect(clients.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
            ++connected;
        }
        ASSERT_TRUE(wait_until([&] { return accepting.completions.size() == connected; }));
        EXPECT_FALSE(accepting.over());
    }
    accepting.cancel();
    ASSERT_TRUE(wait_for(accepting));
    EXPECT_EQ(accepting.result(), -ECANCELED);
    accepting.completions.pop_back();

    std::set<int> accepted;
    for (const completion& done : accepting.completions) {
        EXPECT_TRUE(done.more);
        EXPECT_TRUE(accepted.insert(done.result).second);
        EXPECT_TRUE(is_open(done.result));
        close(done.result);
    }
    close(listener);
    look();
    for (const int fd : accepted) EXPECT_FALSE(is_open(fd));
}

TEST_P(UringBackend, ClosedDescriptorIsFreeAfterTheNextWait) {
    const auto [near, far] = socket_pair();
    close(near);
    look();
    EXPECT_FALSE(is_open(near));
    EXPECT_EQ(read_now(far), "") << "the peer sees the end";
}

TEST_P(UringBackend, CloseIsNotHeldUpByARefusedRequest) {
    const auto [near, far] = socket_pair();
    const auto [doomed, peer] = socket_pair();
    const std::vector<std::uint64_t> too_long(512);
    const auto* const address = reinterpret_cast<const sockaddr*>(too_long.data());
    const char a = 'a', b = 'b';
    recorded first = sending(near, a), last = sending(near, b);
    recorded refused(*io, connect_request{near, address, 4096});
    first.submit();
    refused.submit();
    last.submit();
    close(doomed);
    look();
    EXPECT_FALSE(is_open(doomed));
    EXPECT_EQ(read_now(far), "ab");
    EXPECT_EQ(refused.result(), -EINVAL);
    ASSERT_TRUE(wait_for(last));
}

TEST_P(UringBackend, CloseWithAFullQueueHappens) {
    make_tiny();
    const auto [near, far] = socket_pair();
    const int counter = event_counter();
    std::deque<recorded> polls;
    for (int i = 0; i < 10; ++i) polls.emplace_back(polling(counter)).submit();
    close(near);
    look();
    EXPECT_FALSE(is_open(near));
    ::eventfd_write(counter, 1);
    ASSERT_TRUE(wait_for_all(polls));
}

TEST_P(UringBackend, LastClosesHappenWhenTheBackendEnds) {
    const auto [near, far] = socket_pair();
    close(near);
    destroy_backend();
    EXPECT_FALSE(is_open(near));
    EXPECT_EQ(read_now(far), "");
}

TEST_P(UringBackend, ShutdownComesAfterWhatWasSubmittedBeforeIt) {
    make(with_queues(GetParam(), 8));
    const auto [near, far] = socket_pair();
    const std::string text = letters(50);
    std::deque<recorded> sends;
    for (const char& byte : text) sends.emplace_back(sending(near, byte)).submit();
    recorded ending(*io, shutdown_request{near, SHUT_WR});
    ending.submit();
    ASSERT_TRUE(wait_for(ending));
    EXPECT_EQ(ending.result(), 0);
    ASSERT_TRUE(wait_for_all(sends));
    EXPECT_EQ(read_now(far), text);
    EXPECT_EQ(read_now(far), "") << "and the end";
}

TEST_P(UringBackend, ShutdownCanBeCancelledUntilTheNextWait) {
    const auto [near, far] = socket_pair();
    recorded ending(*io, shutdown_request{near, SHUT_WR});
    ending.submit();
    ending.cancel();
    ASSERT_TRUE(wait_for(ending));
    EXPECT_EQ(ending.result(), -ECANCELED);
    EXPECT_EQ(::send(near, "x", 1, MSG_NOSIGNAL), 1);
}

std::atomic<int> alarms = 0;

TEST_P(UringBackend, StormOfAlarmsLosesNothing) {
    make(with_queues(GetParam(), 8));
    const auto [near, far] = socket_pair();
    struct sigaction action {};
    action.sa_handler = [](int) { ++alarms; };
    struct sigaction before;
    ASSERT_EQ(::sigaction(SIGALRM, &action, &before), 0);
    const itimerval each_millisecond{{0, 1000}, {0, 1000}};
    alarms = 0;
    ::setitimer(ITIMER_REAL, &each_millisecond, nullptr);

    const std::string text = letters(30);
    std::string echoed(text.size(), ' ');
    while (alarms < 100) {
        std::deque<recorded> all;
        for (const char& byte : text) all.emplace_back(sending(near, byte)).submit();
        ASSERT_TRUE(wait_for_all(all));
        recorded receiving(*io, recv_request{far, echoed.data(), echoed.size(), MSG_WAITALL});
        receiving.submit();
        ASSERT_TRUE(wait_for(receiving));
        ASSERT_EQ(receiving.result(), static_cast<std::int32_t>(text.size()));
        ASSERT_EQ(echoed, text);
        // And a sleep for the alarms to interrupt.
        const time_point deadline = io->now() + 2ms;
        while (io->now() < deadline) io->wait(deadline);
    }
    const itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_P(UringBackend, DeadlinesHoldOnKernelsWithoutAbsoluteTimeouts) {
    const std::string outcome = in_child([]() -> std::string {
        constexpr unsigned flags_of_enter = 3;
        constexpr std::uint32_t absolute_timeout = 1U << 5;
        if (!deny_syscalls({{SYS_io_uring_enter, EINVAL, flags_of_enter, absolute_timeout}})) return "no filters";
        const chosen_backend chosen = make_uring_backend(with_queues(GetParam(), 8));
        backend& mine = *chosen.implementation;
        for (const duration length : {duration(-1s), duration(1us), duration(3ms)}) {
            const time_point deadline = mine.now() + length;
            int waits = 0;
            do {
                mine.wait(deadline);
                ++waits;
            } while (mine.now() < deadline);
            if (waits > 20) return "it does not sleep";
        }
        return "fine";
    });
    if (outcome == "no filters") GTEST_SKIP() << "this kernel has no seccomp filters";
    EXPECT_EQ(outcome, "fine");
}

/// On kernels before 5.18 nothing stops other threads from using a ring of the last rung.
class UringBackendThreads : public UringBackend {};
INSTANTIATE_TEST_SUITE_P(, UringBackendThreads, ::testing::Values(rung::defer, rung::coop), rung_name);

TEST_P(UringBackendThreads, OthersAreRefused) {
    std::thread([this] { EXPECT_THROW(look(), std::system_error); }).join();
    look();
}

}  // namespace sennit::testing::uring_backend_test
