#pragma once

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <variant>

#include <sennit/request.hpp>

#include "message_batch.hpp"
#include "splice_call.hpp"

namespace sennit::detail {

// The requests that are a system call of this process, since io_uring has no operation for them or only one that is
// dear.

template <class Request, class... Which>
inline constexpr bool is_one_of = (std::same_as<Request, Which> || ...);

template <class Request>
inline constexpr bool is_called_request =
    is_one_of<Request, recvmmsg_request, sendmmsg_request, splice_in_request, splice_out_request>;

inline bool is_called(const request& what) noexcept {
    return what.visit([](const auto& each) { return is_called_request<std::decay_t<decltype(each)>>; });
}

/// Whether the request is tried again when its call has said EAGAIN.
inline bool waits(const request& what) noexcept {
    const auto* const splice = std::get_if<splice_in_request>(&what);
    return splice == nullptr || waits(*splice);
}

/// Makes the call. It does not wait: -EAGAIN where it would have to.
struct call_without_waiting {
    std::int32_t operator()(const recvmmsg_request& what) const noexcept { return transfer_batch(what); }
    std::int32_t operator()(const sendmmsg_request& what) const noexcept { return transfer_batch(what); }
    std::int32_t operator()(const splice_in_request& what) const noexcept { return splice_on_blocking_socket(what); }
    std::int32_t operator()(const splice_out_request& what) const noexcept { return splice_on_blocking_socket(what); }
    std::int32_t operator()(const auto&) const noexcept { return -EINVAL; }
};

}  // namespace sennit::detail
