#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/sleep.hpp>
#include <sennit/testing/co_assert.hpp>
#include <sennit/when_all.hpp>

#include "common/byte_pattern.hpp"

namespace sennit::testing {

inline const net::endpoint server_place{"10.0.0.1", 21111};

/// How far a client has come that sends bytes and expects them back.
struct transfer {
    std::uint64_t first = 0;  // position in the pattern: others have other bytes
    std::uint64_t size = 0;   // bytes
    std::uint64_t sent = 0;   // bytes that were given to the kernel, at least
    std::uint64_t echoed = 0;
    bool end_seen = false;

    bool is_complete() const noexcept { return echoed == size && end_seen; }
};

/// So many transfers at the same time.
class transfers {
  public:
    static constexpr std::uint64_t usual_size = 60'000;

    explicit transfers(std::size_t count, std::uint64_t of_size = usual_size) : all_(count) {
        for (std::size_t i = 0; i != count; ++i) all_[i] = {1009 * i, of_size};
    }
    transfer& operator[](std::size_t i) { return all_[i]; }

    bool are_complete() const {
        return std::all_of(all_.begin(), all_.end(), [](const transfer& each) { return each.is_complete(); });
    }
    std::uint64_t echoed() const {
        std::uint64_t sum = 0;
        for (const transfer& each : all_) sum += each.echoed;
        return sum;
    }

  private:
    std::vector<transfer> all_;
};

inline const app::byte_pattern& pattern() {
    static const app::byte_pattern bytes;
    return bytes;
}

template <class Stream>
task<> send_pattern(Stream& stream, transfer& progress) {
    constexpr std::uint64_t piece = 5000;
    while (progress.sent != progress.size) {
        const auto count = std::min(piece, progress.size - progress.sent);
        co_await stream.send(pattern().piece(progress.first + progress.sent, count));
        progress.sent += count;
    }
    co_await stream.shutdown_send();
}

/// No byte may be wrong, whatever goes wrong.
template <class Stream>
task<> expect_pattern(Stream& stream, transfer& progress) {
    std::array<std::byte, 8192> buffer;
    while (const std::size_t count = co_await stream.recv(buffer)) {
        CO_ASSERT_LE(progress.echoed + count, progress.size);
        CO_ASSERT_TRUE(pattern().matches(progress.first + progress.echoed, const_bytes(buffer).first(count)))
            << "after " << progress.echoed << " bytes";
        progress.echoed += count;
    }
    progress.end_seen = true;
}

/// Both directions at once, to the end. Throws what the connection throws.
template <class Stream>
task<> exchange(Stream stream, transfer& progress) {
    co_await when_all(send_pattern(stream, progress), expect_pattern(stream, progress));
}

/// How a client finds an echo server that has just been started.
template <class Stream>
task<> exchange_with(net::endpoint where, transfer& progress) {
    co_await sleep_for(std::chrono::milliseconds(1));
    auto stream = co_await Stream::connect(where);
    co_await exchange(std::move(stream), progress);
}

/// The same for a connection that may break. The bytes that came were right then, too.
template <class Stream>
task<> try_to_exchange_with(net::endpoint where, transfer& progress) {
    const auto done = co_await as_result(exchange_with<Stream>(where, progress));
    static_cast<void>(done);
}

}  // namespace sennit::testing
