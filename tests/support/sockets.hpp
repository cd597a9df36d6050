#pragma once

// What the tests of sockets share: connected pairs, peers made of plain system calls, and errors as values.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/frame_pool.hpp>
#include <sennit/net/endpoint.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/timeout.hpp>

#include <sennit/testing/co_assert.hpp>
#include "on_backends.hpp"
#include "raw_socket.hpp"

namespace sennit::testing {

/// A test that hangs fails after this long, and names what it waited for.
inline constexpr std::chrono::seconds patience{60};

/// Sanitizers make everything slower; so much is then enough.
inline constexpr bool sanitized = SENNIT_FRAME_POOL == 0;

class SocketTest : public OnBackends {
  protected:
    void SetUp() override {
        OnBackends::SetUp();
        if (!IsSkipped()) raw_calls_on(loop());
    }
    void TearDown() override {
        raw_calls_on_the_machine();
        OnBackends::TearDown();
    }

    /// Runs the coroutine that `body` returns to its end, or gives it up when it hangs.
    template <class Body>
    auto run(Body body) {
        return OnBackends::run([&] { return with_timeout(patience, body()); });
    }
};

/// Lets everything happen that can happen without waiting for a peer.
inline task<> settle(int turns = 6) {
    for (int i = 0; i < turns; ++i) co_await sleep_for(std::chrono::nanoseconds(0));
}

/// How the operation failed; no error when it did not.
template <class Awaitable>
task<std::error_code> error_of(Awaitable awaitable) {
    const auto outcome = co_await as_result(std::move(awaitable));
    co_return outcome.error();
}

/// The text of the exception that the operation throws; empty when it throws none.
template <class Awaitable>
task<std::string> text_of(Awaitable awaitable) {
    try {
        static_cast<void>(co_await std::move(awaitable));
    } catch (const std::exception& error) {
        co_return std::string(error.what());
    }
    co_return std::string();
}

/// Two ends of a TCP connection: the one that connected and the one that was accepted.
inline task<std::pair<net::tcp_stream, net::tcp_stream>> tcp_pair() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    auto connected = co_await net::tcp_stream::connect(listener.local_endpoint());
    auto accepted = co_await listener.accept();
    std::pair<net::tcp_stream, net::tcp_stream> both(std::move(connected), std::move(accepted));
    co_return both;
}

/// Everything up to the end of the stream.
template <class Stream>
task<std::string> read_all(Stream& stream) {
    std::string all;
    std::vector<char> buffer(65536);
    while (const std::size_t count = co_await stream.recv(buffer)) all.append(buffer.data(), count);
    co_return all;
}

/// As many bytes as `text` has, as text.
template <class Stream>
task<std::string> read_exactly(Stream& stream, std::size_t size) {
    std::string text(size, '?');
    const std::size_t count = co_await stream.recv_exactly(text);
    text.resize(count);
    co_return text;
}

/// Asks, and waits for the same back; this many times.
template <class Stream>
task<> converse(Stream& stream, int times = 10) {
    for (int i = 0; i != times; ++i) {
        co_await stream.send("question");
        const std::string answer = co_await read_exactly(stream, 8);
        EXPECT_EQ(answer, "question");
    }
}

/// Bytes that differ from their neighbours, so that a lost, doubled or displaced one is noticed.
inline std::string noise(std::size_t size, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::string bytes(size, '\0');
    for (char& each : bytes) each = static_cast<char>(random());
    return bytes;
}

/// FNV-1a, for streams too long to keep.
class running_hash {
  public:
    void add(const void* data, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            value_ = (value_ ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
        }
    }
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xcbf29ce484222325u;
};

/// Descriptors of this process, or of the simulated host, that are open.
inline std::size_t open_descriptors() {
    if (raw_calls::simulated != nullptr) return raw_calls::simulated->open_descriptors();
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count - 1;  // the directory that was just read
}

inline bool has_ipv6_loopback() {
    const raw_socket probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = in6addr_loopback;
    return ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
}

/// A stream and its raw peer.
inline task<std::pair<net::tcp_stream, raw_socket>> tcp_with_raw_peer() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    raw_socket peer = raw_connect(listener.local_endpoint());
    auto accepted = co_await listener.accept();
    std::pair<net::tcp_stream, raw_socket> both(std::move(accepted), std::move(peer));
    co_return both;
}

/// A directory of its own for a test, removed at the end.
class scratch_directory {
  public:
    scratch_directory() {
        std::string name = "/tmp/sennit-test-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::system_category(), "mkdtemp");
        path_ = name;
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  private:
    std::string path_;
};

}  // namespace sennit::testing
