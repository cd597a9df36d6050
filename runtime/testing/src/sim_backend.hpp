#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include <sennit/backend.hpp>
#include <sennit/detail/buffer_pool.hpp>
#include <sennit/request.hpp>

#include "allocations.hpp"
#include "kernel.hpp"
#include "network.hpp"

namespace sennit::testing::sim {

/// What a test does to the operations of one host: nothing, unless it says otherwise.
struct interference {
    /// Is called at each place where a program may be cancelled from outside.
    std::function<void()> at_cancellation_point;
    /// Decides of each operation, before it is tried, whether it fails, and how: 0 or a negated errno value.
    std::function<int(const request&)> failure_of;
    /// Decides of each allocation that the host's programs make whether it fails.
    allocation_judge allocation_fails;
};

/// The backend of one simulated host. It shares the network, which lives as long as one of its hosts.
class sim_backend final : public backend, public simulated_machine {
  public:
    sim_backend(std::shared_ptr<network> net, kernel& host, const receive_buffer_options& buffers)
        : net_(std::move(net)), kernel_(&host), pool_(sennit::detail::buffer_pool::make(buffers)) {}
    ~sim_backend() override;

    std::string_view name() const noexcept override { return "sim"; }
    void runs(const event_loop& loop) noexcept override { kernel_->set_loop(&loop); }
    time_point now() noexcept override { return net_->now(); }
    void submit(operation& what) noexcept override;
    void cancel(operation& what) noexcept override;
    bool wait(time_point deadline) override;
    void wake() noexcept override { woken_.store(true, std::memory_order_release); }
    std::size_t in_flight() const noexcept override { return in_flight_; }
    int poll_descriptor() const noexcept override;

    int open_socket(int domain, int type, int protocol) noexcept override;
    int open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept override;
    int bind(int fd, const sockaddr* where, std::uint32_t length) noexcept override;
    int listen(int fd, int backlog) noexcept override;
    int local_name(int fd, void* name, std::uint32_t& length) noexcept override;
    int peer_name(int fd, void* name, std::uint32_t& length) noexcept override;
    int set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept override;
    int get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept override;
    int shutdown(int fd, int how) noexcept override;
    void close(int fd) noexcept override;

    simulated_machine* simulated() noexcept override { return this; }
    name_answer look_up(const std::string& host) override;
    void before_resumption() override;

    /// Whether `wait` would have something to do now.
    bool has_work() const noexcept {
        return !kernel_->attempts().empty() || !ended_.empty() || woken_.load(std::memory_order_acquire);
    }

    /// Receive buffers that operations and leases hold.
    std::size_t lent_buffers() const noexcept { return pool_->taken(); }

    kernel& host() noexcept { return *kernel_; }
    interference& disturb() noexcept { return interference_; }

  private:
    struct attempt;

    void try_all();
    sennit::detail::pooled_buffer* take_buffer() noexcept;
    sennit::detail::pooled_buffer* take_filled(const operation& what) noexcept;
    void end(operation& what, std::int32_t result) noexcept;
    bool deliver_ended();

    std::shared_ptr<network> net_;
    kernel* kernel_;
    sennit::detail::buffer_pool::owner pool_;
    interference interference_;
    std::atomic<bool> woken_{false};
    std::size_t in_flight_ = 0;
    operation_list ended_;
    operation_list unlent_;  // receives that wait for a buffer, in order
    std::vector<operation*> batch_;
    std::unordered_map<const operation*, sennit::detail::pooled_buffer*> filled_;  // by those that have ended
    time_point last_turn_{};
    int turns_at_once_ = 0;
};

}  // namespace sennit::testing::sim
