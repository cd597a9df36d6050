// What both kernel backends promise about bytes that go from a socket into a pipe and from a pipe into a socket.

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "backend_fixture.hpp"

namespace sennit::testing::backend_splice_test {

class BackendSplice : public BackendFixture {
  protected:
    BackendSplice() : ends_(open_pipe()), out(ends_[0]), in(ends_[1]) {}

    recorded splice_in(int fd, int flags = 0) { return recorded(*io, splice_in_request{fd, in.get(), 1 << 16, flags}); }
    recorded splice_out(int fd, std::size_t size) {
        return recorded(*io, splice_out_request{fd, out.get(), static_cast<std::uint32_t>(size)});
    }

    void fill_pipe(std::string_view bytes) {
        ASSERT_EQ(::write(in.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    std::string read_pipe() {
        char buffer[65536];
        const auto count = ::read(out.get(), buffer, sizeof buffer);
        return count < 0 ? std::string(std::strerror(errno)) : std::string(buffer, static_cast<std::size_t>(count));
    }

    /// Sends until nothing more fits into the socket's buffer and the peer's.
    static void fill_socket(int fd) {
        const std::string bytes(1 << 16, 'x');
        while (::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        }
        while (::send(fd, bytes.data(), 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        }
    }

    static bool is_blocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

  private:
    static std::array<int, 2> open_pipe() {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
        return ends;
    }

    std::array<int, 2> ends_;

  protected:
    raw_fd out;
    raw_fd in;
};
SENNIT_ON_EACH_BACKEND(BackendSplice);

TEST_P(BackendSplice, TakesWhatHasArrived) {
    const auto [fd, peer] = tcp_pair();
    write_all(peer, "ready");
    recorded one = splice_in(fd);
    one.submit();
    EXPECT_TRUE(one.completions.empty());
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 5);
    EXPECT_EQ(read_pipe(), "ready");
}

TEST_P(BackendSplice, WaitsUntilSomethingArrives) {
    for (const auto& [fd, peer] : {tcp_pair(), connected_pair()}) {
        recorded one = splice_in(fd);
        one.submit();
        look();
        EXPECT_FALSE(one.over());
        write_all(peer, "later");
        ASSERT_TRUE(wait_for(one));
        EXPECT_EQ(one.result(), 5);
        EXPECT_EQ(read_pipe(), "later");
    }
}

TEST_P(BackendSplice, TakesNoMoreThanItIsAskedFor) {
    const auto [fd, peer] = tcp_pair();
    write_all(peer, "a and b");
    recorded one(*io, splice_in_request{fd, in.get(), 1, 0});
    EXPECT_EQ(result_of(one), 1);
    EXPECT_EQ(read_pipe(), "a");
    EXPECT_EQ(received(fd), " and b");
}

TEST_P(BackendSplice, EndOfStreamIsZero) {
    const auto [fd, peer] = tcp_pair();
    recorded one = splice_in(fd);
    one.submit();
    look();
    ::shutdown(peer.get(), SHUT_WR);
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 0);
}

TEST_P(BackendSplice, FailsWhereItWouldWaitIfToldSo) {
    for (const auto& [fd, peer] : {tcp_pair(), connected_pair(), foreign_pair()}) {
        recorded one = splice_in(fd, MSG_DONTWAIT);
        EXPECT_EQ(result_of(one), -EAGAIN);
        write_all(peer, "now");
        EXPECT_EQ(result_of(one), 3);
        EXPECT_EQ(read_pipe(), "now");
    }
}

TEST_P(BackendSplice, WaitsForRoomToSend) {
    for (const auto& [fd, peer] : {tcp_pair(), connected_pair(), foreign_pair()}) {
        fill_socket(fd);
        fill_pipe("behind");
        recorded one = splice_out(fd, 6);
        one.submit();
        look();
        EXPECT_FALSE(one.over());
        std::string arrived;
        ASSERT_TRUE(wait_until([&, &peer = peer] {
            arrived += read_now(peer);
            return one.over();
        }));
        EXPECT_EQ(one.result(), 6);
        arrived += read_now(peer);
        ASSERT_GE(arrived.size(), 6u);
        EXPECT_EQ(arrived.substr(arrived.size() - 6), "behind");
    }
}

TEST_P(BackendSplice, CancelledWhileItWaits) {
    const auto [fd, peer] = tcp_pair();
    recorded receiving = splice_in(fd);
    receiving.submit();
    look();
    cancel(receiving);
    EXPECT_EQ(receiving.result(), -ECANCELED);

    fill_socket(fd);
    fill_pipe("kept");
    recorded sending = splice_out(fd, 4);
    sending.submit();
    look();
    cancel(sending);
    EXPECT_EQ(sending.result(), -ECANCELED);
    EXPECT_EQ(read_pipe(), "kept");

    recorded at_once = splice_out(fd, 4);
    at_once.submit();
    cancel(at_once);
    EXPECT_EQ(at_once.completions.size(), 1u);
}

TEST_P(BackendSplice, APeerThatIsGoneIsNoSignal) {
    for (const auto& [fd, peer] : {tcp_pair(), connected_pair()}) {
        io->shutdown(fd, SHUT_WR);
        fill_pipe("into the void");
        recorded one = splice_out(fd, 13);
        EXPECT_EQ(result_of(one), -EPIPE);
        EXPECT_EQ(read_pipe(), "into the void");
    }
    sigset_t pending;
    ::sigpending(&pending);
    EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

/// The program's own affair with SIGPIPE is left as it is.
TEST_P(BackendSplice, ASignalThatTheProgramHoldsBackStays) {
    sigset_t sigpipe;
    sigset_t before;
    ::sigemptyset(&sigpipe);
    ::sigaddset(&sigpipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    ::pthread_kill(::pthread_self(), SIGPIPE);

    const auto [fd, peer] = tcp_pair();
    io->shutdown(fd, SHUT_WR);
    fill_pipe("x");
    recorded one = splice_out(fd, 1);
    EXPECT_EQ(result_of(one), -EPIPE);

    constexpr timespec at_once{};
    EXPECT_EQ(::sigtimedwait(&sigpipe, nullptr, &at_once), SIGPIPE);
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, &before, &now);
    EXPECT_EQ(::sigismember(&now, SIGPIPE), 1);
}

TEST_P(BackendSplice, LeavesTheModeOfTheSocketAsItWas) {
    const auto [fd, peer] = tcp_pair();
    const bool before = is_blocking(fd);
    write_all(peer, "x");
    recorded receiving = splice_in(fd);
    EXPECT_EQ(result_of(receiving), 1);
    recorded sending = splice_out(fd, 1);
    EXPECT_EQ(result_of(sending), 1);
    EXPECT_EQ(is_blocking(fd), before);
    EXPECT_EQ(read_now(peer), "x");
}

TEST_P(BackendSplice, ErrorsOfTheDescriptorAreResults) {
    recorded bad = splice_in(1 << 30);
    EXPECT_EQ(result_of(bad), -EBADF);
    fill_pipe("x");
    recorded sending = splice_out(1 << 30, 1);
    EXPECT_EQ(result_of(sending), -EBADF);
}

}  // namespace sennit::testing::backend_splice_test
