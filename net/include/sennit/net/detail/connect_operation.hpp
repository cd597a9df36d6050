#pragma once

#include <sennit/net/detail/socket_operation.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net::detail {

/// connect(2). The address lives here for as long as the kernel may read it.
class [[nodiscard]] connect_awaiter final : public request_on_socket<connect_request> {
  public:
    connect_awaiter(const socket_ref& core, const endpoint& peer) noexcept
        : request_on_socket(core, direction::sending, connect_request{core->fd(), nullptr, 0}), peer_(peer) {}
    connect_awaiter(connect_awaiter&& other) noexcept : request_on_socket(std::move(other)), peer_(other.peer_) {}

    /// Throws `std::system_error` whose text names the endpoint.
    void await_resume() const;
    result<void> await_result() const {
        if (const auto error = outcome()) return error;
        return {};
    }

  private:
    bool prepare() noexcept override;

    endpoint peer_;
    alignas(8) unsigned char address_[endpoint::max_sockaddr_size];
};

/// Opens a stream socket and connects it.
task<socket_ref> connect_stream(endpoint peer);

}  // namespace sennit::net::detail
