#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <sennit/bytes.hpp>
#include <sennit/net/buffer_lease.hpp>
#include <sennit/net/detail/lease_awaiter.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/detail/socket_operation.hpp>
#include <sennit/net/detail/vectored_send.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net {

/// What TCP and Unix streams have in common: a connected, ordered stream of bytes in both directions. Movable; the
/// connection is closed when the object ends.
///
/// One task may receive while another sends. A second receiver, or a second sender, gets
/// `std::errc::device_or_resource_busy` at once; on a closed stream everything gets `bad_file_descriptor`. All
/// operations throw `std::system_error` with the kernel's error code, and `cancelled` when their scope is cancelled.
class stream_socket {
  public:
    /// Suspends until something has arrived; puts up to `buffer.size()` bytes there and gives their number,
    /// 0 when the peer has finished sending. Into an empty buffer it gives 0 at once. The buffer must stay until this
    /// has ended. Cancelling it loses nothing: bytes that had been taken are returned, the others stay for the next
    /// call. Source: recv(2).
    detail::transfer_awaiter<recv_request> recv(mutable_bytes buffer) {
        return {core_, detail::direction::receiving, recv_request{fd(), buffer.data(), buffer.size(), 0}};
    }

    /// Like `recv`, into a buffer that the loop lends: suspends until something has arrived and gives a lease of it, an
    /// empty one when the peer has finished sending. A connection that waits here owns no buffer; use it
    /// where many connections are idle. When all buffers are lent it also waits for one, first come, first served; when
    /// `buffer_lease::most_per_stream` leases of this stream exist, it throws `no_buffer_space` at once. Cancelling it
    /// loses nothing.
    ///
    /// `while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);`
    detail::lease_awaiter recv_lease() { return detail::lease_awaiter(core_); }

    /// Suspends until the whole buffer is filled; gives less than its size only when the peer finished sending before.
    /// Cancelled on the way, an unknown part of the buffer has been filled, and the position in the stream is lost.
    detail::recv_exactly_awaiter recv_exactly(mutable_bytes buffer) { return {core_, buffer}; }

    /// Suspends until the kernel has taken all bytes, which must stay until then. The peer need not have received
    /// them. Cancelled on the way, an unknown part has been sent: end the connection then. A peer
    /// that is gone is an error (`broken_pipe`, `connection_reset`), never a signal. Source: send(2).
    detail::send_all_awaiter send(const_bytes bytes) { return {core_, bytes}; }

    /// The same for what a lease has brought, which must stay until then.
    detail::lease_send_awaiter send(const buffer_lease& lease) { return {core_, lease}; }

    /// The parts one after the other, as if they were one, without copying them. The parts and the span itself must
    /// stay until this has ended; otherwise like `send`. Source: sendmsg(2).
    detail::vectored_send_awaiter send_vectored(std::span<const const_bytes> parts) { return {core_, parts}; }

    /// Suspends until the kernel takes something; gives the number of bytes it took. Cancelling it loses nothing:
    /// what had been taken is returned. Source: send(2).
    detail::transfer_awaiter<send_request> send_some(const_bytes bytes) {
        return {core_, detail::direction::sending, send_request{fd(), bytes.data(), bytes.size(), 0}};
    }

    /// Finishes sending: the peer receives the end of the stream after all that was sent. Receiving goes on. Source:
    /// shutdown(2) with SHUT_WR.
    detail::shutdown_awaiter shutdown_send();

    /// Ends the connection. What other tasks wait for on it fails with `operation_canceled`. Calling it again
    /// has no effect.
    void close() noexcept {
        if (core_) core_->close();
    }
    bool is_open() const noexcept { return fd() >= 0; }

    /// Both throw `std::system_error`, also when the connection is gone. Source: getsockname(2), getpeername(2).
    endpoint local_endpoint() const { return open_core().local_endpoint(); }
    endpoint peer_endpoint() const { return open_core().peer_endpoint(); }

    /// The sizes of the kernel's buffers in bytes; the kernel may round what it is given. Source: socket(7).
    void set_receive_buffer_size(int bytes);
    void set_send_buffer_size(int bytes);
    int receive_buffer_size() const;
    int send_buffer_size() const;

    /// The descriptor, for options that have no function here; -1 when closed. It stays the stream's. To read from it
    /// ask for it before the first `recv`: where small messages come one after the other, the loop may have received
    /// what nobody has asked for yet, which comes with the next `recv`. From this call on it does so no more.
    int native_handle() const noexcept { return core_ ? core_->show_descriptor() : -1; }

    /// For the library.
    const detail::socket_ref& core() const noexcept { return core_; }

  protected:
    explicit stream_socket(detail::socket_ref core) noexcept : core_(std::move(core)) {}
    stream_socket(stream_socket&&) noexcept = default;
    stream_socket& operator=(stream_socket&&) noexcept = default;
    ~stream_socket() = default;

    int fd() const noexcept { return core_ ? core_->fd() : -1; }
    detail::socket_core& open_core() const;

  private:
    detail::socket_ref core_;
};

}  // namespace sennit::net
