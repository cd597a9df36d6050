#pragma once

#include <coroutine>
#include <memory>
#include <system_error>
#include <utility>

#include <sennit/net/buffer_lease.hpp>
#include <sennit/net/detail/socket_operation.hpp>

namespace sennit::net::detail {

/// Receives into a buffer of the loop's.
class [[nodiscard]] lease_awaiter final : public socket_operation {
  public:
    explicit lease_awaiter(const socket_ref& core) noexcept : socket_operation(core, direction::receiving) {}
    lease_awaiter(lease_awaiter&&) noexcept = default;

    request what() const noexcept override;
    int descriptor() const noexcept override { return core() != nullptr ? core()->number() : -1; }

    bool await_suspend(sennit::detail::awaiting coroutine) noexcept {
        return !has_too_many() && start_on_socket(coroutine);
    }

    void complete(completion done) noexcept override;

    buffer_lease await_resume() {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
        return take();
    }
    result<buffer_lease> await_result() {
        if (const auto error = outcome()) return error;
        return take();
    }

  private:
    bool has_too_many() noexcept;
    buffer_lease take() noexcept {
        auto* const buffer = take_buffer();  // counted by the core
        return buffer != nullptr ? buffer_lease(*buffer) : buffer_lease();
    }
};

/// Sends a lease. It takes the room for the operation from the frame pool for as long as that is under way: a coroutine
/// that waits in `recv_lease` has none set aside for it, which is a third of what an idle connection takes.
class [[nodiscard]] lease_send_awaiter final {
  public:
    lease_send_awaiter(const socket_ref& core, const buffer_lease& lease) noexcept;
    lease_send_awaiter(lease_send_awaiter&&) noexcept = default;

    bool await_ready() const noexcept { return sending_ == nullptr; }
    bool await_suspend(sennit::detail::awaiting coroutine) noexcept { return sending_->await_suspend(coroutine); }
    void await_resume() {
        if (sending_ == nullptr) [[unlikely]]
            throw_no_memory();
        const std::unique_ptr<send_all_awaiter> ended = std::move(sending_);
        ended->await_resume();
    }
    result<void> await_result() {
        if (sending_ == nullptr) return std::make_error_code(std::errc::not_enough_memory);
        const std::unique_ptr<send_all_awaiter> ended = std::move(sending_);
        return ended->await_result();
    }

  private:
    [[noreturn]] static void throw_no_memory();

    std::unique_ptr<send_all_awaiter> sending_;  // null when there was no memory
};

}  // namespace sennit::net::detail
