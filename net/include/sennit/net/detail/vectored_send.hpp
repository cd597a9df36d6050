#pragma once

#include <array>
#include <cstddef>
#include <span>

#include <sennit/bytes.hpp>
#include <sennit/net/detail/message_header.hpp>
#include <sennit/net/detail/socket_operation.hpp>

namespace sennit::net::detail {

/// Sends all parts, some at a time: the table of parts that sendmsg(2) wants lives here, so nothing is allocated
/// however many parts there are.
class [[nodiscard]] vectored_send_awaiter final : public request_on_socket<sendmsg_request> {
  public:
    vectored_send_awaiter(const socket_ref& core, std::span<const const_bytes> parts) noexcept
        : request_on_socket(core, direction::sending, sendmsg_request{core ? core->fd() : -1, nullptr, 0}),
          parts_(parts) {}
    vectored_send_awaiter(vectored_send_awaiter&& other) noexcept
        : request_on_socket(std::move(other)), parts_(other.parts_) {}

    void complete(completion done) noexcept override;

    void await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
    }
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }

  private:
    bool prepare() noexcept override {
        fill();
        return true;
    }
    /// Points the message at the next parts. The bytes it covers; 0 when all have been sent.
    std::size_t fill() noexcept;

    static constexpr std::size_t parts_at_a_time = 8;

    std::span<const const_bytes> parts_;
    std::size_t sent_of_first_ = 0;
    std::array<io_part, parts_at_a_time> table_;
    message_header message_;
};

}  // namespace sennit::net::detail
