// Who is bound to which port, as socket(7) and ip(7) say.

#include "port_table.hpp"

#include <cerrno>

#include "socket.hpp"

namespace sennit::testing::sim {

namespace {
// ip(7), ip_local_port_range.
constexpr std::uint16_t first_ephemeral = 32768;
constexpr std::uint16_t last_ephemeral = 60999;
}  // namespace

int port_table::bind(sim_socket& who, address& where) {
    if (where.port == 0) {
        where.port = unused_port();
        if (where.port == 0) return -EADDRINUSE;
    } else if (!is_free(who, where.host, where.port)) {
        return -EADDRINUSE;
    }
    bound_[where.port].push_back(&who);
    return 0;
}

void port_table::release(sim_socket& who, const address& where) noexcept {
    const auto entry = bound_.find(where.port);
    if (entry == bound_.end()) return;
    std::erase(entry->second, &who);
    if (entry->second.empty()) bound_.erase(entry);
}

std::vector<sim_socket*> port_table::at(const ip& host, std::uint16_t port) const {
    std::vector<sim_socket*> exact;
    std::vector<sim_socket*> for_all;
    const auto entry = bound_.find(port);
    if (entry == bound_.end()) return exact;
    for (sim_socket* each : entry->second) {
        const ip& its = each->local_name().host;
        if (its == host) exact.push_back(each);
        if (its == ip::any(host.v6)) for_all.push_back(each);
    }
    return exact.empty() ? for_all : exact;
}

bool port_table::is_free(const sim_socket& who, const ip& host, std::uint16_t port) const {
    const auto entry = bound_.find(port);
    if (entry == bound_.end()) return true;
    for (const sim_socket* each : entry->second) {
        const ip& its = each->local_name().host;
        const bool same_place = its.v6 == host.v6 && (its == host || its.is_any() || host.is_any());
        const bool both_reuse_port = who.reuses_port() && each->reuses_port();
        const bool both_reuse_address = who.reuses_address() && each->reuses_address() && !each->is_listening();
        if (same_place && !both_reuse_port && !both_reuse_address) return false;
    }
    return true;
}

std::uint16_t port_table::unused_port() {
    constexpr int count = last_ephemeral - first_ephemeral + 1;
    for (int i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first_ephemeral + (next_port_ + i) % count);
        if (!bound_.contains(port)) {
            next_port_ = static_cast<std::uint16_t>((next_port_ + i + 1) % count);
            return port;
        }
    }
    return 0;
}

}  // namespace sennit::testing::sim
