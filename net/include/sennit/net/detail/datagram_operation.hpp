#pragma once

#include <cstddef>
#include <type_traits>

#include <sennit/bytes.hpp>
#include <sennit/net/detail/message_header.hpp>
#include <sennit/net/detail/socket_operation.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net {

/// What is known of a datagram that was received.
class datagram {
  public:
    datagram(std::size_t received, bool cut, const endpoint& from) noexcept
        : size(received), truncated(cut), sender(from) {}

    std::size_t size;  ///< bytes in the buffer; may be 0
    bool truncated;    ///< the datagram was longer than the buffer, and the rest is lost
    endpoint sender;   ///< who sent it; unnamed for a Unix socket that is not bound
};
static_assert(std::is_trivially_destructible_v<datagram> && !std::is_aggregate_v<datagram>);

namespace detail {

class [[nodiscard]] receive_awaiter final : public request_on_socket<recvmsg_request> {
  public:
    receive_awaiter(const socket_ref& core, mutable_bytes buffer) noexcept
        : request_on_socket(core, direction::receiving, recvmsg_request{core ? core->fd() : -1, nullptr, 0}),
          part_{buffer.data(), buffer.size()} {}
    receive_awaiter(receive_awaiter&& other) noexcept : request_on_socket(std::move(other)), part_(other.part_) {}

    datagram await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
        return received();
    }
    result<datagram> await_result() const {
        if (const auto error = outcome()) return error;
        return received();
    }

  private:
    bool prepare() noexcept override;
    datagram received() const noexcept;

    io_part part_;
    message_header message_;
    alignas(8) unsigned char sender_[endpoint::max_sockaddr_size];
};

class [[nodiscard]] send_datagram_awaiter final : public request_on_socket<sendmsg_request> {
  public:
    /// To the connected peer.
    send_datagram_awaiter(const socket_ref& core, const_bytes bytes) noexcept;
    send_datagram_awaiter(const socket_ref& core, const_bytes bytes, const endpoint& receiver) noexcept;
    send_datagram_awaiter(send_datagram_awaiter&& other) noexcept;

    void await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
    }
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }

  private:
    bool prepare() noexcept override;

    io_part part_;
    message_header message_;
    alignas(8) unsigned char receiver_[endpoint::max_sockaddr_size];
    std::uint32_t receiver_length_ = 0;
};

}  // namespace detail

}  // namespace sennit::net
