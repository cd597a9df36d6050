#pragma once

#include <coroutine>
#include <utility>

#include <sennit/net/buffer_lease.hpp>
#include <sennit/net/detail/socket_operation.hpp>

namespace sennit::net::detail {

/// Receives into a buffer of the loop's.
class [[nodiscard]] lease_awaiter final : public socket_operation {
  public:
    explicit lease_awaiter(const socket_ref& core) noexcept
        : socket_operation(core, direction::receiving, recv_lease_request{core ? core->fd() : -1, 0}) {}
    lease_awaiter(lease_awaiter&&) noexcept = default;

    template <sennit::detail::environment_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine) noexcept {
        return !has_too_many() && socket_operation::await_suspend(coroutine);
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
        return buffer_ != nullptr ? buffer_lease(*std::exchange(buffer_, nullptr), *core()) : buffer_lease();
    }

    sennit::detail::pooled_buffer* buffer_ = nullptr;  // counted by the core
};

}  // namespace sennit::net::detail
