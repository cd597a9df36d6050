#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <sennit/net/datagram_batch.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/task.hpp>

#include "ledger.hpp"
#include "surroundings.hpp"

namespace sennit::swarm {

/// Datagrams between the tested host and its peer.
class datagrams {
  public:
    /// `home` is the address of the tested host.
    datagrams(surroundings& where, complaints& found, const net::endpoint& home) noexcept
        : where_(&where), found_(&found), home_(home) {}
    datagrams(const datagrams&) = delete;
    datagrams& operator=(const datagrams&) = delete;

    /// Of the peer: binds two sockets, and echoes for ever, on one each datagram, on the other batches of them.
    task<> listen(net::endpoint one, net::endpoint other);
    task<> serve();

    /// Has some datagrams echoed, and sends again what does not come back. While nothing goes wrong nothing may be
    /// missing: it is then waited for without end. `choices` says how many there are, and of all the ways of sending
    /// and receiving, which.
    task<> exchange(std::uint64_t choices);

    std::uint64_t arrived() const noexcept { return ledger_.arrived(); }

  private:
    /// One attempt: its socket, and the datagrams that have not come back.
    struct errand;

    task<> serve_each(net::udp_socket socket);
    task<> serve_batches(net::udp_socket socket);
    /// Whether to go on after an operation of the peer, which may fail only while things go wrong.
    bool goes_on(std::error_code failure);

    task<> attempt(std::uint64_t choices);
    task<> send_each(errand& what);
    task<> send_batch(errand& what);
    task<> receive(errand& what);
    task<> receive_some(errand& what);
    void has_heard(errand& what, const_bytes bytes, bool truncated, const net::endpoint& sender);

    surroundings* where_;
    complaints* found_;
    net::endpoint home_;
    net::endpoint to_each_;
    net::endpoint to_batches_;
    std::optional<net::udp_socket> each_;
    std::optional<net::udp_socket> batches_;
    datagram_ledger ledger_;
    // What is on its way together fits every receive buffer, or losing some would be right.
    semaphore turns_{4};
};

}  // namespace sennit::swarm
