#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sennit/task.hpp>
#include <sennit/testing/sim_world.hpp>

#include "program.hpp"

namespace sennit::swarm {

/// The host whose programs are tested, the host that echoes, and what goes wrong between them.
class network {
  public:
    network(testing::sim_world& world, const program& plan);
    network(const network&) = delete;
    network& operator=(const network&) = delete;

    testing::sim_host& tested() noexcept { return *tested_; }

    /// Has `size` bytes echoed, with a new connection whenever one breaks or is silent for too long.
    task<> transfer(std::size_t id, std::size_t size);

    /// The first byte that was not the one that had been sent, in words; empty when there was none.
    const std::string& complaint() const noexcept { return complaint_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t connections() const noexcept { return connections_; }

  private:
    void plan_faults(const program& plan);
    void begin(trouble what);
    void end(trouble what);
    void repair();

    task<> serve();
    task<> echo_once(std::size_t id, std::size_t size);

    testing::sim_world* world_;
    testing::sim_host* tested_;
    testing::sim_host* peer_;
    std::string complaint_;
    std::uint64_t bytes_ = 0;
    std::uint64_t connections_ = 0;
};

}  // namespace sennit::swarm
