#pragma once

#include <cstddef>
#include <utility>

#include <sennit/bytes.hpp>
#include <sennit/detail/pooled_buffer.hpp>
#include <sennit/net/detail/socket_core.hpp>

namespace sennit::net {

namespace detail {
class lease_awaiter;
}

/// Bytes that have been received, in a buffer lent by the loop: what `recv_lease` gives. Movable; the buffer goes back
/// when the lease ends or is released, and the sooner the better, for there is a limited number of them
/// (`event_loop_options::receive_buffers`). An empty lease has no buffer.
///
/// It may outlive its stream, and even its loop. It belongs to the loop's thread.
class buffer_lease final {
  public:
    /// How many leases of one stream there may be at a time, so that a connection which collects them cannot keep them
    /// from the others.
    static constexpr std::size_t most_per_stream = 16;

    buffer_lease() noexcept = default;
    buffer_lease(buffer_lease&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
    buffer_lease& operator=(buffer_lease&& other) noexcept {
        buffer_lease moved(std::move(other));
        std::swap(buffer_, moved.buffer_);
        return *this;
    }
    ~buffer_lease() { release(); }

    /// What was received. Valid until the lease ends.
    mutable_bytes bytes() const noexcept {
        return buffer_ != nullptr ? mutable_bytes(buffer_->data, size()) : mutable_bytes();
    }
    operator const_bytes() const noexcept { return bytes(); }
    /// In bytes.
    std::size_t size() const noexcept { return buffer_ != nullptr ? buffer_->filled : 0; }
    /// True of what `recv_lease` gives at the end of the stream.
    bool empty() const noexcept { return buffer_ == nullptr; }
    explicit operator bool() const noexcept { return !empty(); }

    /// Gives the buffer back; the lease is empty then.
    void release() noexcept {
        if (buffer_ == nullptr) return;
        auto* const core = static_cast<detail::socket_core*>(buffer_->borrower);
        std::exchange(buffer_, nullptr)->give_back();
        core->lease_ended();
    }

  private:
    friend class detail::lease_awaiter;

    /// A lease that the socket which has borrowed the buffer counts already.
    explicit buffer_lease(sennit::detail::pooled_buffer& buffer) noexcept : buffer_(&buffer) {}

    sennit::detail::pooled_buffer* buffer_ = nullptr;
};

}  // namespace sennit::net
