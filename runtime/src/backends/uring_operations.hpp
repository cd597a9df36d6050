#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sennit/detail/buffer_pool.hpp>
#include <sennit/request.hpp>

#include "far_timer.hpp"
#include "kernel_backend.hpp"
#include "standing_receives.hpp"
#include "try_first.hpp"
#include "uring_buffers.hpp"
#include "uring_ring.hpp"
#include "uring_tag.hpp"

namespace sennit {

using operation_list = detail::intrusive_list<operation, detail::backend_tag>;

/// See uring_backend.cpp. How a request becomes an entry of the submission queue is in uring_submission.cpp.
class uring_backend final : public kernel_backend {
  public:
    uring_backend(const uring_options& options, const receive_buffer_options& buffers)
        : kernel_backend(socket_mode::blocking),
          pool_(detail::buffer_pool::make(buffers)),
          group_(*pool_),
          standing_(pool_->most()),
          ring_(options, wake_descriptor()) {}
    ~uring_backend() override;

    std::string describe() const { return ring_.describe(); }

    std::string_view name() const noexcept override { return "io_uring"; }
    void submit(operation& what) noexcept override;
    void cancel(operation& what) noexcept override;
    bool wait(time_point deadline) override;
    std::size_t in_flight() const noexcept override { return in_flight_; }
    int poll_descriptor() const noexcept override { return ring_.poll_descriptor(); }
    void close(int fd) noexcept override;
    std::size_t stop_receiving_ahead(int fd) noexcept override;

  private:
    /// Whether those that wait in `parked_` go first.
    enum class turn { behind_parked, now };
    class submission;

    void fill_in(operation& what, turn when) noexcept;
    void receive_into_group(operation& what) noexcept;
    void receive_once(operation& what) noexcept;
    void poll_before_call(operation& what) noexcept;
    /// An entry to fill in. Null when there is none; then the operation is parked.
    io_uring_sqe* entry_for(operation& what, turn when) noexcept {
        io_uring_sqe* entry = nullptr;
        if (when == turn::now || parked_.empty()) [[likely]]
            entry = ring_.next_entry();
        if (entry == nullptr) [[unlikely]]
            parked_.push_back(what);
        return entry;
    }
    void submit_cancel(operation& what, turn when) noexcept;
    void deliver_unsent() noexcept;
    void submit_parked();
    void submit_and_collect(time_point deadline);
    bool send_lone() noexcept;
    bool poll_for(uring_errand what, int fd) noexcept;
    /// Whether a completion tells when `deadline` has come.
    bool timer_tells(time_point deadline) const noexcept { return polls_for_timer_ && far_timer_.ends_by(deadline); }
    time_point limit_of_sleep(time_point deadline) noexcept;
    void enter(time_point deadline);
    unsigned reap() noexcept;
    void on_errand(uring_errand what, bool more) noexcept;
    void run_shutdowns() noexcept;
    bool run_calls() noexcept;
    void call(operation& what) noexcept;
    void on_call(operation& what, std::int32_t result) noexcept;
    bool lend_buffers() noexcept;
    void receive_now(operation& what) noexcept;
    void on_lease(operation& what, std::int32_t result, std::uint32_t flags) noexcept;
    void on_single(operation& what, std::int32_t result, detail::pooled_buffer* buffer = nullptr) noexcept;
    void on_accept(operation& what, std::int32_t result, bool more) noexcept;
    void on_cancel(operation& what, std::int32_t result) noexcept;

    // Receives that stay armed: uring_standing.cpp.
    bool receives_from_standing(operation& what, int fd, bool wanted, turn when) noexcept;
    bool arm(operation& what, int fd, turn when) noexcept;
    void disarm(standing_stream& stream) noexcept;
    bool disarm_parked() noexcept;
    void on_disarm(standing_stream& stream, std::int32_t result) noexcept;
    void on_standing(standing_stream& stream, std::int32_t result, std::uint32_t flags) noexcept;
    void end_without_bytes(standing_stream& stream, std::int32_t result) noexcept;
    void tidy(standing_stream& stream) noexcept;
    void append(standing_stream& stream, detail::pooled_buffer& buffer, std::int32_t filled) noexcept;
    detail::pooled_buffer& take_first(standing_stream& stream) noexcept;
    void take(standing_stream& stream, std::uint32_t count) noexcept;
    void give(standing_stream& stream, operation& what) noexcept;
    bool answer() noexcept;
    bool withdraw(operation& what) noexcept;
    void end_standing(int fd) noexcept;

    void finish(operation& what, std::int32_t result, detail::pooled_buffer* buffer = nullptr) noexcept;

    std::size_t in_flight_ = 0;
    bool polls_for_wakes_ = true;
    bool polls_for_timer_ = false;
    /// What found the submission queue full, in order: new operations, and others that are to be cancelled.
    operation_list parked_;
    operation_list unsent_;  ///< cancelled before the kernel knew of them
    operation_list lone_;    ///< a send while nothing else has been submitted
    bool may_hold_send_ = false;
    operation_list calls_;  ///< what a system call of this process does, not an entry
    try_first receives_first_;
    unsigned waits_without_enter_ = 0;
    operation_list shutdowns_;
    operation_list due_shutdowns_;  ///< the kernel has all that was submitted before them
    operation_list unlent_;         ///< receives that wait for a buffer, in order
    operation_list answered_;       ///< receives for which there is something already
    bool few_completions_ = true;   ///< in the turn before
    bool disarms_are_parked_ = false;
    far_timer far_timer_;
    detail::buffer_pool::owner pool_;
    uring_buffers group_;
    standing_receives standing_;
    uring_ring ring_;
};

}  // namespace sennit
