#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include <sennit/bytes.hpp>

namespace sennit::net::detail {

/// A queue of bytes in a buffer of fixed size, used in a circle.
class byte_ring {
  public:
    explicit byte_ring(std::size_t capacity)
        : bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity)), capacity_(capacity) {}

    bool empty() const noexcept { return size_ == 0; }

    /// Appends as many of the bytes as there is room for; gives their number.
    std::size_t write(const_bytes from) noexcept {
        const std::size_t count = std::min(from.size(), capacity_ - size_);
        if (count == 0) return 0;
        const std::size_t last = first_ + size_;
        const std::size_t start = last < capacity_ ? last : last - capacity_;
        const std::size_t before_end = std::min(count, capacity_ - start);
        std::memcpy(bytes_.get() + start, from.data(), before_end);
        std::memcpy(bytes_.get(), from.data() + before_end, count - before_end);
        size_ += count;
        return count;
    }

    /// Moves the oldest bytes to `to`, as many as there are and fit; gives their number.
    std::size_t read(mutable_bytes to) noexcept {
        const std::size_t count = std::min(to.size(), size_);
        if (count == 0) return 0;
        const std::size_t before_end = std::min(count, capacity_ - first_);
        std::memcpy(to.data(), bytes_.get() + first_, before_end);
        std::memcpy(to.data() + before_end, bytes_.get(), count - before_end);
        size_ -= count;
        first_ += count;
        if (first_ >= capacity_) first_ -= capacity_;
        return count;
    }

  private:
    std::unique_ptr<std::byte[]> bytes_;
    std::size_t capacity_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace sennit::net::detail
