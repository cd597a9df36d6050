#pragma once

#include <cstddef>
#include <unordered_map>

#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/ip_address.hpp>
#include <sennit/net/serve_options.hpp>

namespace sennit::net::detail {

/// How many connections each IP address has at a server. Where that is not limited, nothing is counted.
class peer_limits {
  public:
    explicit peer_limits(const serve_options& options) noexcept : most_(options.max_connections_per_peer) {}

    /// Whether the peer may have this connection as well; if so it is counted until it leaves. Throws `std::bad_alloc`,
    /// and nothing is counted then.
    bool admit(const socket_core& connection, serve_counters* counters);
    void leaves(const socket_core& connection) noexcept;

  private:
    std::size_t most_;
    std::unordered_map<ip_address, std::size_t> counts_;
    std::unordered_map<const socket_core*, ip_address> peers_;  // of the connections that are counted
};

}  // namespace sennit::net::detail
