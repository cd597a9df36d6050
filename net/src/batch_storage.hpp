#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <vector>

#include <sennit/bytes.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net::detail {

/// The kernel's tables for a batch of datagrams, and the memory they name, which stays where it is when the batch is
/// moved.
class batch_storage {
  public:
    batch_storage(std::size_t capacity, std::size_t longest);

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return headers_.size(); }
    std::size_t longest() const noexcept { return longest_; }

    mmsghdr* headers() noexcept { return headers_.data(); }
    std::size_t size_of(std::size_t index) const noexcept { return parts_[index].iov_len; }
    mutable_bytes room(std::size_t index) noexcept { return {bytes_.get() + index * longest_, longest_}; }
    endpoint peer(std::size_t index) const noexcept;
    bool truncated(std::size_t index) const noexcept { return (headers_[index].msg_hdr.msg_flags & MSG_TRUNC) != 0; }

    /// A datagram was not sent: the errno value.
    int error(std::size_t index) const noexcept { return errors_[index]; }
    void fail(std::size_t index, int error) noexcept { errors_[index] = error; }

    void resize(std::size_t index, std::size_t size);
    bool push_back(const_bytes bytes, const endpoint* receiver);

    /// Makes all of it room for what comes.
    void prepare_to_receive() noexcept;
    /// So many datagrams have come.
    void received(std::size_t count) noexcept;
    /// Forgets the errors of an earlier sending.
    void prepare_to_send() noexcept;

  private:
    struct name {
        alignas(8) unsigned char bytes[endpoint::max_sockaddr_size];
    };

    void require_to_fit(std::size_t size) const;

    std::size_t longest_;
    std::size_t size_ = 0;
    std::vector<mmsghdr> headers_;
    std::vector<iovec> parts_;
    std::vector<name> names_;
    std::vector<int> errors_;
    std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace sennit::net::detail
