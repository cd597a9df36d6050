// The world: hosts in turn, then time. Its one hard idea: the clock moves only when no host has anything to do, and
// then straight to what happens next, so nothing takes real time and nothing depends on it.

#include <sennit/testing/sim_world.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <utility>

#include <sennit/detail/misuse.hpp>
#include <sennit/testing/sim_backend.hpp>

#include "allocations.hpp"
#include "kernel.hpp"
#include "network.hpp"
#include "report.hpp"
#include "sim_backend.hpp"
#include "tcp_socket.hpp"

namespace sennit::testing {

namespace sim {

struct world_state {
    explicit world_state(const sim_options& options) : seed(options.seed), net(std::make_shared<network>(options)) {}

    std::uint64_t seed;
    receive_buffer_options receive_buffers;
    std::shared_ptr<network> net;
    std::size_t running = 0;  // of those that `run` waits for
    std::exception_ptr failure;
    std::vector<sim_host*> order;
};

namespace {

class call final : public event {
  public:
    explicit call(std::function<void()> function) : function_(std::move(function)) {}
    void happen(std::unique_ptr<event>) override { function_(); }

  private:
    std::function<void()> function_;
};

std::vector<ip> parsed(const std::vector<std::string>& texts) {
    std::vector<ip> addresses;
    for (const std::string& each : texts) {
        ip address;
        if (!ip::parse(each, address)) throw std::invalid_argument("sim_world: '" + each + "' is no IP address");
        addresses.push_back(address);
    }
    return addresses;
}

void add_localhost(network& net) {
    net.names()["localhost"] = {{ip::loopback(false), ip::loopback(true)}, 0, {}};
}

// Timers can go by for ever without anything coming of it, as when a server looks after idle connections.
constexpr duration longest_silence = std::chrono::hours(7 * 24);
constexpr int steps_in_silence = 10'000;

}  // namespace

}  // namespace sim

chosen_backend make_sim_backend(const sim_options& options) {
    auto net = std::make_shared<sim::network>(options);
    sim::add_localhost(*net);
    sim::kernel& host = net->add_host("host", {});
    auto made = std::make_unique<sim::sim_backend>(std::move(net), host, options.receive_buffers);
    return {std::move(made), "sim: seed " + std::to_string(options.seed)};
}

sim_host::sim_host(sim::world_state& world, sim::kernel& kernel) : world_(&world), kernel_(&kernel) {
    auto backend = std::make_unique<sim::sim_backend>(world.net, kernel, world.receive_buffers);
    backend_ = backend.get();
    loop_ = std::make_unique<event_loop>(
        chosen_backend{std::move(backend), "sim: host " + kernel.name() + ", seed " + std::to_string(world.seed)});
}

sim_host::~sim_host() = default;

const std::string& sim_host::name() const noexcept {
    return kernel_->name();
}

void sim_host::spawn(task<> main) {
    const sim::allocations_by simulation(nullptr);
    ++world_->running;
    loop_->root().spawn(std::move(main), *this);
}

void sim_host::child_ended(sennit::detail::promise<void>& main) noexcept {
    if (const std::exception_ptr error = std::exchange(main.error, nullptr); error != nullptr) {
        try {
            std::rethrow_exception(error);
        } catch (const cancelled&) {
            // The end of the world, or of a test that cancels.
        } catch (...) {
            if (world_->failure == nullptr) world_->failure = error;
        }
    }
    --world_->running;
    loop_->root().child_ended(main);
}

sim_faults& sim_host::faults() noexcept {
    return kernel_->faults();
}

std::size_t sim_host::open_descriptors() const noexcept {
    return kernel_->open_descriptors();
}

sim_world::sim_world(sim_options options) : state_(std::make_unique<sim::world_state>(options)) {
    sim::add_localhost(*state_->net);
}

sim_world::~sim_world() {
    end_tasks();
}

void sim_world::end_tasks() {
    for (auto& each : hosts_) {
        each->resume();
        each->loop().root().cancel();
    }
    const auto busy = [](const auto& host) { return host->loop().root().size() != 0; };
    while (std::any_of(hosts_.begin(), hosts_.end(), busy)) {
        if (!step(no_deadline)) sennit::detail::misuse(("a simulated world cannot end: " + describe()).c_str());
    }
    // What was closed is asked back, and comes back.
    const auto waits = [](const auto& host) { return host->backend_->in_flight() != 0; };
    while (std::any_of(hosts_.begin(), hosts_.end(), waits) && step(no_deadline)) {
    }
}

sim_host& sim_world::add_host(std::string name, const std::vector<std::string>& addresses) {
    const sim::allocations_by simulation(nullptr);
    sim::kernel& kernel = state_->net->add_host(std::move(name), sim::parsed(addresses));
    hosts_.push_back(std::unique_ptr<sim_host>(new sim_host(*state_, kernel)));
    return *hosts_.back();
}

void sim_world::add_name(const std::string& name, const std::vector<std::string>& addresses, duration delay) {
    const sim::allocations_by simulation(nullptr);
    state_->net->names()[name] = {sim::parsed(addresses), 0, delay};
}

void sim_world::fail_name(const std::string& name, int error, duration delay) {
    const sim::allocations_by simulation(nullptr);
    state_->net->names()[name] = {{}, error, delay};
}

link_options& sim_world::link(sim_host& from, sim_host& to) {
    const sim::allocations_by simulation(nullptr);
    return state_->net->between(*from.kernel_, *to.kernel_).options;
}

void sim_world::set_link(sim_host& one, sim_host& other, const link_options& options) {
    link(one, other) = options;
    link(other, one) = options;
}

void sim_world::partition(sim_host& one, sim_host& other) {
    cut(one, other);
    cut(other, one);
}

void sim_world::heal(sim_host& one, sim_host& other) {
    const sim::allocations_by simulation(nullptr);
    state_->net->between(*one.kernel_, *other.kernel_).cut = false;
    state_->net->between(*other.kernel_, *one.kernel_).cut = false;
}

void sim_world::cut(sim_host& from, sim_host& to) {
    const sim::allocations_by simulation(nullptr);
    state_->net->between(*from.kernel_, *to.kernel_).cut = true;
}

void sim_world::reset_connections(sim_host& one, sim_host& other) {
    const sim::allocations_by simulation(nullptr);
    const auto reset_all = [](const sim::kernel& host, const sim::kernel& remote) {
        host.for_each_open([&](int, sim::sim_socket& socket) {
            auto* const tcp = dynamic_cast<sim::tcp_socket*>(&socket);
            if (tcp != nullptr && tcp->remote_host() == &remote) tcp->reset(ECONNRESET);
        });
    };
    reset_all(*one.kernel_, *other.kernel_);
    reset_all(*other.kernel_, *one.kernel_);
}

void sim_world::after(duration delay, std::function<void()> function) {
    const sim::allocations_by simulation(nullptr);
    state_->net->at(saturating_add(now(), delay), std::make_unique<sim::call>(std::move(function)));
}

/// Runs every host that has something to do, or moves the clock. False when nothing happens until then.
bool sim_world::step(time_point until) {
    sim::network& net = *state_->net;
    net.run_due();
    std::vector<sim_host*>& order = state_->order;
    order.clear();
    time_point next = net.next_event();
    for (auto& each : hosts_) {
        if (each->paused_) continue;
        const time_point due = each->loop_->next_deadline();
        if (each->backend_->has_work() || due <= net.now()) {
            order.push_back(each.get());
        } else {
            next = std::min(next, due);
        }
    }
    if (order.empty()) {
        if (next == no_deadline || next > until) return false;
        net.advance_to(next);
        return true;
    }
    if (net.shuffles()) {
        for (std::size_t left = order.size(); left > 1; --left) {
            std::swap(order[left - 1], order[net.choose().below(left, "host")]);
        }
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
        const sim::allocations_by programs(&order[i]->backend_->disturb().allocation_fails);
        order[i]->loop_->run_once();
    }
    return true;
}

void sim_world::throw_failure() {
    if (state_->failure != nullptr) std::rethrow_exception(std::exchange(state_->failure, nullptr));
}

void sim_world::run() {
    std::uint64_t completions = 0;
    time_point last_completion = now();
    int steps_since = 0;
    while (state_->running != 0 && state_->failure == nullptr) {
        if (!step(no_deadline)) throw stuck(sim::nothing_can_happen + describe());
        if (std::exchange(completions, state_->net->completions()) != completions) {
            last_completion = now();
            steps_since = 0;
        } else if (++steps_since > sim::steps_in_silence && now() - last_completion > sim::longest_silence) {
            throw stuck("everybody waits and nothing but timers has happened for a week\n" + describe());
        }
    }
    throw_failure();
}

bool sim_world::run_for(duration longest) {
    const time_point until = saturating_add(now(), longest);
    while (state_->running != 0 && state_->failure == nullptr && now() <= until) {
        if (!step(until)) break;
    }
    throw_failure();
    if (state_->running != 0) state_->net->advance_to(until);
    return state_->running == 0;
}

void sim_world::advance(duration time) {
    const time_point until = saturating_add(now(), time);
    while (state_->failure == nullptr && now() <= until && step(until)) {
    }
    if (state_->failure == nullptr) state_->net->advance_to(until);
    throw_failure();
}

time_point sim_world::now() const noexcept {
    return state_->net->now();
}

std::uint64_t sim_world::seed() const noexcept {
    return state_->seed;
}

std::uint64_t sim_world::trace_hash() const noexcept {
    return state_->net->choose().hash();
}

std::string sim_world::describe() const {
    const sim::allocations_by simulation(nullptr);
    return sim::describe_waits(*state_->net);
}

std::string sim_world::leaks() const {
    const sim::allocations_by simulation(nullptr);
    std::string text;
    const auto complain = [&](const sim_host& host, std::size_t count, const char* what) {
        if (count != 0) text += "host " + host.name() + ": " + std::to_string(count) + " " + what + "\n";
    };
    for (const auto& each : hosts_) {
        complain(*each, each->open_descriptors(), "open descriptors");
        complain(*each, each->backend_->in_flight(), "operations in flight");
        complain(*each, each->backend_->lent_buffers(), "receive buffers that were not given back");
    }
    return text;
}

}  // namespace sennit::testing
