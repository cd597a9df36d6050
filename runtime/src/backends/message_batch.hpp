#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cstdint>

#include <sennit/request.hpp>

#include "system_calls.hpp"

namespace sennit::detail {

// Several datagrams in one system call, which io_uring has no operation for. Neither call waits: -EAGAIN where it would
// have to.

inline std::int32_t transfer_batch(const recvmmsg_request& what) noexcept {
    return uninterrupted([&] { return ::recvmmsg(what.fd, what.messages, what.count, MSG_DONTWAIT, nullptr); });
}

inline std::int32_t transfer_batch(const sendmmsg_request& what) noexcept {
    constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return uninterrupted([&] { return ::sendmmsg(what.fd, what.messages, what.count, flags); });
}

/// The events of poll(2) after which the call is worth another try.
inline std::uint32_t readiness_for(const recvmmsg_request&) noexcept {
    return POLLIN;
}
inline std::uint32_t readiness_for(const sendmmsg_request&) noexcept {
    return POLLOUT;
}

}  // namespace sennit::detail
