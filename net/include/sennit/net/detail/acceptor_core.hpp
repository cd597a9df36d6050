#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <sennit/detail/awaitable.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/net/detail/bound_path.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/operation.hpp>
#include <sennit/result.hpp>
#include <sennit/task.hpp>

namespace sennit::net::detail {

class accept_wait;

/// A listening socket. One multishot accept stays with the kernel as long as someone accepts; what it brings between
/// two `accept`s is kept here, some connections at the most, so none is ever lost or without an owner.
class acceptor_core final : public operation, public sennit::detail::loop_resource {
  public:
    /// Takes over `fd`. Made on the heap; `release` ends it.
    acceptor_core(event_loop& loop, int fd) noexcept : loop_(&loop), fd_(fd) { loop.home().attach(*this); }

    int fd() const noexcept { return closing_ ? -1 : fd_; }
    event_loop& loop() const noexcept { return *loop_; }

    /// Stops listening; connections that were accepted and not taken are closed.
    void close() noexcept;
    void loop_ends() noexcept override { close(); }
    /// The owner is gone: closes, and ends the object when nothing is in flight.
    void release() noexcept;

    /// The file to remove when listening stops.
    void take_path(bound_path path) noexcept { path_ = std::move(path); }

    endpoint local_endpoint() const;

    request what() const noexcept override;
    void complete(completion done) noexcept override;

  private:
    friend class accept_wait;
    ~acceptor_core() = default;

    void arm() noexcept;
    void deliver(std::int32_t result) noexcept;
    void close_descriptor() noexcept;
    std::size_t queued() const noexcept { return accepted_.size() - next_; }
    void keep(int fd) noexcept;
    int take_queued() noexcept;

    /// Accepted ahead of `accept` until the kernel is asked to stop; then the backlog holds the others.
    static constexpr std::size_t accept_ahead = 64;

    event_loop* loop_;
    accept_wait* waiting_ = nullptr;
    std::vector<int> accepted_;  // from next_ on; what is before that goes now and then, so it stops growing
    std::size_t next_ = 0;
    bound_path path_;
    int fd_;
    bool armed_ = false;
    bool closing_ = false;
    bool released_ = false;
};

/// For a smart pointer.
struct release_acceptor {
    void operator()(acceptor_core* core) const noexcept { core->release(); }
};

/// A connection of which nobody has made a socket yet; it is closed when nobody does.
class accepted_connection {
  public:
    accepted_connection(event_loop& loop, int fd) noexcept : loop_(&loop), fd_(fd) {}
    accepted_connection(accepted_connection&& other) noexcept : loop_(other.loop_), fd_(std::exchange(other.fd_, -1)) {}
    accepted_connection& operator=(accepted_connection&& other) noexcept {
        std::swap(loop_, other.loop_);
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~accepted_connection();

    /// Gives the descriptor to the caller.
    int release() noexcept { return std::exchange(fd_, -1); }
    operator socket_ref() && { return adopt_socket(*loop_, release()); }

  private:
    event_loop* loop_;
    int fd_;
};

/// The wait for one connection; the result is its descriptor.
class accept_wait : public sennit::detail::waiter {
  public:
    bool await_ready() const noexcept { return false; }
    bool await_suspend(sennit::detail::awaiting coroutine) noexcept { return start(coroutine); }

    const char* waiting_for() const noexcept override { return "accept"; }
    sennit::detail::wait_details details() const noexcept override;
    void cancel_wait() noexcept override;

  protected:
    explicit accept_wait(acceptor_core* source) noexcept : source_(source) {}
    accept_wait(accept_wait&& other) noexcept : waiter(), source_(other.source_) {}
    ~accept_wait() = default;

    /// The accepted connection. Throws the error, or `cancelled`.
    accepted_connection take() const;
    std::error_code outcome() const;

  private:
    friend class acceptor_core;
    bool start(sennit::detail::awaiting coroutine) noexcept;

    acceptor_core* source_;
    std::int32_t result_ = 0;
    bool was_cancelled_ = false;
};

template <class Stream>
class [[nodiscard]] accept_awaiter final : public accept_wait {
  public:
    explicit accept_awaiter(acceptor_core* source) noexcept : accept_wait(source) {}
    accept_awaiter(accept_awaiter&&) noexcept = default;

    Stream await_resume() const { return Stream(take()); }
    result<Stream> await_result() const {
        if (const auto error = outcome()) return error;
        return Stream(take());
    }
};

/// Opens, binds and listens. Throws `std::system_error` whose text names the endpoint.
acceptor_core* open_acceptor(event_loop& loop, const endpoint& where, int backlog, bool reuse_port);

}  // namespace sennit::net::detail
