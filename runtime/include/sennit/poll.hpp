#pragma once

#include <coroutine>
#include <cstdint>

#include <sennit/detail/awaitable.hpp>
#include <sennit/operation.hpp>
#include <sennit/requests.hpp>
#include <sennit/result.hpp>
#include <sennit/task.hpp>

namespace sennit {

namespace detail {

class [[nodiscard]] poll_awaiter final : public operation {
  public:
    poll_awaiter(int fd, std::uint32_t events) noexcept : what_{fd, events} {}
    poll_awaiter(poll_awaiter&&) noexcept = default;

    request what() const noexcept override;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(awaiting coroutine) noexcept { return start(coroutine); }
    std::uint32_t await_resume() const { return await_result().value(); }
    result<std::uint32_t> await_result() const {
        throw_if_cancelled();
        if (result_ < 0) return std::error_code(-result_, std::system_category());
        return static_cast<std::uint32_t>(result_);
    }

  private:
    poll_request what_;
};

}  // namespace detail

/// Suspends until the descriptor, of any kind, can be read without blocking or has an error; gives the mask of poll(2).
/// For descriptors that sennit does not own, such as those of another library. Cancelling it has no effect on the
/// descriptor. It must stay open until this has ended.
detail::poll_awaiter wait_readable(int fd) noexcept;

/// The same for writing.
detail::poll_awaiter wait_writable(int fd) noexcept;

}  // namespace sennit
