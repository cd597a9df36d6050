// Two hosts, and what goes wrong between them. The one hard idea: everything goes wrong for a while only. Before that
// is over nothing false may be said; afterwards everything has to get through.

#include "network.hpp"

#include <chrono>

namespace sennit::swarm {

namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t port = 7;  // echo, RFC 862

}  // namespace

network::network(testing::sim_world& world, const program& plan)
    : world_(&world),
      tested_(&world.add_host("tested", {"10.0.0.1"})),
      peer_(&world.add_host("peer", {"10.0.0.2"})),
      streams_(*this, found_),
      datagrams_(*this, found_, {"10.0.0.1", 0}) {
    peer_->spawn_background(serve_streams());
    peer_->spawn_background(serve_datagrams());
    plan_faults(plan);
}

task<> network::serve_streams() {
    co_await streams_.listen({"10.0.0.2", port});
    co_await streams_.serve();
}

task<> network::serve_datagrams() {
    co_await datagrams_.listen({"10.0.0.2", port}, {"10.0.0.2", port + 1});
    co_await datagrams_.serve();
}

void network::plan_faults(const program& plan) {
    for (const fault& each : plan.faults) {
        world_->after(each.from, [this, what = each.what] { begin(what); });
        world_->after(each.until, [this, what = each.what] { end(what); });
    }
    world_->after(plan.quiet_from, [this] { repair(); });
}

void network::begin(trouble what) {
    testing::link_options& there = world_->link(*tested_, *peer_);
    testing::link_options& back = world_->link(*peer_, *tested_);
    switch (what) {
        case trouble::loss: there.loss = back.loss = 100'000; break;
        case trouble::slow:
            there.jitter = back.jitter = 20ms;
            there.bandwidth = back.bandwidth = 100'000;
            break;
        case trouble::resets:
            world_->reset_connections(*tested_, *peer_);
            there.reset = back.reset = 100'000;
            break;
        case trouble::refusals: there.refuse = 500'000; break;
        case trouble::partition: world_->partition(*tested_, *peer_); break;
        case trouble::one_way: world_->cut(*peer_, *tested_); break;
        case trouble::stalled_peer: peer_->pause(); break;
        case trouble::short_transfers:
            for (testing::sim_host* each : {tested_, peer_}) {
                each->faults().short_send = each->faults().short_receive = 500'000;
            }
            break;
        case trouble::failed_accepts:
            peer_->faults().accept_out_of_files = peer_->faults().accept_aborted = 300'000;
            peer_->faults().multishot_end = 300'000;
            break;
        case trouble::no_memory: tested_->faults().submit_no_memory = peer_->faults().submit_no_memory = 50'000; break;
        case trouble::no_buffers: tested_->faults().send_no_buffers = peer_->faults().send_no_buffers = 200'000; break;
        case trouble::doubled: there.duplicate = back.duplicate = 300'000; break;
        case trouble::out_of_order: there.reorder = back.reorder = 300'000; break;
        case trouble::small_packets: there.mtu = back.mtu = 576; break;
    }
}

void network::end(trouble what) {
    switch (what) {
        case trouble::partition:
        case trouble::one_way: world_->heal(*tested_, *peer_); break;
        case trouble::stalled_peer: peer_->resume(); break;
        case trouble::short_transfers:
        case trouble::failed_accepts:
        case trouble::no_memory:
        case trouble::no_buffers: tested_->faults() = peer_->faults() = {}; break;
        default: world_->set_link(*tested_, *peer_, {}); break;
    }
}

void network::repair() {
    world_->heal(*tested_, *peer_);
    world_->set_link(*tested_, *peer_, {});
    tested_->faults() = peer_->faults() = {};
    peer_->resume();
    is_quiet_ = true;
}

}  // namespace sennit::swarm
