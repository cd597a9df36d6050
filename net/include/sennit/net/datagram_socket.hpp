#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <sennit/bytes.hpp>
#include <sennit/net/detail/batch_operation.hpp>
#include <sennit/net/detail/datagram_operation.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net {

/// What UDP and Unix datagram sockets have in common: whole messages, each from one sender, in no promised order (Unix
/// sockets keep it). Movable; closed when it ends.
///
/// One task may receive while another sends. A second receiver, or a second sender, gets
/// `std::errc::device_or_resource_busy` at once. Operations throw `std::system_error`, and `cancelled`
/// when their scope is cancelled. On a connected socket an earlier datagram that nobody took is reported as
/// `connection_refused` by the next operation.
class datagram_socket {
  public:
    /// Suspends until a datagram arrives. What does not fit the buffer is lost, which `datagram::truncated` tells. A
    /// datagram may be empty: a size of 0 is no end. Cancelling it loses none. Source: recvmsg(2).
    detail::receive_awaiter recv_from(mutable_bytes buffer) { return {core_, buffer}; }

    /// Suspends until the kernel has taken the datagram, which is sent whole or not at all. Throws `message_size` when
    /// it is too long. Cancelling it: it was sent or not. Source: sendmsg(2).
    detail::send_datagram_awaiter send_to(const_bytes bytes, const endpoint& receiver) {
        return {core_, bytes, receiver};
    }

    /// Like `recv_from`, for a connected socket, whose peer is the only sender.
    detail::receive_awaiter recv(mutable_bytes buffer) { return {core_, buffer}; }

    /// Like `send_to`, to the peer of a connected socket; throws `destination_address_required` on another.
    detail::send_datagram_awaiter send(const_bytes bytes) { return {core_, bytes}; }

    /// Suspends until a datagram arrives, then takes as many as have arrived and fit in `batch`, whose content it
    /// replaces. Returns their number, which is at least 1. Where many datagrams come this costs a fraction of
    /// `recv_from`. Cancelling it loses none. Source: recvmmsg(2).
    detail::recv_batch_awaiter recv_batch(datagram_batch& batch) { return {core_, batch}; }

    /// Suspends until the kernel has taken all datagrams of `batch`, in order. One that it refuses does not hold up the
    /// others: `datagram_batch::item::error` says why. Returns how many were sent. An empty batch is sent at once.
    /// Cancelling it: the first ones may have been sent. Source: sendmmsg(2).
    detail::send_batch_awaiter send_batch(datagram_batch& batch) { return {core_, batch}; }

    /// Ends the socket. What other tasks wait for on it fails with `operation_canceled`.
    void close() noexcept {
        if (core_) core_->close();
    }
    bool is_open() const noexcept { return core_ && core_->fd() >= 0; }

    /// Both throw `std::system_error`. Source: getsockname(2), getpeername(2).
    endpoint local_endpoint() const { return open_core().local_endpoint(); }
    endpoint peer_endpoint() const { return open_core().peer_endpoint(); }

    /// The sizes of the kernel's buffers in bytes; the kernel may round what it is given. Source: socket(7).
    void set_receive_buffer_size(int bytes);
    void set_send_buffer_size(int bytes);

    /// The descriptor, for options that have no function here; -1 when closed. It stays the socket's.
    int native_handle() const noexcept { return core_ ? core_->fd() : -1; }

  protected:
    explicit datagram_socket(detail::socket_ref core) noexcept : core_(std::move(core)) {}
    datagram_socket(datagram_socket&&) noexcept = default;
    datagram_socket& operator=(datagram_socket&&) noexcept = default;
    ~datagram_socket() = default;

    detail::socket_core& open_core() const;

  private:
    detail::socket_ref core_;
};

}  // namespace sennit::net
