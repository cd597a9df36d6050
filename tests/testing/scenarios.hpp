#pragma once

#include <sennit/net/tcp.hpp>
#include <sennit/task.hpp>
#include <sennit/testing/sim_world.hpp>

namespace sennit::testing {

/// Throws `std::logic_error` with this text unless the condition holds.
void require(bool condition, const char* what);

/// Sends back what the peer sends.
task<> echo(net::tcp_stream peer);

/// Whether an echo server on the host 10.0.0.1 answers.
task<bool> ask_once();

// Scenarios for the explorations. Each throws `std::logic_error` when something was not as it should be.

task<> serve_bytes(sim_world& world, sim_host& tested);
task<> serve_leases(sim_world& world, sim_host& tested);
task<> serve_lines(sim_world& world, sim_host& tested);
task<> drain_connections(sim_world& world, sim_host& tested);
task<> ask_by_name(sim_world& world, sim_host& tested);
task<> connect_to_nobody(sim_world& world, sim_host& tested);
task<> exchange_datagrams(sim_world& world, sim_host& tested);
task<> exchange_leases(sim_world& world, sim_host& tested);
task<> exchange_in_memory(sim_world& world, sim_host& tested);
task<> wait_for_each_other(sim_world& world, sim_host& tested);
task<> race_and_time_out(sim_world& world, sim_host& tested);
task<> call_and_post(sim_world& world, sim_host& tested);

}  // namespace sennit::testing
