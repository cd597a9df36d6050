// The kernel's message header, in a place that public headers can have without its definition.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <new>

#include <sennit/net/detail/message_header.hpp>

namespace sennit::net::detail {

static_assert(sizeof(msghdr) <= sizeof(message_header) && alignof(msghdr) <= alignof(message_header));
static_assert(sizeof(io_part) == sizeof(iovec) && offsetof(io_part, data) == offsetof(iovec, iov_base) &&
              offsetof(io_part, size) == offsetof(iovec, iov_len));

void message_header::describe(io_part* parts, std::size_t count, void* address, std::uint32_t address_length) noexcept {
    auto* const header = new (storage_) msghdr{};
    header->msg_iov = reinterpret_cast<iovec*>(parts);
    header->msg_iovlen = count;
    header->msg_name = address;
    header->msg_namelen = address_length;
}

std::uint32_t message_header::address_length() const noexcept {
    return get()->msg_namelen;
}

bool message_header::truncated() const noexcept {
    return (get()->msg_flags & MSG_TRUNC) != 0;
}

}  // namespace sennit::net::detail
