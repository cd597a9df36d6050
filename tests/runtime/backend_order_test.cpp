// What every backend promises about many operations and about their order: cancelling, submitting again, sharing a
// descriptor, using its number again, and nobody starves.

#include <poll.h>

#include <deque>
#include <thread>

#include "backend_fixture.hpp"

namespace sennit::testing::backend_order_test {

class BackendOrder : public BackendFixture {};
SENNIT_ON_EACH_BACKEND(BackendOrder);

TEST_P(BackendOrder, CancelledRecvLeavesLaterDataInPlace) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(64, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    look();
    one.cancel();
    one.cancel();
    EXPECT_FALSE(one.over());
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), -ECANCELED);
    EXPECT_EQ(one.completions.size(), 1u);
    write_all(peer, "kept");
    EXPECT_EQ(received(fd), "kept");
}

TEST_P(BackendOrder, CancelBeforeTheFirstWait) {
    const auto [fd, peer] = connected_pair();
    write_all(peer, "kept");
    std::string buffer(64, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    one.cancel();
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.completions.size(), 1u);
    std::string all;
    if (one.result() > 0) all.append(buffer, 0, static_cast<std::size_t>(one.result()));
    if (all.empty()) all = received(fd);
    EXPECT_EQ(all, "kept");
}

TEST_P(BackendOrder, CancelRacingWithDataLosesNoByte) {
    const auto [fd, peer] = connected_pair();
    const std::string bytes = pattern(20'000);
    std::thread writer([&, &peer = peer] {
        for (const char& byte : bytes) {
            ASSERT_EQ(::send(peer.get(), &byte, 1, MSG_NOSIGNAL), 1);
        }
        ::shutdown(peer.get(), SHUT_WR);
    });
    std::string all;
    bool ended = false;
    while (!ended) {
        std::string buffer(3, '?');
        recorded one = recv(fd, buffer);
        one.submit();
        io->wait(time_point::min());
        if (!one.over()) one.cancel();
        if (!wait_for(one)) break;
        if (one.result() > 0) all.append(buffer, 0, static_cast<std::size_t>(one.result()));
        ended = one.result() == 0 || (one.result() < 0 && one.result() != -ECANCELED);
    }
    writer.join();
    EXPECT_TRUE(ended);
    EXPECT_TRUE(all == bytes) << all.size();
}

TEST_P(BackendOrder, OneCompletionMayCancelAnother) {
    const auto [first_fd, first_peer] = connected_pair();
    const auto [second_fd, second_peer] = connected_pair();
    std::string first_buffer(8, '?'), second_buffer(8, '?');
    recorded first = recv(first_fd, first_buffer);
    recorded second = recv(second_fd, second_buffer);
    first.then = [&](completion) {
        if (!second.over()) second.cancel();
    };
    second.then = [&](completion) {
        if (!first.over()) first.cancel();
    };
    first.submit();
    second.submit();
    look();
    write_all(first_peer, "1");
    write_all(second_peer, "2");
    ASSERT_TRUE(wait_for(first));
    ASSERT_TRUE(wait_for(second));
    EXPECT_EQ(first.completions.size(), 1u);
    EXPECT_EQ(second.completions.size(), 1u);
    std::string left;
    for (auto [fd, one] : {std::pair{first_fd, &first}, std::pair{second_fd, &second}}) {
        if (one->result() == -ECANCELED) left += received(fd);
    }
    EXPECT_EQ(first.result() + second.result() == 2 ? 0u : 1u, left.size());
}

TEST_P(BackendOrder, CancelInsideItsOwnLastCompletionIsHarmless) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(8, '?');
    recorded one = recv(fd, buffer);
    one.then = [&](completion) { one.cancel(); };
    write_all(peer, "1");
    one.submit();
    ASSERT_TRUE(wait_for(one));
    look();
    EXPECT_EQ(one.completions.size(), 1u);
    EXPECT_EQ(one.result(), 1);
}

TEST_P(BackendOrder, CompletionMaySubmitTheSameOperationAgain) {
    const auto [fd, peer] = connected_pair();
    const std::string bytes = pattern(1000);
    std::string all, buffer(1, '?');
    recorded one = recv(fd, buffer);
    one.then = [&](completion done) {
        if (done.result != 1) return;
        all += buffer;
        one.submit();
    };
    one.submit();
    write_all(peer, bytes);
    ::shutdown(peer.get(), SHUT_WR);
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 0);
    EXPECT_TRUE(all == bytes);
}

TEST_P(BackendOrder, ManyOperationsAtOnce) {
    const scoped_descriptor_limit limit(4096);
    constexpr std::size_t count = 1000;
    std::vector<socket_pair> pairs;
    std::deque<recorded> operations;
    std::vector<std::string> buffers(count, std::string(8, '?'));
    for (std::size_t i = 0; i < count; ++i) {
        pairs.push_back(connected_pair());
        ASSERT_GE(pairs.back().peer.get(), 0) << "descriptor limit too low";
        operations.emplace_back(recv(pairs[i].near, buffers[i])).submit();
    }
    EXPECT_EQ(io->in_flight(), count);
    look();
    for (std::size_t i = 0; i < count; ++i) write_all(pairs[i].peer, std::to_string(i));
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(wait_for(operations[i]));
        ASSERT_EQ(operations[i].completions.size(), 1u);
        EXPECT_EQ(buffers[i].substr(0, static_cast<std::size_t>(operations[i].result())), std::to_string(i));
    }
    EXPECT_EQ(io->in_flight(), 0u);
}

TEST_P(BackendOrder, FloodDoesNotStarveTheOthers) {
    const auto [flooded, flood] = connected_pair();
    const auto [fd, peer] = connected_pair();
    write_all(flood, pattern(100'000));
    std::string byte(1, '?'), buffer(8, '?');
    recorded greedy = recv(flooded, byte);
    std::size_t turns = 0;
    greedy.then = [&](completion done) {
        ++turns;
        if (done.result == 1) greedy.submit();
    };
    recorded modest = recv(fd, buffer);
    modest.submit();
    look();
    greedy.submit();
    io->wait(time_point::min());
    write_all(peer, "1");
    ASSERT_TRUE(wait_for(modest));
    EXPECT_LT(turns, 1000u);
    greedy.then = nullptr;
    cancel(greedy);
}

TEST_P(BackendOrder, StaleEventsOfAClosedDescriptorAreIgnored) {
    auto [fd, old_peer] = connected_pair();
    std::string buffer(8, '?');
    recorded old = recv(fd, buffer);
    old.submit();
    look();
    cancel(old);
    const raw_fd duplicate(::dup(fd));  // keeps the open file, hence its registration, alive
    close(fd);
    auto [reused, peer] = connected_pair();
    ASSERT_EQ(reused, fd);
    recorded one = recv(reused, buffer);
    recorded poll(*io, poll_request{reused, POLLIN});
    one.submit();
    poll.submit();
    look();
    write_all(old_peer, "stale");
    look();
    EXPECT_FALSE(one.over());
    EXPECT_FALSE(poll.over());
    write_all(peer, "new");
    ASSERT_TRUE(wait_for(one));
    ASSERT_TRUE(wait_for(poll));
    EXPECT_EQ(buffer.substr(0, 3), "new");
}

TEST_P(BackendOrder, ReusedDescriptorStartsClean) {
    // Closed by the backend, or by someone it was given to; reused by the backend, or by someone who opens a
    // socket and gives it to the backend.
    for (const bool given_away : {false, true}) {
        for (const bool foreign : {false, true}) {
            if (given_away && foreign) continue;  // the backend cannot know
            auto [fd, peer] = tcp_pair();
            std::string buffer(64, '?');
            recorded one = recv(fd, buffer);
            one.submit();
            look();
            write_all(peer, "short");
            ASSERT_TRUE(wait_for(one));
            EXPECT_EQ(one.result(), 5);
            one.submit();
            look();
            cancel(one);
            if (given_away) {
                ::close(release(fd));
            } else {
                close(fd);
            }

            auto [reused, other] = foreign ? foreign_pair() : connected_pair();
            ASSERT_EQ(reused, fd);
            one.submit();
            look();
            EXPECT_FALSE(one.over());
            write_all(other, "x");
            ASSERT_TRUE(wait_for(one));
            EXPECT_EQ(one.result(), 1);
            close(reused);
        }
    }
}

TEST_P(BackendOrder, SeveralRecvsOnOneDescriptorShareTheData) {
    const auto [fd, peer] = connected_pair();
    std::vector<std::string> buffers(3, std::string(1, '?'));
    std::deque<recorded> operations;
    for (auto& buffer : buffers) operations.emplace_back(recv(fd, buffer)).submit();
    look();
    for (std::size_t served = 1; served <= 3; ++served) {
        write_all(peer, "x");
        ASSERT_TRUE(wait_until([&] { return io->in_flight() == 3 - served; }));
    }
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(operations[i].result(), 1);
        EXPECT_EQ(buffers[i], "x");
    }
}

}  // namespace sennit::testing::backend_order_test
