// What TCP and Unix streams share beyond single operations.

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include <sennit/net/stream_socket.hpp>

namespace sennit::net {

detail::socket_core& stream_socket::open_core() const {
    if (!core_ || core_->fd() < 0) {
        throw std::system_error(EBADF, std::system_category(), "the stream is closed");
    }
    return *core_.get();
}

detail::shutdown_awaiter stream_socket::shutdown_send() {
    return {core_, SHUT_WR};
}

void stream_socket::set_receive_buffer_size(int bytes) {
    open_core().set_option(SOL_SOCKET, SO_RCVBUF, bytes, "set_receive_buffer_size");
}

void stream_socket::set_send_buffer_size(int bytes) {
    open_core().set_option(SOL_SOCKET, SO_SNDBUF, bytes, "set_send_buffer_size");
}

int stream_socket::receive_buffer_size() const {
    return open_core().get_option(SOL_SOCKET, SO_RCVBUF, "receive_buffer_size");
}

int stream_socket::send_buffer_size() const {
    return open_core().get_option(SOL_SOCKET, SO_SNDBUF, "send_buffer_size");
}

}  // namespace sennit::net
