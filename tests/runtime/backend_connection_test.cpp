// How connections are made: accept and connect on every backend.

#include <fcntl.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "backend_fixture.hpp"

namespace sennit::testing::backend_connection_test {

class BackendConnection : public BackendFixture {
  protected:
    /// A listening Unix socket in the abstract namespace.
    int unix_listener(sockaddr_un& address, std::uint32_t& length, int backlog) {
        const int fd = keep(io->open_socket(AF_UNIX, SOCK_STREAM, 0));
        address = {};
        address.sun_family = AF_UNIX;
        // The kernel chooses a free name.
        EXPECT_EQ(io->bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
        length = sizeof address;
        EXPECT_EQ(io->local_name(fd, &address, length), 0);
        EXPECT_EQ(io->listen(fd, backlog), 0);
        return fd;
    }

    recorded connecting(int fd, const void* address, std::size_t length) {
        return recorded(*io,
                        connect_request{fd, static_cast<const sockaddr*>(address), static_cast<std::uint32_t>(length)});
    }

    /// Connects plain sockets until the backlog has no room left.
    static std::vector<raw_fd> fill_backlog(const sockaddr_un& address, std::uint32_t length) {
        std::vector<raw_fd> clients;
        for (;;) {
            raw_fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), length) < 0) return clients;
            clients.push_back(std::move(client));
        }
    }
};
SENNIT_ON_EACH_BACKEND(BackendConnection);

TEST_P(BackendConnection, ConnectAndAcceptMeet) {
    sockaddr_in address;
    const int listener = tcp_listener(address);
    recorded accepting(*io, accept_request{listener, false});
    accepting.submit();
    look();
    const int client = keep(io->open_socket(AF_INET, SOCK_STREAM, 0));
    recorded one = connecting(client, &address, sizeof address);
    EXPECT_EQ(result_of(one), 0);
    ASSERT_TRUE(wait_for(accepting));
    const int server = keep(accepting.result());
    ASSERT_GE(server, 0);
    recorded hello = send(client, "hello");
    EXPECT_EQ(result_of(hello), 5);
    EXPECT_EQ(received(server), "hello");
}

TEST_P(BackendConnection, AcceptedDescriptorsAreClosedOnExec) {
    sockaddr_in address;
    const int listener = tcp_listener(address);
    const raw_fd client = tcp_client(address);
    recorded accepting(*io, accept_request{listener, false});
    const int fd = keep(result_of(accepting));
    ASSERT_GE(fd, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(listener, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_P(BackendConnection, RefusedConnectIsAnError) {
    sockaddr_in address;
    const int listener = tcp_listener(address);
    close(listener);
    const int client = keep(io->open_socket(AF_INET, SOCK_STREAM, 0));
    recorded one = connecting(client, &address, sizeof address);
    EXPECT_EQ(result_of(one), -ECONNREFUSED);
}

TEST_P(BackendConnection, ConnectToAMissingUnixSocketIsAnError) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/nonexistent/sennit");
    const int client = keep(io->open_socket(AF_UNIX, SOCK_STREAM, 0));
    recorded one = connecting(client, &address, sizeof address);
    EXPECT_EQ(result_of(one), -ENOENT);
}

TEST_P(BackendConnection, MultishotAcceptDeliversEveryConnection) {
    constexpr std::size_t count = 100;
    sockaddr_in address;
    const int listener = tcp_listener(address);
    recorded accepting(*io, accept_request{listener, true});
    accepting.submit();
    look();
    std::vector<raw_fd> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(tcp_client(address));
    ASSERT_TRUE(wait_until([&] { return accepting.completions.size() >= count; }));
    EXPECT_EQ(io->in_flight(), 1u);
    clients.push_back(tcp_client(address));  // still armed
    ASSERT_TRUE(wait_until([&] { return accepting.completions.size() == count + 1; }));
    accepting.cancel();
    EXPECT_TRUE(wait_for(accepting));
    ASSERT_EQ(accepting.completions.size(), count + 2);
    EXPECT_EQ(accepting.result(), -ECANCELED);
    accepting.completions.pop_back();
    std::vector<int> descriptors;
    for (const completion& done : accepting.completions) {
        EXPECT_TRUE(done.more);
        ASSERT_GE(done.result, 0);
        descriptors.push_back(keep(done.result));
    }
    std::sort(descriptors.begin(), descriptors.end());
    EXPECT_EQ(std::unique(descriptors.begin(), descriptors.end()), descriptors.end());
}

TEST_P(BackendConnection, SingleAcceptLeavesTheOthersInTheBacklog) {
    sockaddr_in address;
    const int listener = tcp_listener(address);
    std::vector<raw_fd> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(tcp_client(address));
    recorded accepting(*io, accept_request{listener, false});
    for (int i = 0; i < 3; ++i) {
        ASSERT_GE(keep(result_of(accepting)), 0);
        EXPECT_EQ(accepting.completions.size(), static_cast<std::size_t>(i + 1));
    }
    accepting.submit();
    look();
    EXPECT_FALSE(accepting.over());
    cancel(accepting);
    EXPECT_EQ(accepting.result(), -ECANCELED);
}

TEST_P(BackendConnection, AcceptMayBeCancelledFromItsOwnCompletion) {
    sockaddr_in address;
    const int listener = tcp_listener(address);
    std::vector<raw_fd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(tcp_client(address));
    recorded accepting(*io, accept_request{listener, true});
    accepting.then = [&](completion done) {
        if (done.more) accepting.cancel();
    };
    accepting.submit();
    ASSERT_TRUE(wait_for(accepting));
    for (const completion& done : accepting.completions) {
        if (done.result >= 0) keep(done.result);
    }
    EXPECT_EQ(accepting.result(), -ECANCELED);
    // What was not delivered is still there.
    std::size_t accepted = accepting.completions.size() - 1;
    recorded rest(*io, accept_request{listener, false});
    for (; accepted < clients.size(); ++accepted) ASSERT_GE(keep(result_of(rest)), 0);
}

TEST_P(BackendConnection, AcceptAtTheDescriptorLimitEndsWithAnErrorAndRecovers) {
    for (const bool multishot : {false, true}) {
        sockaddr_in address;
        const int listener = tcp_listener(address);
        const raw_fd client = tcp_client(address);
        recorded accepting(*io, accept_request{listener, multishot});
        {
            const int lowest_free = ::dup(listener);
            ::close(lowest_free);
            const scoped_descriptor_limit limit(static_cast<rlim_t>(lowest_free));
            EXPECT_EQ(result_of(accepting), -EMFILE);
            look();
            EXPECT_EQ(accepting.completions.size(), 1u);
        }
        accepting.submit();
        ASSERT_TRUE(wait_until([&] { return accepting.completions.size() == 2; }));
        ASSERT_GE(keep(accepting.result()), 0);
        EXPECT_EQ(accepting.completions[1].more, multishot);
        if (multishot) cancel(accepting);
    }
}

TEST_P(BackendConnection, ShutdownOfTheListenerEndsAccept) {
    sockaddr_in address;
    const int listener = tcp_listener(address);
    recorded accepting(*io, accept_request{listener, true});
    accepting.submit();
    look();
    EXPECT_EQ(io->shutdown(listener, SHUT_RDWR), 0);
    ASSERT_TRUE(wait_for(accepting));
    EXPECT_EQ(accepting.result(), -EINVAL);
}

TEST_P(BackendConnection, ListenerThatSomeoneElseOpenedIsServed) {
    // As handed over by a service manager: a blocking socket that the backend has never seen.
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int listener = keep(::socket(AF_INET, SOCK_STREAM, 0));
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(listener, 16), 0);
    ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
    recorded accepting(*io, accept_request{listener, true});
    accepting.submit();
    look();
    const raw_fd client = tcp_client(address);
    ASSERT_TRUE(wait_until([&] { return accepting.completions.size() == 1; }));
    const int server = keep(accepting.result());
    ASSERT_GE(server, 0);
    write_all(client, "hello");
    EXPECT_EQ(received(server), "hello");
    cancel(accepting);
}

TEST_P(BackendConnection, ConnectWaitsForRoomInAUnixBacklog) {
    sockaddr_un address;
    std::uint32_t length;
    const int listener = unix_listener(address, length, 1);
    std::vector<raw_fd> others = fill_backlog(address, length);
    const int client = keep(io->open_socket(AF_UNIX, SOCK_STREAM, 0));
    recorded one = connecting(client, &address, length);
    one.submit();
    look();
    EXPECT_FALSE(one.over());
    recorded accepting(*io, accept_request{listener, true});
    accepting.submit();
    ASSERT_TRUE(wait_for(one));
    EXPECT_EQ(one.result(), 0);
    ASSERT_TRUE(wait_until([&] { return accepting.completions.size() == others.size() + 1; }));
    cancel(accepting);
    for (const completion& done : accepting.completions) {
        if (done.result >= 0) keep(done.result);
    }
}

TEST_P(BackendConnection, ConnectThatWaitsForAUnixBacklogCanBeCancelled) {
    sockaddr_un address;
    std::uint32_t length;
    unix_listener(address, length, 1);
    const std::vector<raw_fd> others = fill_backlog(address, length);
    std::deque<recorded> waiting;
    for (int i = 0; i < 3; ++i) {
        const int client = keep(io->open_socket(AF_UNIX, SOCK_STREAM, 0));
        waiting.emplace_back(connecting(client, &address, length)).submit();
    }
    look();
    for (recorded& one : waiting) {
        EXPECT_FALSE(one.over());
        cancel(one);
        EXPECT_EQ(one.result(), -ECANCELED);
    }
}

}  // namespace sennit::testing::backend_connection_test
