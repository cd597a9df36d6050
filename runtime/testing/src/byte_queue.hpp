#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace sennit::testing::sim {

/// Bytes on their way: appended at one end, taken from the other.
class byte_queue {
  public:
    bool empty() const noexcept { return begin_ == bytes_.size(); }
    std::size_t size() const noexcept { return bytes_.size() - begin_; }
    const char* data() const noexcept { return bytes_.data() + begin_; }

    void append(const void* data, std::size_t size) {
        const auto* const first = static_cast<const char*>(data);
        bytes_.insert(bytes_.end(), first, first + size);
    }

    /// Copies up to `size` bytes from `offset` on, and gives how many that were.
    std::size_t copy(std::size_t offset, void* to, std::size_t size) const noexcept {
        const std::size_t count = std::min(size, this->size() - offset);
        if (count != 0) std::memcpy(to, data() + offset, count);
        return count;
    }

    /// Removes the first `size` bytes, of which there are as many.
    void consume(std::size_t size) noexcept {
        begin_ += size;
        if (begin_ == bytes_.size()) {
            clear();
        } else if (begin_ >= keep_at_most && begin_ >= this->size()) {
            // As many bytes were taken since the last time as are moved now.
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
            begin_ = 0;
        }
    }

    void clear() noexcept {
        bytes_.clear();
        begin_ = 0;
    }

  private:
    static constexpr std::size_t keep_at_most = 4096;

    std::vector<char> bytes_;
    std::size_t begin_ = 0;
};

}  // namespace sennit::testing::sim
