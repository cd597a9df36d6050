#pragma once

#include <cstddef>
#include <memory>
#include <system_error>

#include <sennit/bytes.hpp>
#include <sennit/net/endpoint.hpp>

struct mmsghdr;

namespace sennit::net {

namespace detail {
class batch_storage;
}

/// Several datagrams that are received, or sent, with one system call (`datagram_socket::recv_batch`, `send_batch`),
/// and the memory for them. What has been received can be answered in place: each datagram goes back to its sender.
///
/// A batch serves one operation at a time and must outlive it. Movable; what refers to its datagrams goes along.
class datagram_batch {
  public:
    /// Room for `capacity` datagrams (1 to 1024) of up to `longest` bytes (1 to 65,535). Throws
    /// `std::invalid_argument`, and `std::bad_alloc`.
    explicit datagram_batch(std::size_t capacity = 64, std::size_t longest = 2048);
    datagram_batch(datagram_batch&&) noexcept;
    datagram_batch& operator=(datagram_batch&&) noexcept;
    ~datagram_batch();

    /// One datagram of a batch. It refers to the batch, so it is cheap to copy, and ends with what the batch holds.
    class item {
      public:
        /// What was received, or is to be sent.
        mutable_bytes bytes() const noexcept;
        /// Who has sent it, and whom it is sent to; unnamed where the socket is connected or the sender not bound.
        endpoint peer() const noexcept;
        /// It was longer than the batch's `longest`, and the rest is lost.
        bool truncated() const noexcept;
        /// Why `send_batch` could not send it.
        std::error_code error() const noexcept;

        /// Sends `size` bytes of `room` instead. Throws `std::length_error` when it is more than `longest`.
        void resize(std::size_t size) const;
        /// All the memory of this datagram, `longest` bytes.
        mutable_bytes room() const noexcept;

      private:
        friend class datagram_batch;
        item(detail::batch_storage& storage, std::size_t index) noexcept : storage_(&storage), index_(index) {}

        detail::batch_storage* storage_;
        std::size_t index_;
    };

    class iterator {
      public:
        item operator*() const noexcept { return (*batch_)[index_]; }
        iterator& operator++() noexcept {
            ++index_;
            return *this;
        }
        bool operator==(const iterator&) const noexcept = default;

      private:
        friend class datagram_batch;
        iterator(datagram_batch& batch, std::size_t index) noexcept : batch_(&batch), index_(index) {}

        datagram_batch* batch_;
        std::size_t index_;
    };

    /// How many datagrams it holds.
    std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }
    std::size_t capacity() const noexcept;
    std::size_t longest() const noexcept;

    /// `index` must be below `size()`.
    item operator[](std::size_t index) noexcept { return {*storage_, index}; }
    iterator begin() noexcept { return {*this, 0}; }
    iterator end() noexcept { return {*this, size()}; }

    /// Appends a copy of `bytes` for `receiver`. False, without effect, when the batch is full. Throws
    /// `std::length_error` when there are more than `longest` bytes.
    bool push_back(const_bytes bytes, const endpoint& receiver);
    /// The same, to the peer of a connected socket.
    bool push_back(const_bytes bytes);
    /// Drops all datagrams.
    void clear() noexcept;

    /// What the operations use.
    detail::batch_storage& storage() noexcept { return *storage_; }

  private:
    std::unique_ptr<detail::batch_storage> storage_;
};

}  // namespace sennit::net
