#pragma once

// What the tests of the io_uring backend share: a backend on a forced rung, with queues of the test's choice.

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "backend_fixture.hpp"
#include "backends/uring_backend.hpp"

namespace sennit::testing {

using rung = uring_options::rung;

constexpr uring_options with_queues(rung wanted, unsigned entries, unsigned cq_entries = 0) {
    return {wanted, entries, cq_entries};
}

class UringFixture : public ::testing::TestWithParam<rung> {
  protected:
    void SetUp() override {
        try {
            make(with_queues(GetParam(), 1024));
        } catch (const uring_unavailable& error) {
            GTEST_SKIP() << error.what();
        }
    }

    void TearDown() override {
        if (io == nullptr) return;
        EXPECT_EQ(io->in_flight(), 0u);
        chosen_.reset();
        for (const int fd : opened_) EXPECT_EQ(::close(fd), 0);
    }

    /// Makes the backend of this test, instead of the one there is.
    void make(const uring_options& options) {
        destroy_backend();
        chosen_ = make_uring_backend(options);
        io = chosen_->implementation.get();
    }
    void make_tiny() { make(with_queues(GetParam(), 2, 4)); }
    void destroy_backend() {
        io = nullptr;
        chosen_.reset();
    }
    const std::string& reason() const { return chosen_->reason; }

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
    bool wait_for_all(const std::deque<recorded>& all) {
        return wait_until([&] { return std::ranges::all_of(all, &recorded::over); });
    }
    void look() { io->wait(time_point::min()); }

    /// Two connected sockets; the test closes what it does not give to the backend to close.
    std::pair<int, int> socket_pair() {
        int pair[2];
        EXPECT_EQ(io->open_socket_pair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        opened_.insert({pair[0], pair[1]});
        return {pair[0], pair[1]};
    }
    void close(int fd) {
        opened_.erase(fd);
        io->close(fd);
    }

    int event_counter() {
        const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        opened_.insert(fd);
        return fd;
    }
    recorded polling(int fd) { return recorded(*io, poll_request{fd, POLLIN}); }
    recorded sending(int fd, const char& byte) { return recorded(*io, send_request{fd, &byte, 1, 0}); }

    static bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
    static std::string read_now(int fd) {
        char buffer[65536];
        const auto count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        return count < 0 ? "error " + std::to_string(errno) : std::string(buffer, static_cast<std::size_t>(count));
    }

    backend* io = nullptr;

  private:
    std::optional<chosen_backend> chosen_;
    std::set<int> opened_;
};

inline std::string rung_name(const ::testing::TestParamInfo<rung>& info) {
    return info.param == rung::defer ? "defer" : info.param == rung::coop ? "coop" : "plain";
}

inline std::string letters(std::size_t count) {
    std::string text(count, ' ');
    for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>('a' + i % 26);
    return text;
}

#define SENNIT_ON_EACH_RUNG(suite)                                                                            \
    INSTANTIATE_TEST_SUITE_P(, suite,                                                                         \
                             ::testing::Values(::sennit::testing::rung::defer, ::sennit::testing::rung::coop, \
                                               ::sennit::testing::rung::plain),                               \
                             ::sennit::testing::rung_name)

}  // namespace sennit::testing
