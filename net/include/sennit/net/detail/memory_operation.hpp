#pragma once

#include <cstddef>
#include <system_error>

#include <sennit/bytes.hpp>
#include <sennit/cancel.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/result.hpp>
#include <sennit/task.hpp>

namespace sennit::net::detail {

class memory_pipe;

/// What a coroutine does at one end of a pipe.
class memory_operation : public sennit::detail::waiter {
  public:
    bool await_ready() const noexcept { return false; }
    bool await_suspend(sennit::detail::awaiting coroutine) noexcept { return start(coroutine); }

    const char* waiting_for() const noexcept override { return name_; }

  protected:
    memory_operation(memory_pipe* pipe, const char* name) noexcept : pipe_(pipe), name_(name) {}
    memory_operation(memory_operation&& other) noexcept : waiter(), pipe_(other.pipe_), name_(other.name_) {}
    ~memory_operation() = default;

    /// Begins, and says whether the coroutine has to wait.
    virtual bool start(sennit::detail::awaiting coroutine) noexcept = 0;

    /// The error to report, if there is one; throws `cancelled`.
    std::error_code outcome() const;
    /// Throws the error as `std::system_error` with the name of the operation.
    void throw_if_failed() const;

    memory_pipe* pipe_;
    int error_ = 0;
    bool was_cancelled_ = false;
    bool suspended_ = false;

  private:
    friend class memory_pipe;

    const char* name_;
};

/// Receives: something, or until the buffer is full.
class [[nodiscard]] memory_receive final : public memory_operation {
  public:
    memory_receive(memory_pipe* pipe, mutable_bytes buffer, bool until_full) noexcept
        : memory_operation(pipe, "recv"), rest_(buffer), until_full_(until_full) {}
    memory_receive(memory_receive&& other) noexcept = default;

    std::size_t await_resume() const {
        throw_if_failed();
        return received_;
    }
    result<std::size_t> await_result() const {
        if (const auto error = outcome()) return error;
        return received_;
    }
    void cancel_wait() noexcept override;

  private:
    friend class memory_pipe;
    bool start(sennit::detail::awaiting coroutine) noexcept override;
    bool is_complete() const noexcept { return rest_.empty() || (received_ != 0 && !until_full_); }

    mutable_bytes rest_;
    std::size_t received_ = 0;
    bool until_full_;
};

/// Sends: something, or everything.
class memory_send : public memory_operation {
  public:
    void cancel_wait() noexcept override;

  protected:
    memory_send(memory_pipe* pipe, const_bytes bytes, bool everything) noexcept
        : memory_operation(pipe, "send"), rest_(bytes), everything_(everything) {}
    memory_send(memory_send&& other) noexcept = default;
    ~memory_send() = default;

    std::size_t sent() const noexcept { return sent_; }

  private:
    friend class memory_pipe;
    bool start(sennit::detail::awaiting coroutine) noexcept override;
    bool is_complete() const noexcept { return rest_.empty() || (sent_ != 0 && !everything_); }

    const_bytes rest_;
    std::size_t sent_ = 0;
    bool everything_;
};

class [[nodiscard]] memory_send_all final : public memory_send {
  public:
    memory_send_all(memory_pipe* pipe, const_bytes bytes) noexcept : memory_send(pipe, bytes, true) {}
    memory_send_all(memory_send_all&&) noexcept = default;

    void await_resume() const { throw_if_failed(); }
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }
};

class [[nodiscard]] memory_send_some final : public memory_send {
  public:
    memory_send_some(memory_pipe* pipe, const_bytes bytes) noexcept : memory_send(pipe, bytes, false) {}
    memory_send_some(memory_send_some&&) noexcept = default;

    std::size_t await_resume() const {
        throw_if_failed();
        return sent();
    }
    result<std::size_t> await_result() const {
        if (const auto error = outcome()) return error;
        return sent();
    }
};

/// Finishes sending; never waits.
class [[nodiscard]] memory_shutdown final : public memory_operation {
  public:
    explicit memory_shutdown(memory_pipe* pipe) noexcept : memory_operation(pipe, "shutdown") {}
    memory_shutdown(memory_shutdown&&) noexcept = default;

    void await_resume() const { throw_if_failed(); }
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }
    void cancel_wait() noexcept override {}

  private:
    bool start(sennit::detail::awaiting coroutine) noexcept override;
};

}  // namespace sennit::net::detail
