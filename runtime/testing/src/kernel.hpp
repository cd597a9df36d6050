#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sennit/testing/sim_options.hpp>

#include "address.hpp"
#include "port_table.hpp"
#include "socket.hpp"

namespace sennit::testing::sim {

class network;

/// The kernel of one host: its descriptors, its addresses, and what is bound to them. It outlives the loop that runs on
/// it, as packets may still be under way then.
class kernel {
  public:
    kernel(network& net, std::size_t index, std::string name, std::vector<ip> addresses);

    network& net() const noexcept { return *net_; }
    std::size_t index() const noexcept { return index_; }
    const std::string& name() const noexcept { return name_; }
    const std::vector<ip>& addresses() const noexcept { return addresses_; }
    sim_faults& faults() noexcept { return faults_; }

    /// The loop that runs here, null when it has ended: for reports.
    const event_loop* loop() const noexcept { return loop_; }
    void set_loop(const event_loop* loop) noexcept { loop_ = loop; }

    /// socket(2); null and a negated errno value in `error` when that cannot be.
    std::shared_ptr<sim_socket> make_socket(int domain, int type, int protocol, int& error);
    /// Gives the socket a descriptor: the lowest that is free, or -EMFILE.
    int open(std::shared_ptr<sim_socket> what);
    bool has_free_descriptor() const noexcept { return open_count_ < faults_.max_descriptors; }
    /// Null when the descriptor is not open.
    sim_socket* find(int fd) const noexcept;
    void close(int fd) noexcept;
    void close_all() noexcept;
    std::size_t open_descriptors() const noexcept { return open_count_; }

    template <class Visitor>
    void for_each_open(Visitor visit) const {
        for (std::size_t i = 0; i < open_.size(); ++i) {
            if (open_[i] != nullptr) visit(first_descriptor() + static_cast<int>(i), *open_[i]);
        }
    }

    port_table& ports(int type) noexcept;
    /// Unix names. The entry of a path stays when its socket has gone, as the file does.
    std::map<std::string, std::weak_ptr<sim_socket>>& names() noexcept { return names_; }
    /// A free abstract name, as a bind without a name asks for.
    std::string unused_name();

    /// What from this host's addresses a packet to `destination` comes from; false: there is no way to get there.
    bool source_for(const ip& destination, ip& source) const noexcept;
    bool owns(const ip& where) const noexcept;

    /// Operations that are to be tried at the next turn of the loop.
    operation_list& attempts() noexcept { return attempts_; }
    void try_again(operation_list& parked) noexcept { attempts_.splice_back(parked); }

  private:
    // High numbers, so that a descriptor of the simulation cannot be mistaken for a real one, nor for another host's.
    int first_descriptor() const noexcept { return 1'000'000 * (static_cast<int>(index_ % 1000) + 1); }

    network* net_;
    std::size_t index_;
    std::string name_;
    std::vector<ip> addresses_;
    sim_faults faults_;
    const event_loop* loop_ = nullptr;
    operation_list attempts_;
    port_table tcp_ports_;
    port_table udp_ports_;
    std::map<std::string, std::weak_ptr<sim_socket>> names_;
    std::uint32_t next_name_ = 0;
    std::size_t open_count_ = 0;
    std::size_t lowest_free_ = 0;
    std::vector<std::shared_ptr<sim_socket>> open_;  // by descriptor; goes first, as sockets use the rest
};

}  // namespace sennit::testing::sim
