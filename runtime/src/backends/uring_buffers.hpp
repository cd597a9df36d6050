#pragma once

#include <liburing.h>

#include <cstdint>

#include <sennit/detail/buffer_pool.hpp>

#include "uring_ring.hpp"

namespace sennit {

/// The buffers that wait with the kernel for data (a "provided buffer ring"): it takes one when a receive that names
/// the group has something to put into it.
class uring_buffers {
  public:
    explicit uring_buffers(detail::buffer_pool& pool) noexcept : pool_(pool) {}
    uring_buffers(const uring_buffers&) = delete;
    uring_buffers& operator=(const uring_buffers&) = delete;
    /// The ring they were registered with is gone.
    ~uring_buffers();

    /// Registers the group, the first time that somebody asks. Whether there is one: the kernel may have none.
    bool open(uring_ring& ring) noexcept {
        if (state_ == state::untried) [[unlikely]]
            try_to_open(ring);
        return state_ == state::open;
    }

    /// Hands buffers of the pool to the kernel, up to what it has been found to use between two enters; some at a time,
    /// when a quarter of them is missing.
    void refill() noexcept {
        if (state_ == state::open && available_ < wanted_ - wanted_ / 4 && pool_.can_take()) add_buffers();
    }
    /// The kernel has found the group empty: the next `refill` brings twice as many.
    void want_more() noexcept { ran_out_ = true; }
    /// How many the kernel still has, as far as completions tell.
    unsigned available() const noexcept { return available_; }

    /// The buffer that a completion names; the kernel has it no longer.
    detail::pooled_buffer& take(std::uint16_t id) noexcept {
        --available_;
        return pool_.at(id);
    }

    static constexpr std::uint16_t group = 0;

  private:
    enum class state : std::uint8_t { untried, open, absent };

    void try_to_open(uring_ring& ring) noexcept;
    void add_buffers() noexcept;

    detail::buffer_pool& pool_;
    io_uring_buf_ring* shared_ = nullptr;  // with the kernel
    unsigned entries_ = 0;
    unsigned wanted_ = 16;
    unsigned available_ = 0;
    bool ran_out_ = false;
    state state_ = state::untried;
};

}  // namespace sennit
