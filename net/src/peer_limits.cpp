// Connections by IP address. Who is counted is kept beside the connections: a server that does not limit them, as most
// do not, pays nothing for it.

#include <system_error>

#include "peer_limits.hpp"

namespace sennit::net::detail {

bool peer_limits::admit(const socket_core& connection, serve_counters* counters) {
    if (most_ == serve_options::unlimited) return true;
    endpoint peer;
    try {
        peer = connection.peer_endpoint();
    } catch (const std::system_error&) {
        return false;  // the peer is gone already
    }
    if (!peer.is_ip()) return true;
    const auto known = counts_.find(peer.address());
    if ((known == counts_.end() ? 0 : known->second) >= most_) {
        if (counters != nullptr) ++counters->refused;
        return false;
    }
    peers_.emplace(&connection, peer.address());
    try {
        ++counts_[peer.address()];
    } catch (...) {
        peers_.erase(&connection);
        throw;
    }
    return true;
}

void peer_limits::leaves(const socket_core& connection) noexcept {
    const auto peer = peers_.extract(&connection);
    if (peer.empty()) return;
    const auto found = counts_.find(peer.mapped());
    if (--found->second == 0) counts_.erase(found);
}

}  // namespace sennit::net::detail
