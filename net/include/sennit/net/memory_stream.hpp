#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <sennit/bytes.hpp>
#include <sennit/net/byte_stream.hpp>
#include <sennit/net/detail/memory_operation.hpp>

namespace sennit::net {

/// One end of a connection inside the program: an ordered stream of bytes in both directions that no kernel knows
/// of. For tests, and for talking to code that wants a stream. Movable; closed when it ends. Both ends belong to
/// one thread; they need no event loop to be made.
///
/// Its operations behave like those of `tcp_stream`, with the same errors: one task may receive while another
/// sends, a second receiver or sender gets `std::errc::device_or_resource_busy` at once, on a closed stream
/// everything gets `bad_file_descriptor`, and a cancelled scope is thrown as `cancelled`. In one thing it is
/// kinder: closing never resets the connection. What was sent before is still received, and then the end of the stream.
/// No operation allocates.
class memory_stream final {
  public:
    /// Two ends of a new connection. Each direction holds up to `capacity` bytes that were sent and not received;
    /// its memory is allocated here. Throws `std::invalid_argument` when that is 0.
    static std::pair<memory_stream, memory_stream> pair(std::size_t capacity = 65536);

    memory_stream(memory_stream&&) noexcept = default;
    memory_stream& operator=(memory_stream&& other) noexcept {
        memory_stream moved(std::move(other));
        std::swap(connection_, moved.connection_);
        std::swap(side_, moved.side_);
        return *this;
    }
    ~memory_stream() { close(); }

    /// Suspends until something has arrived; puts up to `buffer.size()` bytes there and gives their number, 0 when
    /// the peer has finished sending or was closed (or the buffer is empty). The buffer must stay until this has
    /// ended. Cancelling it loses nothing.
    detail::memory_receive recv(mutable_bytes buffer) noexcept { return {incoming(), buffer, false}; }

    /// Suspends until the whole buffer is filled; gives less than its size only when the peer finished sending
    /// before. Cancelled on the way, an unknown part of the buffer has been filled, and those bytes are taken.
    detail::memory_receive recv_exactly(mutable_bytes buffer) noexcept { return {incoming(), buffer, true}; }

    /// Suspends until all bytes, which must stay until then, are queued or received. Throws `broken_pipe` when the
    /// peer was closed or sending was finished. Cancelled on the way, an unknown part has been sent.
    detail::memory_send_all send(const_bytes bytes) noexcept { return {outgoing(), bytes}; }

    /// Suspends until there is room for something; gives the number of bytes that were queued. Cancelling it
    /// sends nothing.
    detail::memory_send_some send_some(const_bytes bytes) noexcept { return {outgoing(), bytes}; }

    /// Finishes sending: the peer receives the end of the stream after all that was sent. Receiving goes on. Does
    /// not suspend.
    detail::memory_shutdown shutdown_send() noexcept { return detail::memory_shutdown(outgoing()); }

    /// Ends this side. What other tasks wait for on it fails with `operation_canceled`; what its peer sends fails
    /// with `broken_pipe` from now on. Calling it again has no effect.
    void close() noexcept;
    bool is_open() const noexcept;

  private:
    struct connection;

    memory_stream(std::shared_ptr<connection> shared, std::size_t side) noexcept;
    detail::memory_pipe* incoming() const noexcept;
    detail::memory_pipe* outgoing() const noexcept;

    std::shared_ptr<connection> connection_;  // kept when closed: operations may have been made and not begun
    std::size_t side_;
};

static_assert(byte_stream<memory_stream>);

}  // namespace sennit::net
