#pragma once

#include <cstddef>
#include <cstdint>

struct msghdr;

namespace sennit::net::detail {

/// One part of a scattered or gathered transfer, laid out as the kernel's `struct iovec`.
struct io_part {
    void* data;
    std::size_t size;
};

/// Room for the kernel's `struct msghdr`, which public headers do not name.
class message_header {
  public:
    msghdr* get() noexcept { return reinterpret_cast<msghdr*>(storage_); }
    const msghdr* get() const noexcept { return reinterpret_cast<const msghdr*>(storage_); }

    /// Describes a message of `count` parts to or from `address`, which may be null.
    void describe(io_part* parts, std::size_t count, void* address, std::uint32_t address_length) noexcept;

    std::uint32_t address_length() const noexcept;
    /// Whether the kernel reported that the datagram was longer than the buffer.
    bool truncated() const noexcept;

  private:
    alignas(8) unsigned char storage_[56];
};

}  // namespace sennit::net::detail
