// The wires between the hosts. Its one hard idea: everything that happens by itself is in one queue ordered by time
// and, at the same time, by when it was caused; so the whole world is one sequence that the seed determines.

#include "network.hpp"

#include <algorithm>
#include <chrono>

#include "kernel.hpp"
#include "socket.hpp"

namespace sennit::testing::sim {

namespace {

// Not the epoch: a deadline computed as "a while ago" is then an ordinary moment.
constexpr time_point beginning{std::chrono::hours(1)};

bool later(const std::unique_ptr<event>& one, const std::unique_ptr<event>& other) noexcept {
    return one->when != other->when ? one->when > other->when : one->sequence > other->sequence;
}

}  // namespace

bool link::is_ideal() const noexcept {
    return !cut && options.latency == duration::zero() && options.jitter == duration::zero() && options.slow == 0 &&
           options.bandwidth == 0 && options.loss == 0 && options.reset == 0;
}

network::network(const sim_options& options)
    : shuffle_(options.shuffle), choose_(options.seed, options.trace), now_(beginning) {}

network::~network() = default;

void network::at(time_point when, std::unique_ptr<event> what) {
    what->when = std::max(when, now_);
    what->sequence = next_sequence_++;
    queue_.push_back(std::move(what));
    std::push_heap(queue_.begin(), queue_.end(), later);
}

void network::advance_to(time_point moment) noexcept {
    now_ = std::max(now_, std::min(moment, next_event()));
}

void network::run_due() {
    while (!queue_.empty() && queue_.front()->when <= now_) {
        std::pop_heap(queue_.begin(), queue_.end(), later);
        std::unique_ptr<event> next = std::move(queue_.back());
        queue_.pop_back();
        event& what = *next;
        what.happen(std::move(next));
    }
}

kernel& network::add_host(std::string name, std::vector<ip> addresses) {
    kernels_.push_back(std::make_unique<kernel>(*this, kernels_.size(), std::move(name), std::move(addresses)));
    kernel& added = *kernels_.back();
    for (const ip& each : added.addresses()) hosts_.emplace(each, &added);
    return added;
}

kernel* network::owner_of(const ip& where, kernel& from) const noexcept {
    if (where.is_loopback() || where.is_any()) return &from;
    const auto found = hosts_.find(where);
    return found == hosts_.end() ? nullptr : found->second;
}

link& network::between(const kernel& from, const kernel& to) {
    const auto [entry, is_new] = links_.try_emplace({from.index(), to.index()});
    if (is_new && from.index() == to.index()) entry->second.options.latency = duration::zero();
    return entry->second;
}

bool network::loses(const link& path) {
    return path.cut || choose_.chance(path.options.loss, "loss");
}

time_point network::arrival(link& path, std::size_t bytes) {
    const link_options& options = path.options;
    time_point sent = now_;
    if (options.bandwidth != 0) {
        constexpr std::uint64_t second = 1'000'000'000;
        __extension__ typedef unsigned __int128 wide;
        const auto time = static_cast<duration::rep>(wide{bytes} * second / options.bandwidth);
        sent = path.free_at = std::max(path.free_at, now_) + duration(time);
    }
    time_point arrives = sent + options.latency + choose_.up_to(options.jitter, "jitter");
    if (choose_.chance(options.slow, "slow")) arrives += choose_.up_to(options.slow_by, "slow by");
    return arrives;
}

void network::keep(std::shared_ptr<sim_socket> what) {
    sim_socket* const key = what.get();
    kept_.emplace(key, std::move(what));
}

}  // namespace sennit::testing::sim
