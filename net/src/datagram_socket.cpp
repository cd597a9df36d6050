// Datagrams: one message, its address and its buffer, all of which live in the awaiter while the kernel uses them.

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <sennit/net/datagram_socket.hpp>

namespace sennit::net {

namespace detail {

bool receive_awaiter::prepare() noexcept {
    message_.describe(&part_, 1, sender_, sizeof sender_);
    request_.message = message_.get();
    return true;
}

datagram receive_awaiter::received() const noexcept {
    return {static_cast<std::size_t>(result_), message_.truncated(),
            endpoint::from_sockaddr(sender_, message_.address_length())};
}

send_datagram_awaiter::send_datagram_awaiter(const socket_ref& core, const_bytes bytes) noexcept
    : request_on_socket(core, direction::sending, sendmsg_request{core ? core->fd() : -1, nullptr, 0}),
      // The kernel only reads from it; iovec has no const form.
      part_{const_cast<std::byte*>(bytes.data()), bytes.size()} {}

send_datagram_awaiter::send_datagram_awaiter(const socket_ref& core, const_bytes bytes,
                                             const endpoint& receiver) noexcept
    : send_datagram_awaiter(core, bytes) {
    receiver_length_ = receiver.to_sockaddr(receiver_);
}

send_datagram_awaiter::send_datagram_awaiter(send_datagram_awaiter&& other) noexcept
    : request_on_socket(std::move(other)), part_(other.part_), receiver_length_(other.receiver_length_) {
    std::memcpy(receiver_, other.receiver_, receiver_length_);
}

bool send_datagram_awaiter::prepare() noexcept {
    message_.describe(&part_, 1, receiver_length_ == 0 ? nullptr : receiver_, receiver_length_);
    request_.message = message_.get();
    return true;
}

}  // namespace detail

detail::socket_core& datagram_socket::open_core() const {
    if (!core_ || core_->fd() < 0) {
        throw std::system_error(EBADF, std::system_category(), "the socket is closed");
    }
    return *core_.get();
}

void datagram_socket::set_receive_buffer_size(int bytes) {
    open_core().set_option(SOL_SOCKET, SO_RCVBUF, bytes, "set_receive_buffer_size");
}

void datagram_socket::set_send_buffer_size(int bytes) {
    open_core().set_option(SOL_SOCKET, SO_SNDBUF, bytes, "set_send_buffer_size");
}

}  // namespace sennit::net
