// What every backend promises about operations on connected sockets: when they complete, with what, and that
// no byte is lost on the way.

#include <poll.h>

#include <cstring>
#include <memory>
#include <thread>

#include "backend_fixture.hpp"

namespace sennit::testing::backend_test {

class Backend : public BackendFixture {};
SENNIT_ON_EACH_BACKEND(Backend);

TEST_P(Backend, CompletesFromWaitNeverInsideSubmit) {
    const auto [fd, peer] = connected_pair();
    write_all(peer, "ready");
    std::string buffer(16, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    EXPECT_TRUE(one.completions.empty());
    EXPECT_EQ(io->in_flight(), 1u);
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.completions.size(), 1u);
    EXPECT_EQ(one.result(), 5);
    EXPECT_FALSE(one.completions[0].more);
    EXPECT_EQ(buffer.substr(0, 5), "ready");
    EXPECT_EQ(io->in_flight(), 0u);
}

TEST_P(Backend, ErrorsCompleteFromWaitToo) {
    std::string buffer(16, '?');
    recorded bad = recv(1 << 30, buffer);
    bad.submit();
    recorded negative = recv(-1, buffer);
    negative.submit();
    EXPECT_TRUE(bad.completions.empty());
    EXPECT_TRUE(negative.completions.empty());
    ASSERT_TRUE(wait_for(bad));
    ASSERT_TRUE(wait_for(negative));
    EXPECT_EQ(bad.result(), -EBADF);
    EXPECT_EQ(negative.result(), -EBADF);
}

TEST_P(Backend, RecvWaitsForData) {
    const auto [fd, peer] = connected_pair();
    std::string buffer(16, '?');
    recorded one = recv(fd, buffer);
    one.submit();
    look();
    EXPECT_FALSE(one.over());
    write_all(peer, "later");
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 5);
}

TEST_P(Backend, LargeSendCompletesInPartsWithoutLosingOrder) {
    const auto [fd, peer] = connected_pair();
    const std::string bytes = pattern(std::size_t{16} << 20);
    std::string arrived;
    std::size_t sent = 0;
    recorded one = send(fd, bytes);
    one.then = [&, fd = fd](completion done) {
        if (done.result <= 0) return;
        sent += static_cast<std::size_t>(done.result);
        if (sent == bytes.size()) return;
        one.ask(send_request{fd, bytes.data() + sent, bytes.size() - sent, 0});
        one.submit();
    };
    one.submit();
    ASSERT_TRUE(wait_until([&, &peer = peer] {
        arrived += read_now(peer);
        return one.over();
    }));
    arrived += read_now(peer);
    EXPECT_EQ(sent, bytes.size());
    EXPECT_TRUE(arrived == bytes);
}

TEST_P(Backend, ShortTcpSendGoesOnWhenThePeerReads) {
    const auto [fd, peer] = tcp_pair();
    const std::string bytes = pattern(std::size_t{32} << 20);
    std::string arrived;
    std::size_t sent = 0;
    recorded one = send(fd, bytes);
    one.then = [&, fd = fd](completion done) {
        if (done.result <= 0) return;
        sent += static_cast<std::size_t>(done.result);
        if (sent == bytes.size()) return;
        one.ask(send_request{fd, bytes.data() + sent, bytes.size() - sent, 0});
        one.submit();
    };
    one.submit();
    std::thread reader([&, &peer = peer] {
        std::string buffer(1 << 16, '?');
        while (arrived.size() < bytes.size()) {
            const auto count = ::recv(peer.get(), buffer.data(), buffer.size(), 0);
            if (count <= 0) return;
            arrived.append(buffer, 0, static_cast<std::size_t>(count));
        }
    });
    const bool ended = wait_for(one);
    if (!ended || sent != bytes.size()) io->shutdown(fd, SHUT_RDWR);
    reader.join();
    ASSERT_TRUE(ended);
    EXPECT_EQ(sent, bytes.size());
    EXPECT_TRUE(arrived == bytes);
}

TEST_P(Backend, EndOfStreamIsZeroAndStaysSo) {
    auto [fd, peer] = connected_pair();
    peer.close();
    EXPECT_EQ(received(fd), "");
    EXPECT_EQ(received(fd), "");
}

TEST_P(Backend, EndOfStreamBehindDataIsSeen) {
    // The end may arrive before, together with or after the data; each time in front of a recv that waits and
    // of one that does not yet. An edge-triggered backend that trusts a short read too much hangs here.
    for (const bool tcp : {false, true}) {
        for (const bool waiting : {false, true}) {
            for (const bool end_at_once : {false, true}) {
                for (const bool seen_between : {false, true}) {
                    auto [fd, peer] = tcp ? tcp_pair() : connected_pair();
                    std::string buffer(64, '?');
                    recorded one = recv(fd, buffer);
                    if (waiting) {
                        one.submit();
                        look();
                    }
                    write_all(peer, "data");
                    if (end_at_once) peer.close();
                    if (!waiting) one.submit();
                    ASSERT_TRUE(wait_for(one));
                    EXPECT_EQ(one.result(), 4);
                    if (!end_at_once) peer.close();
                    if (seen_between) look();
                    EXPECT_EQ(received(fd), "") << tcp << waiting << end_at_once << seen_between;
                }
            }
        }
    }
}

TEST_P(Backend, HalfClosedPeerStillReceives) {
    const auto [fd, peer] = tcp_pair();
    write_all(peer, "question");
    ::shutdown(peer.get(), SHUT_WR);
    EXPECT_EQ(received(fd), "question");
    EXPECT_EQ(received(fd), "");
    recorded answer = send(fd, "answer");
    EXPECT_EQ(result_of(answer), 6);
    EXPECT_EQ(read_now(peer), "answer");
}

TEST_P(Backend, DataThatCameBetweenTwoRecvsIsSeen) {
    // The edge of the second message is reported while nobody waits for it.
    const auto [fd, peer] = tcp_pair();
    std::string buffer(64, '?');
    recorded first = recv(fd, buffer);
    first.submit();
    look();
    write_all(peer, "one");
    ASSERT_TRUE(wait_for(first));
    write_all(peer, "two");
    look();
    EXPECT_EQ(received(fd), "two");
}

TEST_P(Backend, UrgentDataDoesNotHideWhatFollowsIt) {
    // A read stops short at the urgent mark although more has arrived behind it (tcp(7)).
    const auto [fd, peer] = tcp_pair();
    std::string buffer(64, '?');
    recorded first = recv(fd, buffer);
    first.submit();
    look();
    write_all(peer, "before");
    write_all(peer, "!", MSG_OOB);
    write_all(peer, "behind");
    std::string all;
    ASSERT_TRUE(wait_for(first));
    all.append(buffer, 0, static_cast<std::size_t>(first.result()));
    for (int i = 0; i < 8 && all.size() < 12; ++i) all += received(fd);
    EXPECT_EQ(all, "beforebehind");
}

TEST_P(Backend, DescriptorPassedByThePeerDoesNotHideWhatFollowsIt) {
    // A read on a Unix socket stops behind a message with descriptors although more has arrived (unix(7)).
    const auto [fd, peer] = connected_pair();
    std::string buffer(64, '?');
    recorded first = recv(fd, buffer);
    first.submit();
    look();
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    char byte = 'a';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int passed = peer.get();
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    ASSERT_EQ(::sendmsg(peer.get(), &message, 0), 1);
    write_all(peer, "b");
    std::string all;
    ASSERT_TRUE(wait_for(first));
    all.append(buffer, 0, static_cast<std::size_t>(first.result()));
    if (all.size() < 2) all += received(fd);
    EXPECT_EQ(all, "ab");
}

TEST_P(Backend, PeekLeavesTheDataReadable) {
    const auto [fd, peer] = tcp_pair();
    std::string buffer(64, '?');
    recorded peek(*io, recv_request{fd, buffer.data(), buffer.size(), MSG_PEEK});
    peek.submit();
    look();
    write_all(peer, "data");
    ASSERT_TRUE(wait_for(peek));
    EXPECT_EQ(peek.result(), 4);
    EXPECT_EQ(received(fd), "data");
}

TEST_P(Backend, RecvThatMustNotWaitSaysSo) {
    const auto [fd, peer] = tcp_pair();
    std::string buffer(64, '?');
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    recorded plain(*io, recv_request{fd, buffer.data(), buffer.size(), MSG_DONTWAIT});
    recorded vectored(*io, recvmsg_request{fd, &message, MSG_DONTWAIT});
    EXPECT_EQ(result_of(plain), -EAGAIN);
    EXPECT_EQ(result_of(vectored), -EAGAIN);
    // The same when a recv that waits has been there before.
    recorded waiting = recv(fd, buffer);
    waiting.submit();
    look();
    write_all(peer, "data");
    ASSERT_TRUE(wait_for(waiting));
    EXPECT_EQ(waiting.result(), 4);
    EXPECT_EQ(result_of(plain), -EAGAIN);
    EXPECT_EQ(result_of(vectored), -EAGAIN);
    write_all(peer, "more");
    EXPECT_EQ(result_of(plain), 4);
}

TEST_P(Backend, ZeroSizeTransfersAreAllowed) {
    const auto [fd, peer] = connected_pair();
    recorded nothing = send(fd, "");
    EXPECT_EQ(result_of(nothing), 0);
    write_all(peer, "data");
    EXPECT_EQ(received(fd, 0), "");
    EXPECT_EQ(received(fd), "data");
}

TEST_P(Backend, SendToAClosedPeerIsAnErrorNotASignal) {
    auto [fd, peer] = connected_pair();
    peer.close();
    recorded one = send(fd, "lost");
    EXPECT_EQ(result_of(one), -EPIPE);
    iovec part{const_cast<char*>("lost"), 4};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    recorded other(*io, sendmsg_request{fd, &message, 0});
    EXPECT_EQ(result_of(other), -EPIPE);
}

TEST_P(Backend, LossOfThePeerWakesReaderAndWriter) {
    auto [fd, peer] = connected_pair();
    std::string buffer(64, '?');
    recorded reader = recv(fd, buffer);
    reader.submit();
    const std::string bytes = pattern(std::size_t{8} << 20);
    recorded filler = send(fd, bytes);
    ASSERT_GT(result_of(filler), 0);
    recorded writer = send(fd, bytes);
    writer.submit();
    look();
    EXPECT_FALSE(reader.over());
    EXPECT_FALSE(writer.over());
    peer.close();
    ASSERT_TRUE(wait_for(reader));
    ASSERT_TRUE(wait_for(writer));
    EXPECT_LE(reader.result(), 0);
    EXPECT_EQ(writer.result(), -EPIPE);
}

TEST_P(Backend, ShutdownRequestEndsAWaitingRecv) {
    const auto [fd, peer] = tcp_pair();
    std::string buffer(64, '?');
    recorded reader = recv(fd, buffer);
    reader.submit();
    look();
    recorded ending(*io, shutdown_request{fd, SHUT_RDWR});
    EXPECT_EQ(result_of(ending), 0);
    ASSERT_TRUE(wait_for(reader));
    EXPECT_EQ(reader.result(), 0);
    char byte;
    EXPECT_EQ(::recv(peer.get(), &byte, 1, 0), 0);
}

TEST_P(Backend, DirectShutdownEndsAWaitingRecv) {
    const auto [fd, peer] = tcp_pair();
    std::string buffer(64, '?');
    recorded reader = recv(fd, buffer);
    reader.submit();
    look();
    EXPECT_EQ(io->shutdown(fd, SHUT_RDWR), 0);
    ASSERT_TRUE(wait_for(reader));
    EXPECT_EQ(reader.result(), 0);
}

TEST_P(Backend, TruncatedDatagramIsFlagged) {
    const auto [fd, peer] = connected_pair(SOCK_DGRAM);
    write_all(peer, "long datagram");
    write_all(peer, "b");
    char space[4];
    iovec part{space, sizeof space};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    recorded one(*io, recvmsg_request{fd, &message, 0});
    EXPECT_EQ(result_of(one), 4);
    EXPECT_NE(message.msg_flags & MSG_TRUNC, 0);
    message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    EXPECT_EQ(result_of(one), 1);
    EXPECT_EQ(message.msg_flags & MSG_TRUNC, 0);
}

TEST_P(Backend, DatagramsCarryTheirSender) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int server = keep(io->open_socket(AF_INET, SOCK_DGRAM, 0));
    const int client = keep(io->open_socket(AF_INET, SOCK_DGRAM, 0));
    std::uint32_t length = sizeof address;
    for (const int fd : {server, client}) {
        address.sin_port = 0;
        ASSERT_EQ(io->bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    sockaddr_in client_address;
    ASSERT_EQ(io->local_name(client, &client_address, length), 0);
    ASSERT_EQ(io->local_name(server, &address, length), 0);

    char space[16];
    sockaddr_in sender{};
    iovec in{space, sizeof space};
    msghdr incoming{};
    incoming.msg_name = &sender;
    incoming.msg_namelen = sizeof sender;
    incoming.msg_iov = &in;
    incoming.msg_iovlen = 1;
    recorded receiving(*io, recvmsg_request{server, &incoming, 0});
    receiving.submit();
    look();
    iovec out{const_cast<char*>("hello"), 5};
    msghdr outgoing{};
    outgoing.msg_name = &address;
    outgoing.msg_namelen = sizeof address;
    outgoing.msg_iov = &out;
    outgoing.msg_iovlen = 1;
    recorded sending(*io, sendmsg_request{client, &outgoing, 0});
    EXPECT_EQ(result_of(sending), 5);
    ASSERT_TRUE(wait_for(receiving));
    EXPECT_EQ(receiving.result(), 5);
    EXPECT_EQ(sender.sin_port, client_address.sin_port);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_P(Backend, FreedBufferIsReported) {
    const auto [fd, peer] = connected_pair();
    auto buffer = std::make_unique<char[]>(64);
    char* const freed = buffer.get();
    buffer.reset();
    recorded one(*io, recv_request{fd, freed, 64, 0});
    EXPECT_DEATH(one.submit(), "buffer passed to recv is not addressable");
}
#endif
}  // namespace sennit::testing::backend_test
