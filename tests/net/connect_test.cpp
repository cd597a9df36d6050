// Connecting to one of several endpoints, on loopback: some refuse, some never answer, some are good.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <sennit/net/connect.hpp>
#include <sennit/request.hpp>
#include <sennit/result.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "support/on_backends.hpp"

namespace sennit::net::connect_test {

using namespace std::chrono_literals;

constexpr auto long_enough = std::chrono::minutes(2);  // turns what hangs into a failure
constexpr connect_options one_by_one{ip_family::any, std::chrono::hours(24)};
constexpr connect_options in_quick_succession{ip_family::any, std::chrono::milliseconds(0)};

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
}

/// A plain socket, none of sennit's.
class plain_socket {
  public:
    explicit plain_socket(int domain) : fd_(::socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    plain_socket(plain_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    plain_socket& operator=(plain_socket&&) = delete;
    ~plain_socket() {
        if (fd_ >= 0) ::close(fd_);
    }

    int bind(const endpoint& where) const { return call(::bind, where); }
    int connect(const endpoint& where) const { return call(::connect, where); }
    int listen(int backlog) const { return ::listen(fd_, backlog); }
    bool is_writable() const {
        pollfd asked{fd_, POLLOUT, 0};
        return ::poll(&asked, 1, 0) == 1;
    }
    endpoint local() const {
        alignas(8) std::array<unsigned char, endpoint::max_sockaddr_size> storage;
        socklen_t length = storage.size();
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(storage.data()), &length);
        return endpoint::from_sockaddr(storage.data(), length);
    }

  private:
    template <class Call>
    int call(Call function, const endpoint& where) const {
        alignas(8) std::array<unsigned char, endpoint::max_sockaddr_size> storage;
        const std::uint32_t length = where.to_sockaddr(storage.data());
        return function(fd_, reinterpret_cast<const sockaddr*>(storage.data()), length) == 0 ? 0 : errno;
    }

    int fd_;
};

/// An endpoint at which nobody listens, for as long as this exists: bound sockets that do not listen refuse.
class refusing {
  public:
    explicit refusing(const char* address = "127.0.0.1") : socket_(AF_INET) {
        EXPECT_EQ(socket_.bind(endpoint(address, 0)), 0);
    }
    endpoint where() const { return socket_.local(); }

  private:
    plain_socket socket_;
};

/// An endpoint that never answers: the queue of its listener is full, and the kernel drops what comes then.
class black_hole {
  public:
    black_hole() : listener_(AF_INET) {
        EXPECT_EQ(listener_.bind(endpoint("127.0.0.1", 0)), 0);
        EXPECT_EQ(listener_.listen(0), 0);
        do {
            fillers_.emplace_back(AF_INET);
            EXPECT_EQ(fillers_.back().connect(where()), EINPROGRESS);
        } while (fillers_.back().is_writable() && fillers_.size() < 100);
        EXPECT_LT(fillers_.size(), 100U) << "this kernel's queues have no end";
    }
    endpoint where() const { return listener_.local(); }

  private:
    plain_socket listener_;
    std::vector<plain_socket> fillers_;
};

/// A backend that is another one, except that it counts connects and can hold them back to let them go together.
class connect_gate final : public backend {
  public:
    explicit connect_gate(std::unique_ptr<backend> io) : io_(std::move(io)) {}

    /// Connects wait until there are so many of them.
    void hold_until(std::size_t count) { together_ = count; }
    /// Called at each connect with the number of connects so far.
    std::function<void(std::size_t)> on_connect;
    /// Called when completions have been delivered and no coroutine has gone on yet.
    std::function<void()> after_wait;

    void submit(operation& what) noexcept override {
        if (!std::holds_alternative<connect_request>(what.what())) return io_->submit(what);
        held_.push_back(&what);
        if (held_.size() >= together_) {
            for (operation* each : std::exchange(held_, {})) io_->submit(*each);
        }
        if (on_connect) on_connect(++connects_);
    }
    void cancel(operation& what) noexcept override {
        if (std::erase(held_, &what) != 0) io_->submit(what);
        io_->cancel(what);
    }
    std::size_t in_flight() const noexcept override { return io_->in_flight() + held_.size(); }

    std::string_view name() const noexcept override { return io_->name(); }
    time_point now() noexcept override { return io_->now(); }
    bool wait(time_point deadline) override {
        const bool may_have_passed = io_->wait(deadline);
        if (after_wait) after_wait();
        return may_have_passed;
    }
    void wake() noexcept override { io_->wake(); }
    int poll_descriptor() const noexcept override { return io_->poll_descriptor(); }
    int open_socket(int domain, int type, int protocol) noexcept override {
        return io_->open_socket(domain, type, protocol);
    }
    int open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept override {
        return io_->open_socket_pair(domain, type, protocol, pair);
    }
    int bind(int fd, const sockaddr* address, std::uint32_t length) noexcept override {
        return io_->bind(fd, address, length);
    }
    int listen(int fd, int backlog) noexcept override { return io_->listen(fd, backlog); }
    int local_name(int fd, void* address, std::uint32_t& length) noexcept override {
        return io_->local_name(fd, address, length);
    }
    int peer_name(int fd, void* address, std::uint32_t& length) noexcept override {
        return io_->peer_name(fd, address, length);
    }
    int set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept override {
        return io_->set_option(fd, level, name, value, size);
    }
    int get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept override {
        return io_->get_option(fd, level, name, value, size);
    }
    int shutdown(int fd, int how) noexcept override { return io_->shutdown(fd, how); }
    void close(int fd) noexcept override { io_->close(fd); }

  private:
    std::unique_ptr<backend> io_;
    std::vector<operation*> held_;
    std::size_t together_ = 1;
    std::size_t connects_ = 0;
};

class Connect : public testing::OnBackends {
  protected:
    /// A loop of its own behind a gate, which belongs to the loop.
    std::unique_ptr<event_loop> gated_loop(connect_gate*& gate) {
        chosen_backend chosen = make_backend({GetParam()});
        auto gated = std::make_unique<connect_gate>(std::move(chosen.implementation));
        gate = gated.get();
        return std::make_unique<event_loop>(chosen_backend{std::move(gated), chosen.reason});
    }

    /// Descriptors that are open when the kernel has seen every close.
    static std::ptrdiff_t open_descriptors_after(event_loop& loop) {
        while (loop.io().in_flight() != 0) loop.run_once(no_deadline);
        loop.run_once();
        return open_descriptors();
    }

    /// The text with which connecting fails.
    std::string refusal(task<tcp_stream> connecting, std::errc expected = std::errc::connection_refused) {
        try {
            loop().run(std::move(connecting));
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code(), expected);
            return error.what();
        }
        return "it connected";
    }
};

/// Whom the winner of a race is connected to.
task<endpoint> winner_of(task<tcp_stream> race) {
    const tcp_stream stream = co_await with_timeout(long_enough, std::move(race));
    EXPECT_TRUE(stream.no_delay());
    co_return stream.peer_endpoint();
}

TEST_P(Connect, ReachesAHostByName) {
    run([]() -> task<> {
        auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
        const endpoint where = listener.local_endpoint();
        auto client = co_await connect("localhost", where.port());
        EXPECT_EQ(client.peer_endpoint(), where);
        auto server = co_await listener.accept();
        co_await client.send("hello");
        std::array<char, 5> buffer;
        co_await server.recv_exactly(buffer);
        EXPECT_EQ(std::string_view(buffer.data(), buffer.size()), "hello");
    });
}

TEST_P(Connect, GoesOnAtOnceWhenAnAttemptFails) {
    const refusing closed;
    run([&]() -> task<> {
        auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
        const endpoint good = listener.local_endpoint();
        const std::vector candidates{closed.where(), closed.where(), good};
        const endpoint reached = co_await winner_of(connect_any(candidates, one_by_one));
        EXPECT_EQ(reached, good);
    });
}

TEST_P(Connect, DoesNotWaitForOneThatNeverAnswers) {
    const black_hole silent;
    const refusing closed;
    const auto before = open_descriptors();
    run([&]() -> task<> {
        auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
        const endpoint good = listener.local_endpoint();
        const std::vector candidates{silent.where(), closed.where(), silent.where(), good};
        const endpoint reached = co_await winner_of(connect_any(candidates, in_quick_succession));
        EXPECT_EQ(reached, good);
    });
    EXPECT_EQ(open_descriptors_after(loop()), before) << "the losers must be closed";
}

TEST_P(Connect, StartsNoMoreAttemptsThanNecessary) {
    SENNIT_NEEDS_KERNEL("its loop has a gate in front of the backend");
    connect_gate* gate;
    const auto gated = gated_loop(gate);
    std::size_t attempts = 0;
    gate->on_connect = [&](std::size_t count) { attempts = count; };
    const auto body = [&]() -> task<> {
        auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
        const endpoint good = listener.local_endpoint();
        const std::vector candidates{good, endpoint("127.0.0.1", 1), endpoint("127.0.0.1", 1)};
        const endpoint reached = co_await winner_of(connect_any(candidates, one_by_one));
        EXPECT_EQ(reached, good);
    };
    gated->run(body());
    EXPECT_EQ(attempts, 1U);
}

TEST_P(Connect, TwoThatSucceedAtOnceGiveOneConnection) {
    SENNIT_NEEDS_KERNEL("its loop has a gate in front of the backend");
    connect_gate* gate;
    const auto gated = gated_loop(gate);
    const auto before = open_descriptors();
    gate->hold_until(2);
    const auto body = [&]() -> task<> {
        auto first = co_await tcp_listener::bind({"127.0.0.1", 0});
        auto second = co_await tcp_listener::bind({"127.0.0.1", 0});
        const std::vector candidates{first.local_endpoint(), second.local_endpoint()};
        auto winner = co_await with_timeout(long_enough, connect_any(candidates, in_quick_succession));

        auto to_first = co_await first.accept();
        auto to_second = co_await second.accept();
        const bool first_won = winner.peer_endpoint() == candidates[0];
        tcp_stream& kept = first_won ? to_first : to_second;
        tcp_stream& lost = first_won ? to_second : to_first;
        std::array<char, 8> buffer;
        const auto end = co_await as_result(with_timeout(long_enough, lost.recv(buffer)));
        EXPECT_TRUE(end.has_value() && *end == 0) << "the other connection was not closed";
        co_await winner.send("winner");
        const std::size_t count = co_await kept.recv(buffer);
        EXPECT_EQ(std::string_view(buffer.data(), count), "winner");
    };
    gated->run(body());
    EXPECT_EQ(open_descriptors_after(*gated), before);
}

TEST_P(Connect, CancellingGivesUpAllAttempts) {
    SENNIT_NEEDS_KERNEL("its loop has a gate in front of the backend");
    connect_gate* gate;
    const auto gated = gated_loop(gate);
    const black_hole silent;
    const auto before = open_descriptors();
    bool connected = false;
    const auto body = [&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            gate->on_connect = [&](std::size_t count) {
                if (count == 3) gated->post([&group] { group.cancel(); });
            };
            group.spawn([&]() -> task<> {
                const std::vector candidates{silent.where(), silent.where(), silent.where(), silent.where()};
                co_await connect_any(candidates, in_quick_succession);
                connected = true;
            });
            co_return;
        });
    };
    gated->run(body());
    EXPECT_FALSE(connected);
    EXPECT_EQ(gated->describe(), "");
    EXPECT_EQ(open_descriptors_after(*gated), before);
}

TEST_P(Connect, AConnectionThatStandsWhenItIsCancelledIsGiven) {
    SENNIT_NEEDS_KERNEL("its loop has a gate in front of the backend");
    connect_gate* gate;
    const auto gated = gated_loop(gate);
    bool connected = false;
    const auto body = [&]() -> task<> {
        auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
        const std::vector candidates{listener.local_endpoint()};
        std::size_t attempts = 0;
        gate->on_connect = [&](std::size_t count) { attempts = count; };
        co_await with_task_group([&](task_group& group) -> task<> {
            gate->after_wait = [&] {
                if (attempts == 1 && gate->in_flight() == 0) group.cancel();
            };
            group.spawn([&]() -> task<> {
                const tcp_stream stream = co_await connect_any(candidates, one_by_one);
                connected = stream.peer_endpoint() == candidates.front();
            });
            co_return;
        });
        gate->after_wait = nullptr;
    };
    gated->run(body());
    EXPECT_TRUE(connected);
}

TEST_P(Connect, ATimeoutReachesTheAttempts) {
    SENNIT_NEEDS_KERNEL("a listener of the machine must be silent");
    const black_hole silent;
    const auto before = open_descriptors();
    const std::string text = refusal(with_timeout(30ms, connect_any({silent.where()}, {})), std::errc::timed_out);
    EXPECT_NE(text, "it connected");
    EXPECT_EQ(open_descriptors_after(loop()), before);
}

TEST_P(Connect, NamesTheHostAndEachEndpointWhenAllFail) {
    const refusing a;
    const refusing b("127.0.0.2");
    const std::string why = std::make_error_code(std::errc::connection_refused).message();
    const std::string first = a.where().to_string();
    const std::string second = b.where().to_string();
    EXPECT_EQ(refusal(connect_any({a.where(), b.where()}, one_by_one)),
              "connect to any of 2 endpoints (" + first + ": " + why + "; " + second + ": " + why + "): " + why);
    EXPECT_EQ(refusal(connect_any({a.where()}, {})), "connect to " + first + ": " + why);
    EXPECT_EQ(refusal(connect("127.0.0.1", a.where().port())), "connect to " + first + ": " + why);
    EXPECT_EQ(refusal(connect("localhost", a.where().port(), {ip_family::ipv4, 250ms})),
              "connect to localhost:" + std::to_string(a.where().port()) + " (" + first + "): " + why);
}

TEST_P(Connect, TriesTheFamiliesInTurn) {
    const refusing closed;
    const std::uint16_t port = closed.where().port();
    const std::vector candidates{endpoint("127.0.0.1", port), endpoint("127.0.0.1", port), endpoint("127.0.0.1", port),
                                 endpoint("::ffff:127.0.0.1", port), endpoint("::ffff:127.0.0.1", port)};
    std::string text = refusal(connect_any(candidates, one_by_one));
    std::string order;
    for (std::size_t at = text.find('('); at != std::string::npos; at = text.find("; ", at + 1)) {
        order += text.substr(at, 4).find('[') == std::string::npos ? '4' : '6';
    }
    EXPECT_EQ(order, "46464") << text;
}

TEST_P(Connect, ReachesTheGoodFamily) {
    const plain_socket probe(AF_INET6);
    const int error = probe.bind(endpoint("::1", 0));
    if (error != 0) GTEST_SKIP() << "no IPv6 here: " << std::generic_category().message(error);
    const black_hole silent;
    run([&]() -> task<> {
        auto listener = co_await tcp_listener::bind({"::1", 0});
        const endpoint good = listener.local_endpoint();
        const std::vector candidates{silent.where(), silent.where(), silent.where(), good};
        const endpoint reached = co_await winner_of(connect_any(candidates, in_quick_succession));
        EXPECT_EQ(reached, good);
    });
}

TEST_P(Connect, ErrorsOfResolvingComeThrough) {
    const std::string text = refusal(connect(std::string(64, 'a'), 80), std::errc::no_such_device_or_address);
    EXPECT_EQ(text.find("resolve aaa"), 0U) << text;
}

TEST_P(Connect, RefusesListsItCannotUse) {
    EXPECT_THROW(loop().run(connect_any({}, {})), std::invalid_argument);
    const std::vector candidates{endpoint("127.0.0.1", 1), endpoint::unix_path("/nowhere")};
    EXPECT_THROW(loop().run(connect_any(candidates, {})), std::invalid_argument);
}

SENNIT_ON_ALL_BACKENDS(Connect);

}  // namespace sennit::net::connect_test
