#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <sennit/detail/pooled_buffer.hpp>
#include <sennit/event_loop_options.hpp>

namespace sennit::detail {

/// The receive buffers of one loop, all of one size. What came back last is lent first, for it is still in the
/// processor's cache. The pool stays until its owner, a backend, and all that it has lent are gone. It belongs to the
/// loop's thread.
class buffer_pool {
  public:
    struct drop_owner {
        void operator()(buffer_pool* pool) const noexcept { pool->drop_reference(); }
    };
    using owner = std::unique_ptr<buffer_pool, drop_owner>;

    /// Throws `std::bad_alloc` when there is no room for the first buffers.
    static owner make(const receive_buffer_options& options) { return owner(new buffer_pool(options)); }

    /// Takes a buffer out of the pool, for `unseal` or the kernel; null when all are out and there may not be more.
    pooled_buffer* take() noexcept;
    void give_back(pooled_buffer& buffer) noexcept;

    // AddressSanitizer sees neither what the kernel writes nor who reads what a lease has not brought. So every byte of
    // a pool is poisoned, except for those that somebody may use just now.

    /// The program itself is going to write to the buffer.
    void unseal(const pooled_buffer& buffer) const noexcept;
    /// So many bytes have been put into the buffer; only these may be read.
    void lend(pooled_buffer& buffer, std::int32_t filled) const noexcept;

    /// Whether `take` gives one, unless memory runs out just now.
    bool can_take() const noexcept { return free_ != nullptr || count_ < most_; }

    pooled_buffer& at(std::uint16_t index) noexcept {
        return chunks_[index / chunk_buffers].buffers[index % chunk_buffers];
    }
    std::size_t buffer_size() const noexcept { return size_; }
    std::size_t most() const noexcept { return most_; }
    /// Buffers that have been taken and not given back.
    std::size_t taken() const noexcept { return references_ - 1; }

  private:
    static constexpr std::size_t chunk_buffers = 64;
    struct chunk {
        std::byte* memory;
        std::size_t length;
        std::unique_ptr<pooled_buffer[]> buffers;
    };

    explicit buffer_pool(const receive_buffer_options& options);
    ~buffer_pool();
    bool grow() noexcept;
    void drop_reference() noexcept {
        if (--references_ == 0) delete this;
    }

    pooled_buffer* free_ = nullptr;
    std::size_t references_ = 1;
    std::size_t size_;
    std::size_t most_;
    std::size_t count_ = 0;
    std::vector<chunk> chunks_;
};

}  // namespace sennit::detail
