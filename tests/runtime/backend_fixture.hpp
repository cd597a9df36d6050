#pragma once

// What the tests of the backends share: operations that record their completions, and sockets.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <optional>
#include <sennit/backend.hpp>
#include <sennit/request.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace sennit::testing {

/// An operation without a coroutine: it keeps its completions.
class recorded final : public operation {
  public:
    recorded(backend& io, const request& what) : request_(what), io_(&io) {}
    recorded(recorded&& other) = default;
    /// A test that failed in the middle leaves operations behind.
    ~recorded() {
        then = nullptr;
        if (!over_) cancel();
        while (!over_) io_->wait(io_->now() + std::chrono::milliseconds(1));
    }

    recorded& submit() {
        in_flight = {};
        over_ = false;
        io_->submit(*this);
        return *this;
    }
    void cancel() { io_->cancel(*this); }
    request what() const noexcept override { return request_; }

    void complete(completion done) noexcept override {
        completions.push_back(done);
        over_ = !done.more;
        if (then) then(done);
    }

    /// Nothing is in flight: the last completion has come.
    bool over() const { return over_; }
    std::int32_t result() const { return completions.empty() ? no_result : completions.back().result; }
    void ask(const request& what) { request_ = what; }

    static constexpr std::int32_t no_result = INT32_MIN;
    std::vector<completion> completions;
    std::function<void(completion)> then;

  private:
    request request_;
    backend* io_;
    bool over_ = true;
};

/// Bytes that differ from their neighbours, so that a lost, doubled or displaced one is noticed.
inline std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 12345;
    for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
}

/// A descriptor that is closed with close(2): not by the backend.
class raw_fd {
  public:
    explicit raw_fd(int fd) : fd_(fd) {}
    raw_fd(raw_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    raw_fd& operator=(raw_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~raw_fd() { close(); }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_;
};

/// Sets a limit of the process, until the end of the scope.
class scoped_descriptor_limit {
  public:
    explicit scoped_descriptor_limit(rlim_t limit) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit changed = before_;
        changed.rlim_cur = limit < before_.rlim_max ? limit : before_.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &changed);
    }
    scoped_descriptor_limit(const scoped_descriptor_limit&) = delete;
    scoped_descriptor_limit& operator=(const scoped_descriptor_limit&) = delete;
    ~scoped_descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_;
};

class BackendFixture : public ::testing::TestWithParam<backend_kind> {
  protected:
    /// Whether the backend is one that a host loop can poll.
    virtual bool hosted() const { return false; }

    void SetUp() override {
        try {
            chosen_ = make_backend({.backend = GetParam(), .hosted = hosted()});
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
        io = chosen_->implementation.get();
    }

    void TearDown() override {
        if (io == nullptr) return;
        EXPECT_EQ(io->in_flight(), 0u);
        for (const int fd : opened_) io->close(fd);
        look();
    }

    /// Waits until `condition` holds. False when it still does not after so long that it never will.
    bool wait_until(const std::function<bool()>& condition) {
        const time_point patience = io->now() + std::chrono::seconds(20);
        while (!condition()) {
            if (io->now() >= patience) return false;
            io->wait(patience);
        }
        return true;
    }
    bool wait_for(const recorded& one) {
        return wait_until([&] { return one.over(); });
    }
    std::int32_t result_of(recorded& one) {
        one.submit();
        return wait_for(one) ? one.result() : recorded::no_result;
    }

    /// Lets everything happen that can happen without waiting.
    void look() {
        for (int i = 0; i < 3; ++i) io->wait(time_point::min());
    }

    recorded recv(int fd, std::string& buffer) {
        return recorded(*io, recv_request{fd, buffer.data(), buffer.size(), 0});
    }
    recorded send(int fd, std::string_view bytes) {
        return recorded(*io, send_request{fd, bytes.data(), bytes.size(), 0});
    }

    /// The bytes of one recv; what went wrong, otherwise.
    std::string received(int fd, std::size_t limit = 4096) {
        std::string buffer(limit, '?');
        recorded one = recv(fd, buffer);
        const std::int32_t result = result_of(one);
        if (result < 0) return "error " + std::to_string(-result);
        buffer.resize(static_cast<std::size_t>(result));
        return buffer;
    }

    /// Cancels what is still in flight and waits for its end.
    void cancel(recorded& one) {
        one.cancel();
        EXPECT_TRUE(wait_for(one));
    }

    struct socket_pair {
        int near;     ///< the backend's
        raw_fd peer;  ///< used with plain calls
    };

    socket_pair connected_pair(int type = SOCK_STREAM) {
        int pair[2];
        EXPECT_EQ(io->open_socket_pair(AF_UNIX, type, 0, pair), 0);
        const int peer = ::dup(pair[1]);
        ::fcntl(peer, F_SETFL, 0);  // a plain, blocking socket on every backend
        io->close(pair[1]);
        look();
        return {keep(pair[0]), raw_fd(peer)};
    }

    /// The same, but opened without the knowledge of the backend.
    socket_pair foreign_pair(int type = SOCK_STREAM) {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
        return {keep(pair[0]), raw_fd(pair[1])};
    }

    /// A listening TCP socket on a free port of the loopback interface.
    int tcp_listener(sockaddr_in& address, int backlog = 1024) {
        const int fd = keep(io->open_socket(AF_INET, SOCK_STREAM, 0));
        address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(io->bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(io->listen(fd, backlog), 0);
        std::uint32_t length = sizeof address;
        EXPECT_EQ(io->local_name(fd, &address, length), 0);
        return fd;
    }

    static raw_fd tcp_client(const sockaddr_in& address) {
        raw_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return fd;
    }

    socket_pair tcp_pair() {
        sockaddr_in address;
        const int listener = tcp_listener(address);
        raw_fd client = tcp_client(address);
        recorded accepting(*io, accept_request{listener, false});
        const int fd = result_of(accepting);
        EXPECT_GE(fd, 0);
        return {keep(fd), std::move(client)};
    }

    static void write_all(const raw_fd& fd, std::string_view bytes, int flags = 0) {
        while (!bytes.empty()) {
            const auto written = ::send(fd.get(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
            ASSERT_GT(written, 0) << std::strerror(errno);
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    /// What the peer can read without waiting.
    static std::string read_now(const raw_fd& fd) {
        std::string all;
        char buffer[65536];
        for (;;) {
            const auto count = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (count <= 0) return all;
            all.append(buffer, static_cast<std::size_t>(count));
        }
    }

    /// Closed by the backend at the end of the test.
    int keep(int fd) {
        opened_.push_back(fd);
        return fd;
    }
    int release(int fd) {
        std::erase(opened_, fd);
        return fd;
    }
    void close(int fd) {
        io->close(release(fd));
        look();
    }

    backend* io = nullptr;

  private:
    std::optional<chosen_backend> chosen_;
    std::vector<int> opened_;
};

inline std::string kind_name(const ::testing::TestParamInfo<backend_kind>& info) {
    return info.param == backend_kind::epoll ? "epoll" : "io_uring";
}

#define SENNIT_ON_EACH_BACKEND(suite)                                                                            \
    INSTANTIATE_TEST_SUITE_P(, suite,                                                                            \
                             ::testing::Values(::sennit::backend_kind::epoll, ::sennit::backend_kind::io_uring), \
                             ::sennit::testing::kind_name)

}  // namespace sennit::testing
