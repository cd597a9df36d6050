#pragma once

#include <cstddef>

#include <sennit/net/datagram_batch.hpp>
#include <sennit/net/detail/socket_operation.hpp>

namespace sennit::net::detail {

/// Receives as many datagrams as there are and fit.
class [[nodiscard]] recv_batch_awaiter final : public request_on_socket<recvmmsg_request> {
  public:
    recv_batch_awaiter(const socket_ref& core, datagram_batch& batch) noexcept;
    recv_batch_awaiter(recv_batch_awaiter&&) noexcept = default;

    void complete(completion done) noexcept override;

    std::size_t await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
        return static_cast<std::size_t>(result_);
    }
    result<std::size_t> await_result() const {
        if (const auto error = outcome()) return error;
        return static_cast<std::size_t>(result_);
    }

  private:
    bool prepare() noexcept override;

    batch_storage* batch_;
};

/// Sends all datagrams of a batch, except for those that cannot be sent.
class [[nodiscard]] send_batch_awaiter final : public request_on_socket<sendmmsg_request> {
  public:
    send_batch_awaiter(const socket_ref& core, datagram_batch& batch) noexcept;
    send_batch_awaiter(send_batch_awaiter&&) noexcept = default;

    bool await_ready() const noexcept;
    void complete(completion done) noexcept override;

    std::size_t await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
        return sent_;
    }
    result<std::size_t> await_result() const {
        if (const auto error = outcome()) return error;
        return sent_;
    }

  private:
    bool prepare() noexcept override;

    batch_storage* batch_;
    std::size_t sent_ = 0;
};

}  // namespace sennit::net::detail
