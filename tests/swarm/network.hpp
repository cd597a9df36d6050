#pragma once

#include <functional>
#include <utility>

#include <sennit/testing/sim_world.hpp>

#include "datagrams.hpp"
#include "program.hpp"
#include "streams.hpp"
#include "surroundings.hpp"

namespace sennit::swarm {

/// The simulated host whose programs are tested, the one that echoes, and what goes wrong between them.
class network final : public surroundings {
  public:
    network(testing::sim_world& world, const program& plan);

    testing::sim_host& tested() noexcept { return *tested_; }
    testing::sim_host& peer() noexcept { return *peer_; }
    complaints& found() noexcept { return found_; }
    streams& connections() noexcept { return streams_; }
    datagrams& letters() noexcept { return datagrams_; }

    time_point now() override { return world_->now(); }
    void after(duration delay, std::function<void()> what) override { world_->after(delay, std::move(what)); }
    bool is_quiet() const override { return is_quiet_; }
    bool may_double() const override { return world_->link(*tested_, *peer_).duplicate != 0; }

  private:
    void plan_faults(const program& plan);
    void begin(trouble what);
    void end(trouble what);
    void repair();

    task<> serve_streams();
    task<> serve_datagrams();

    testing::sim_world* world_;
    testing::sim_host* tested_;
    testing::sim_host* peer_;
    bool is_quiet_ = false;
    complaints found_;
    streams streams_;
    datagrams datagrams_;
};

}  // namespace sennit::swarm
