#pragma once

#include <cstddef>

#include "byte_ring.hpp"

#include <sennit/net/detail/memory_operation.hpp>

namespace sennit::net::detail {

/// One direction of a memory stream: a sending end, a bounded queue, a receiving end. Each end serves one operation
/// at a time.
class memory_pipe {
  public:
    explicit memory_pipe(std::size_t capacity) : queue_(capacity) {}

    /// The sending end is gone: what is queued can still be received.
    void close_sending_end() noexcept;
    /// The receiving end is gone, and what is queued with it.
    void close_receiving_end() noexcept;
    bool receiving_end_closed() const noexcept { return receiving_end_closed_; }

  private:
    friend class memory_receive;
    friend class memory_send;
    friend class memory_shutdown;

    int why_not_receive() const noexcept;
    int why_not_send() const noexcept;
    void move_bytes() noexcept;
    static void end(memory_operation& ended, int error) noexcept;
    void end_receiver(int error) noexcept;
    void end_sender(int error) noexcept;

    byte_ring queue_;
    memory_receive* receiver_ = nullptr;
    memory_send* sender_ = nullptr;
    bool finished_ = false;  // nothing more will be queued
    bool sending_end_closed_ = false;
    bool receiving_end_closed_ = false;
};

}  // namespace sennit::net::detail
