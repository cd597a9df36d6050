// Receiving into a buffer that the loop lends. Its one hard idea is who counts: from its completion on, the buffer is
// counted at the socket, whose memory stays until the last lease is back, even when stream and loop are gone.

#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <new>
#include <system_error>

#include <sennit/net/detail/lease_awaiter.hpp>
#include <sennit/request.hpp>

namespace sennit::net::detail {

// The largest part of the frame of a handler that waits here, as most of many connections do.
static_assert(sizeof(void*) != 8 || sizeof(lease_awaiter) <= 72);

request lease_awaiter::what() const noexcept {
    return recv_lease_request{descriptor(), patience_ == patience::none ? MSG_DONTWAIT : 0};
}

void lease_awaiter::complete(completion done) noexcept {
    if (done.buffer != nullptr) {
        done.buffer->borrower = core();
        core()->lease_begins();
    }
    keep_buffer(done.buffer);  // the backend is through with the operation
    finish_on_socket(done.result);
}

bool lease_awaiter::has_too_many() noexcept {
    // Whatever else is wrong is found by the socket.
    if (core() == nullptr || core()->fd() < 0 || core()->leases() < buffer_lease::most_per_stream) return false;
    result_ = -ENOBUFS;
    return true;
}

lease_send_awaiter::lease_send_awaiter(const socket_ref& core, const buffer_lease& lease) noexcept {
    try {
        sending_ = std::make_unique<send_all_awaiter>(core, lease.bytes());
    } catch (const std::bad_alloc&) {
        // The await says so.
    }
}

void lease_send_awaiter::throw_no_memory() {
    throw std::system_error(std::make_error_code(std::errc::not_enough_memory), "send");
}

}  // namespace sennit::net::detail
