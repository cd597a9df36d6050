#pragma once

#include <sys/socket.h>

#include <cstdint>

#include <sennit/request.hpp>

#include "system_calls.hpp"

namespace sennit::detail {

// The sends as system calls that do not wait: -EAGAIN where they would have to.

inline std::int32_t send_now(const send_request& what) noexcept {
    const int flags = what.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    return uninterrupted([&] { return ::send(what.fd, what.data, what.size, flags); });
}

inline std::int32_t send_now(const sendmsg_request& what) noexcept {
    const int flags = what.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    return uninterrupted([&] { return ::sendmsg(what.fd, what.message, flags); });
}

}  // namespace sennit::detail
