#pragma once

#include <cstdint>
#include <variant>

#include <sennit/operation.hpp>

#include "uring_calls.hpp"

namespace sennit {

/// The low bits of `user_data` say whom a completion is for. For operations the rest is the
/// operation's address.
enum class uring_tag : std::uint64_t {
    single = 0,  ///< an operation with one completion
    accept = 1,  ///< an accept: possibly with many
    cancel = 2,  ///< the cancellation of an operation
    wake = 3,    ///< the poll on the descriptor that `wake` writes to
    nobody = 4,  ///< what nobody waits for
    lease = 5,   ///< a receive into a buffer of the loop's
    call = 6,    ///< the poll after which a system call is worth a try
    timer = 7,   ///< the poll on the timer that stays set
};
inline constexpr std::uint64_t uring_tag_mask = 7;

static_assert(alignof(operation) > uring_tag_mask, "the tag has no room below an operation's address");

inline std::uint64_t tagged(const operation& what, uring_tag tag) noexcept {
    return reinterpret_cast<std::uintptr_t>(&what) | static_cast<std::uint64_t>(tag);
}

/// The operation that `user_data` carries the address of.
inline operation& named(std::uint64_t user_data) noexcept {
    return *reinterpret_cast<operation*>(static_cast<std::uintptr_t>(user_data & ~uring_tag_mask));
}

/// The `user_data` of an operation's completions.
inline std::uint64_t name_in_kernel(const operation& what) noexcept {
    if (std::holds_alternative<accept_request>(what.what())) return tagged(what, uring_tag::accept);
    if (std::holds_alternative<recv_lease_request>(what.what())) return tagged(what, uring_tag::lease);
    return tagged(what, detail::is_called(what.what()) ? uring_tag::call : uring_tag::single);
}

}  // namespace sennit
