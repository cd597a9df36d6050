#pragma once

#include <cstddef>
#include <cstdint>

namespace sennit::detail {

class buffer_pool;

/// One buffer of a pool: where it is and, while it is lent, how much of it is filled. It is kept beside the memory it
/// describes, so that keeping a buffer does not touch its pages.
struct pooled_buffer {
    /// To its pool.
    void give_back() noexcept;

    buffer_pool* pool = nullptr;
    std::byte* data = nullptr;
    pooled_buffer* next_free = nullptr;
    void* borrower = nullptr;  ///< for whoever has taken it
    std::uint32_t filled = 0;  ///< bytes, for whoever has taken it
    std::uint16_t index = 0;   ///< its number in the pool
};

}  // namespace sennit::detail
