#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sennit/detail/buffer_pool.hpp>

#include "epoll_set.hpp"
#include "far_timer.hpp"
#include "kernel_backend.hpp"
#include "try_first.hpp"

namespace sennit {

/// See epoll_backend.cpp. How each request is tried is in epoll_attempt.cpp.
class epoll_backend final : public kernel_backend {
  public:
    explicit epoll_backend(const event_loop_options& options);
    ~epoll_backend() override;

    std::string_view name() const noexcept override { return "epoll"; }
    void submit(operation& what) noexcept override;
    void cancel(operation& what) noexcept override;
    bool wait(time_point deadline) override;
    std::size_t in_flight() const noexcept override { return in_flight_; }
    int poll_descriptor() const noexcept override { return pollable_ ? set_.poll_descriptor() : -ENOTSUP; }

    int open_socket(int domain, int type, int protocol) noexcept override;
    int open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept override;
    void close(int fd) noexcept override;

  private:
    struct attempt;

    // The events a descriptor is watched for, and those that always come.
    static constexpr std::uint32_t reading = EPOLLIN | EPOLLPRI | EPOLLRDHUP;
    static constexpr std::uint32_t writing = EPOLLOUT;
    static constexpr std::uint32_t failing = EPOLLERR | EPOLLHUP;

    static constexpr std::chrono::milliseconds shortest_retry{1};
    static constexpr std::chrono::milliseconds longest_retry{50};

    void try_and_collect(time_point deadline);
    duration rest_until(time_point deadline) noexcept;
    void try_once(operation& what, std::uint32_t reported, epoll_descriptor* subject) noexcept;
    void on_event(const epoll_event& event) noexcept;
    void on_internal_event(std::uint64_t tag) noexcept;
    /// The operation is over. It may be gone when this returns.
    void deliver(operation& what, std::int32_t result, detail::pooled_buffer* buffer = nullptr) noexcept {
        --in_flight_;
        ++delivered_;
        if (buffer != nullptr) pool_->lend(*buffer, result);
        what.complete({result, false, buffer});
    }
    void end_cancelled() noexcept;
    void end_cancelled(operation& what) noexcept;
    void end_poll(operation& what, int fd, std::int32_t result) noexcept;
    void park(operation& what, int fd, std::uint32_t events) noexcept;
    void park_poll(operation& what, int fd, std::uint32_t events) noexcept;
    void park_until_retry(operation& what) noexcept;

    bool pollable_;
    int retry_timer_ = -1;
    far_timer far_timer_;
    unsigned waits_since_events_ = 0;
    std::size_t in_flight_ = 0;
    std::size_t delivered_ = 0;
    duration retry_delay_ = shortest_retry;
    epoll_set set_;
    try_first try_first_[2];  // for descriptors that were never read empty, and that were
    // Two lists in turn: what is submitted while one is worked off goes to the other, which bounds the work.
    operation_list attempt_lists_[2];
    operation_list* attempts_ = &attempt_lists_[0];
    operation_list retries_;
    operation_list cancelled_;
    operation_list unlent_;  // receives that wait for a buffer, in order
    detail::buffer_pool::owner pool_;
};

}  // namespace sennit
