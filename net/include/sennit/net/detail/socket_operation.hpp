#pragma once

#include <cstddef>
#include <cstdint>

#include <sennit/bytes.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/operation.hpp>
#include <sennit/requests.hpp>
#include <sennit/result.hpp>
#include <sennit/task.hpp>

namespace sennit::net::detail {

/// An operation on one half of a socket.
class socket_operation : public operation {
  public:
    bool await_ready() const noexcept { return false; }

    void complete(completion done) noexcept override { finish_on_socket(done.result); }

  protected:
    socket_operation(const socket_ref& core, direction half) noexcept : half_(half), core_(core.get()) {}
    socket_operation(socket_operation&& other) noexcept = default;
    ~socket_operation() = default;

    /// Begins the wait. False when the coroutine goes on at once.
    bool start_on_socket(sennit::detail::awaiting coroutine) noexcept;
    /// The same; `prepare`, which may say that there is nothing to do, is called once the half is this operation's.
    template <typename Prepare>
    bool start_with(sennit::detail::awaiting coroutine, Prepare prepare) noexcept;
    /// Has a receive fail with EAGAIN where it would wait.
    virtual void do_not_wait() noexcept { patience_ = patience::none; }
    /// Gives the half back and ends the wait.
    void finish_on_socket(std::int32_t result) noexcept;
    /// The rest of a transfer goes on, unless it was asked to stop.
    void continue_or_finish() noexcept;

    /// The error to report, if there is one; throws `cancelled`.
    std::error_code outcome() const;
    /// Throws the error as `std::system_error` with the name of the request.
    void throw_if_failed() const;

    socket_core* core() const noexcept { return core_; }

  private:
    direction half_;  // first, where it fits into the last word of the operation
    socket_core* core_;
};

/// An operation on one half of a socket that keeps its request.
template <typename Request>
class request_on_socket : public socket_operation {
  public:
    bool await_suspend(sennit::detail::awaiting coroutine) noexcept;

    request what() const noexcept final;
    int descriptor() const noexcept final { return request_.fd; }

  protected:
    request_on_socket(const socket_ref& core, direction half, const Request& what) noexcept
        : socket_operation(core, half), request_(what) {}
    request_on_socket(request_on_socket&& other) noexcept = default;
    ~request_on_socket() = default;

    /// Last preparations that need the operation to be at its final address. False when there is nothing to do. Neither
    /// a `recv_request` nor a `send_request` has any.
    virtual bool prepare() noexcept { return true; }
    void do_not_wait() noexcept final;

    Request request_;
};

extern template class request_on_socket<connect_request>;
extern template class request_on_socket<recv_request>;
extern template class request_on_socket<send_request>;
extern template class request_on_socket<recvmsg_request>;
extern template class request_on_socket<sendmsg_request>;
extern template class request_on_socket<recvmmsg_request>;
extern template class request_on_socket<sendmmsg_request>;
extern template class request_on_socket<splice_in_request>;
extern template class request_on_socket<splice_out_request>;
extern template class request_on_socket<shutdown_request>;

/// One transfer whose result is a number of bytes.
template <typename Request>
class [[nodiscard]] transfer_awaiter final : public request_on_socket<Request> {
  public:
    transfer_awaiter(const socket_ref& core, direction half, const Request& what) noexcept
        : request_on_socket<Request>(core, half, what) {}
    transfer_awaiter(transfer_awaiter&&) noexcept = default;

    std::size_t await_resume() const {
        if (this->result_ < 0) [[unlikely]]
            this->throw_if_failed();
        return static_cast<std::size_t>(this->result_);
    }
    result<std::size_t> await_result() const {
        if (const auto error = this->outcome()) return error;
        return static_cast<std::size_t>(this->result_);
    }
};

/// shutdown(2).
class [[nodiscard]] shutdown_awaiter final : public request_on_socket<shutdown_request> {
  public:
    shutdown_awaiter(const socket_ref& core, int how) noexcept
        : request_on_socket(core, direction::sending, {core ? core->fd() : -1, how}) {}
    shutdown_awaiter(shutdown_awaiter&&) noexcept = default;

    void await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
    }
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }
};

/// Sends everything, however often the kernel takes only a part.
class [[nodiscard]] send_all_awaiter final : public request_on_socket<send_request> {
  public:
    send_all_awaiter(const socket_ref& core, const_bytes bytes) noexcept
        : request_on_socket(core, direction::sending,
                            send_request{core ? core->fd() : -1, bytes.data(), bytes.size(), 0}) {}
    send_all_awaiter(send_all_awaiter&&) noexcept = default;

    // For those that exist only while they are under way.
    static void* operator new(std::size_t size) { return sennit::detail::frame_pool::allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept {
        sennit::detail::frame_pool::deallocate(memory, size);
    }

    void complete(completion done) noexcept override;

    void await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
    }
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }
};

/// Receives until the buffer is full or the stream ends.
class [[nodiscard]] recv_exactly_awaiter final : public request_on_socket<recv_request> {
  public:
    recv_exactly_awaiter(const socket_ref& core, mutable_bytes buffer) noexcept
        : request_on_socket(core, direction::receiving,
                            recv_request{core ? core->fd() : -1, buffer.data(), buffer.size(), 0}) {}
    recv_exactly_awaiter(recv_exactly_awaiter&&) noexcept = default;

    void complete(completion done) noexcept override;

    std::size_t await_resume() const {
        if (result_ < 0) [[unlikely]]
            throw_if_failed();
        return received_;
    }
    result<std::size_t> await_result() const {
        if (const auto error = outcome()) return error;
        return received_;
    }

  private:
    std::size_t received_ = 0;
};

}  // namespace sennit::net::detail
