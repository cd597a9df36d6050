#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <sennit/bytes.hpp>
#include <sennit/detail/awaitable.hpp>

namespace sennit::net {

/// A connected, ordered stream of bytes in both directions. `tcp_stream`, `unix_stream` and `memory_stream` are;
/// code written against this concept runs on all of them.
///
/// - `recv(buffer)`: what has arrived, at least one byte, or 0 at the end of the stream.
/// - `send(bytes)`: all of it.
/// - `shutdown_send()`: the peer receives the end of the stream after what was sent.
/// - `close()`: ends both directions at once; what waits fails with `operation_canceled`.
template <class Stream>
concept byte_stream = std::movable<Stream> && requires(Stream& stream, mutable_bytes buffer, const_bytes bytes) {
    {
        std::declval<sennit::detail::await_result_t<decltype(stream.recv(buffer))>>()
        } -> std::convertible_to<std::size_t>;
    requires std::is_void_v<sennit::detail::await_result_t<decltype(stream.send(bytes))>>;
    requires std::is_void_v<sennit::detail::await_result_t<decltype(stream.shutdown_send())>>;
    { stream.close() }
    noexcept;
};

}  // namespace sennit::net
