#pragma once

#include <memory>
#include <system_error>

#include <sennit/net/detail/acceptor_core.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net {

/// What TCP and Unix listeners have in common. Movable; it stops listening when it ends.
template <class Stream>
class basic_listener {
  public:
    using stream_type = Stream;

    /// Suspends until a connection arrives. Throws `std::system_error`: `too_many_files_open` when descriptors have
    /// run out (the connection waits in the backlog; `net::serve` knows what to do), `operation_canceled` when the
    /// listener is closed meanwhile, `device_or_resource_busy` when another task accepts already. Cancelling it loses
    /// no connection. Source: accept(2).
    detail::accept_awaiter<Stream> accept() noexcept { return detail::accept_awaiter<Stream>(core_.get()); }

    /// Stops listening. A task in `accept` gets `operation_canceled`. Calling it again has no effect.
    void close() noexcept {
        if (core_) core_->close();
    }
    bool is_open() const noexcept { return core_ && core_->fd() >= 0; }

    /// Where it listens, with the port the kernel chose. Throws `std::system_error` when closed.
    endpoint local_endpoint() const {
        if (!core_) throw std::system_error(std::make_error_code(std::errc::bad_file_descriptor), "getsockname");
        return core_->local_endpoint();
    }

    /// The descriptor; -1 when closed. It stays the listener's.
    int native_handle() const noexcept { return core_ ? core_->fd() : -1; }

    /// For the library.
    detail::acceptor_core* core() const noexcept { return core_.get(); }

  protected:
    explicit basic_listener(detail::acceptor_core* core) noexcept : core_(core) {}
    basic_listener(basic_listener&&) noexcept = default;
    basic_listener& operator=(basic_listener&&) noexcept = default;
    ~basic_listener() = default;

  private:
    std::unique_ptr<detail::acceptor_core, detail::release_acceptor> core_;
};

}  // namespace sennit::net
