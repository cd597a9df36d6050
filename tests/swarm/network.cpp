// Streams between two hosts while things go wrong. The one hard idea: a byte of a stream is a function of its
// connection and position, so each end knows every byte that may arrive without asking the other.

#include "network.hpp"

#include <array>
#include <chrono>
#include <system_error>
#include <vector>

#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/sleep.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>

namespace sennit::swarm {

namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t port = 7;
constexpr std::size_t chunk = 5000;

std::byte byte_at(std::size_t id, std::size_t position) noexcept {
    return static_cast<std::byte>(id * 31 + position + (position >> 8) * 7);
}

task<> echo(net::tcp_stream peer) {
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

task<> send_all(net::tcp_stream& stream, std::size_t id, std::size_t size) {
    std::vector<std::byte> bytes;
    for (std::size_t sent = 0; sent != size; sent += bytes.size()) {
        bytes.resize(std::min(chunk, size - sent));
        for (std::size_t i = 0; i != bytes.size(); ++i) bytes[i] = byte_at(id, sent + i);
        co_await stream.send(bytes);
    }
    co_await stream.shutdown_send();
}

}  // namespace

network::network(testing::sim_world& world, const program& plan)
    : world_(&world), tested_(&world.add_host("tested", {"10.0.0.1"})), peer_(&world.add_host("peer", {"10.0.0.2"})) {
    peer_->spawn_background(serve());
    plan_faults(plan);
}

task<> network::serve() {
    auto listener = co_await net::tcp_listener::bind({"10.0.0.2", port});
    net::serve_options options;
    options.on_error = [](const net::endpoint&, std::exception_ptr) {};  // most connections break here
    co_await net::serve(listener, echo, options);
}

task<> network::transfer(std::size_t id, std::size_t size) {
    for (;;) {
        const auto done = co_await as_result(with_timeout(10s, echo_once(id, size)));
        if (done) co_return;
        co_await sleep_for(100ms);
    }
}

task<> network::echo_once(std::size_t id, std::size_t size) {
    auto stream = co_await net::tcp_stream::connect({"10.0.0.2", port});
    ++connections_;
    const auto receive_all = [&]() -> task<> {
        std::array<std::byte, 4096> buffer;
        std::size_t position = 0;
        while (const std::size_t count = co_await stream.recv(buffer)) {
            for (std::size_t i = 0; i != count; ++i) {
                const bool right = position + i < size && buffer[i] == byte_at(id, position + i);
                if (!right && complaint_.empty()) {
                    complaint_ = "transfer " + std::to_string(id) + ": wrong byte " + std::to_string(position + i);
                }
            }
            position += count;
            bytes_ += count;
        }
        // The echo may end early: its end of the connection may have failed. It may not say more.
        if (position != size) throw std::system_error(std::make_error_code(std::errc::connection_aborted));
    };
    co_await when_all(send_all(stream, id, size), receive_all());
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
    }
}

void network::end(trouble what) {
    switch (what) {
        case trouble::partition:
        case trouble::one_way: world_->heal(*tested_, *peer_); break;
        case trouble::stalled_peer: peer_->resume(); break;
        case trouble::short_transfers:
        case trouble::failed_accepts:
        case trouble::no_memory: tested_->faults() = peer_->faults() = {}; break;
        default: world_->set_link(*tested_, *peer_, {}); break;
    }
}

void network::repair() {
    world_->heal(*tested_, *peer_);
    world_->set_link(*tested_, *peer_, {});
    tested_->faults() = peer_->faults() = {};
    peer_->resume();
}

}  // namespace sennit::swarm
