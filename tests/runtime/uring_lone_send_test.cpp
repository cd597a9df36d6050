// A send that is all there is to do goes to the kernel without the ring. Nobody is to notice anything but the time: not
// the order of bytes, not cancellation, not what waits for a socket that is full, and not the other operations.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <deque>
#include <string>

#include "uring_fixture.hpp"

namespace sennit::testing::uring_lone_send_test {

class UringLoneSend : public UringFixture {
  protected:
    void SetUp() override {
        UringFixture::SetUp();
        if (io != nullptr) look();  // a turn in which nothing happened: the next send may be a lone one
    }

    recorded sending_all(int fd, const std::string& bytes) {
        return recorded(*io, send_request{fd, bytes.data(), bytes.size(), 0});
    }

    /// Fills the socket up. The bytes that it took.
    static std::string fill_up(int fd) {
        const std::string bytes(1024, 'f');
        std::string all;
        for (;;) {
            const auto count = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count < 0) return all;
            all.append(bytes, 0, static_cast<std::size_t>(count));
        }
    }
    static std::string read_all_now(int fd) {
        std::string all;
        for (char buffer[4096];;) {
            const auto count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (count <= 0) return all;
            all.append(buffer, static_cast<std::size_t>(count));
        }
    }
};
SENNIT_ON_EACH_RUNG(UringLoneSend);

TEST_P(UringLoneSend, CompletesInTheNextWaitAndNotBefore) {
    const auto [near, far] = socket_pair();
    const char byte = 'x';
    recorded one = sending(near, byte);
    one.submit();
    EXPECT_FALSE(one.over());
    EXPECT_EQ(io->in_flight(), 1u);
    look();
    ASSERT_TRUE(one.over());
    EXPECT_EQ(one.result(), 1);
    EXPECT_EQ(read_now(far), "x");
}

TEST_P(UringLoneSend, SendsMessagesToo) {
    const auto [near, far] = socket_pair();
    char first[] = "first ", second[] = "second";
    iovec parts[] = {{first, 6}, {second, 6}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    recorded one(*io, sendmsg_request{near, &message, 0});
    one.submit();
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 12);
    EXPECT_EQ(read_now(far), "first second");
}

TEST_P(UringLoneSend, CancelledBeforeTheWaitSendsNothing) {
    const auto [near, far] = socket_pair();
    const char byte = 'x';
    recorded one = sending(near, byte);
    one.submit();
    one.cancel();
    one.cancel();
    EXPECT_FALSE(one.over()) << "it completes from wait";
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), -ECANCELED);
    EXPECT_EQ(one.completions.size(), 1u);
    EXPECT_EQ(read_now(far), "error " + std::to_string(EAGAIN));
}

TEST_P(UringLoneSend, GoesBeforeWhatIsSubmittedAfterIt) {
    for (const std::size_t count : {2u, 3u, 26u}) {
        const auto [near, far] = socket_pair();
        const std::string text = letters(count);
        std::deque<recorded> sends;
        look();
        for (const char& byte : text) sends.emplace_back(sending(near, byte)).submit();
        ASSERT_TRUE(wait_for_all(sends));
        EXPECT_EQ(read_now(far), text);
    }
}

TEST_P(UringLoneSend, KeepsTheOrderFromTurnToTurn) {
    const auto [near, far] = socket_pair();
    const std::string text = letters(100);
    std::string all;
    for (const char& byte : text) {
        recorded one = sending(near, byte);
        one.submit();
        ASSERT_TRUE(wait_for(one));
    }
    EXPECT_EQ(read_all_now(far), text);
}

TEST_P(UringLoneSend, WaitsForRoom) {
    const auto [near, far] = socket_pair();
    const std::string before = fill_up(near);
    const char byte = 'x';
    recorded one = sending(near, byte);
    one.submit();
    look();
    EXPECT_FALSE(one.over());
    std::string all = read_all_now(far);
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 1);
    EXPECT_EQ(all + read_all_now(far), before + "x");
}

TEST_P(UringLoneSend, CanBeCancelledWhileItWaitsForRoom) {
    const auto [near, far] = socket_pair();
    const std::string before = fill_up(near);
    const char byte = 'x';
    recorded one = sending(near, byte);
    one.submit();
    look();
    one.cancel();
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), -ECANCELED);
    EXPECT_EQ(read_all_now(far), before);
}

TEST_P(UringLoneSend, ThatIsTooLongTellsHowMuchOfItWent) {
    const auto [near, far] = socket_pair();
    const std::string bytes = pattern(8u << 20);
    recorded one = sending_all(near, bytes);
    one.submit();
    ASSERT_TRUE(wait_for(one));
    ASSERT_GT(one.result(), 0);
    ASSERT_LT(static_cast<std::size_t>(one.result()), bytes.size());
    EXPECT_EQ(read_all_now(far), bytes.substr(0, static_cast<std::size_t>(one.result())));
}

TEST_P(UringLoneSend, RestThatItsCompletionSubmitsGoesToo) {
    const auto [near, far] = socket_pair();
    const std::string bytes = pattern(8u << 20);
    std::size_t sent = 0;
    recorded one = sending_all(near, bytes);
    one.then = [&, fd = near](completion done) {
        ASSERT_GT(done.result, 0);
        sent += static_cast<std::size_t>(done.result);
        if (sent == bytes.size()) return;
        one.ask(send_request{fd, bytes.data() + sent, bytes.size() - sent, 0});
        one.submit();
    };
    one.submit();
    std::string all;
    ASSERT_TRUE(wait_until([&, fd = far] {
        all += read_all_now(fd);
        return one.over();
    }));
    all += read_all_now(far);
    EXPECT_TRUE(all == bytes) << all.size();
    RecordProperty("bytes", static_cast<int>(all.size()));
}

TEST_P(UringLoneSend, ToAPeerThatIsGoneFailsWithoutASignal) {
    const auto [near, far] = socket_pair();
    close(far);
    look();
    const char byte = 'x';
    recorded one = sending(near, byte);
    one.submit();
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), -EPIPE);
}

TEST_P(UringLoneSend, IsSentBeforeAShutdown) {
    const auto [near, far] = socket_pair();
    const char byte = 'x';
    recorded one = sending(near, byte);
    recorded end(*io, shutdown_request{near, SHUT_WR});
    one.submit();
    end.submit();
    ASSERT_TRUE(wait_for(one) && wait_for(end));
    EXPECT_EQ(one.result(), 1);
    EXPECT_EQ(end.result(), 0);
    EXPECT_EQ(read_now(far), "x");
    EXPECT_EQ(read_now(far), "");
}

TEST_P(UringLoneSend, DoesNotHoldUpACloseOrACancellation) {
    const auto [near, far] = socket_pair();
    const auto [other_near, other_far] = socket_pair();
    char got = 0;
    recorded receiving(*io, recv_request{near, &got, 1, 0});
    receiving.submit();
    look();
    const char byte = 'x';
    recorded one = sending(near, byte);
    one.submit();
    receiving.cancel();
    close(other_near);
    ASSERT_TRUE(wait_for(one) && wait_for(receiving));
    EXPECT_EQ(receiving.result(), -ECANCELED);
    look();
    EXPECT_FALSE(is_open(other_near));
    EXPECT_EQ(read_now(other_far), "");
    EXPECT_EQ(read_now(far), "x");
}

TEST_P(UringLoneSend, OneAfterTheOtherDoesNotStarveTheRest) {
    const auto [near, far] = socket_pair();
    const auto [other_near, other_far] = socket_pair();
    char got = 0;
    recorded receiving(*io, recv_request{other_near, &got, 1, 0});
    receiving.submit();
    look();
    ASSERT_EQ(::send(other_far, "y", 1, 0), 1);
    const char byte = 'x';
    int sends = 0;
    while (!receiving.over() && sends < 100) {
        recorded one = sending(near, byte);
        one.submit();
        ASSERT_TRUE(wait_for(one));
        ++sends;
    }
    EXPECT_EQ(receiving.result(), 1);
    EXPECT_LE(sends, 2) << "every other wait at least looks at the ring";
}

}  // namespace sennit::testing::uring_lone_send_test
