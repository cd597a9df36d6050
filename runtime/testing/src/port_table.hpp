#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "address.hpp"

namespace sennit::testing::sim {

class sim_socket;

/// Which socket has which port of one protocol.
class port_table {
  public:
    /// Gives the socket the port of `where`, one that is free if that is 0. 0, -EADDRINUSE or -EADDRNOTAVAIL.
    int bind(sim_socket& who, address& where);
    void release(sim_socket& who, const address& where) noexcept;

    /// Those whose address is `host`, otherwise those with the address that stands for all.
    std::vector<sim_socket*> at(const ip& host, std::uint16_t port) const;

  private:
    bool is_free(const sim_socket& who, const ip& host, std::uint16_t port) const;
    std::uint16_t unused_port();

    std::map<std::uint16_t, std::vector<sim_socket*>> bound_;
    std::uint16_t next_port_ = 0;
};

}  // namespace sennit::testing::sim
