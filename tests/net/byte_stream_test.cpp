// What byte streams promise, checked on each kind of stream.

#include <utility>

#include <sennit/net/memory_stream.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>

#include <sennit/testing/check_byte_stream.hpp>
#include "support/on_backends.hpp"

namespace sennit::net::byte_stream_test {

static_assert(byte_stream<tcp_stream>);
static_assert(byte_stream<unix_stream>);
static_assert(byte_stream<memory_stream>);

class ByteStream : public testing::OnBackends {};

task<std::pair<tcp_stream, tcp_stream>> tcp_pair() {
    auto listener = co_await tcp_listener::bind({"127.0.0.1", 0});
    auto client = co_await tcp_stream::connect(listener.local_endpoint());
    auto server = co_await listener.accept();
    std::pair<tcp_stream, tcp_stream> both(std::move(client), std::move(server));
    co_return both;
}

template <std::size_t Capacity>
task<std::pair<memory_stream, memory_stream>> memory_pair() {
    std::pair<memory_stream, memory_stream> both = memory_stream::pair(Capacity);
    co_return both;
}

TEST_P(ByteStream, TcpStreamKeepsThePromises) {
    testing::check_byte_stream(loop(), tcp_pair);
}

TEST_P(ByteStream, UnixStreamKeepsThePromises) {
    testing::check_byte_stream(loop(), unix_stream::pair);
}

TEST_P(ByteStream, MemoryStreamKeepsThePromises) {
    testing::check_byte_stream(loop(), memory_pair<65536>);
}

TEST_P(ByteStream, SmallMemoryStreamKeepsThePromises) {
    testing::check_byte_stream(loop(), memory_pair<61>);
}

SENNIT_ON_ALL_BACKENDS(ByteStream);

}  // namespace sennit::net::byte_stream_test
