#pragma once

#include <cstdint>
#include <variant>

#include <sennit/operation.hpp>
#include <sennit/request.hpp>

#include "uring_calls.hpp"

namespace sennit {

/// The low bits of `user_data` say whom a completion is for. The rest is the operation's address, or a number.
enum class uring_tag : std::uint64_t {
    single = 0,    ///< an operation with one completion
    accept = 1,    ///< an accept: possibly with many
    cancel = 2,    ///< the cancellation of an operation
    lease = 3,     ///< a receive into a buffer of the loop's
    call = 4,      ///< the poll after which a system call is worth a try
    standing = 5,  ///< a receive that stays armed: the number of its stream
    disarm = 6,    ///< the cancellation of such a receive: the same number
    own = 7,       ///< what the backend asks for itself: a `uring_errand`
};
inline constexpr std::uint64_t uring_tag_mask = 7;

/// What a backend asks for itself.
enum class uring_errand : std::uint64_t {
    wake,    ///< the poll on the descriptor that `wake` writes to
    timer,   ///< the poll on the timer that stays set
    nobody,  ///< what nobody waits for
};

static_assert(alignof(operation) > uring_tag_mask, "the tag has no room below an operation's address");

inline std::uint64_t tagged(const operation& what, uring_tag tag) noexcept {
    return reinterpret_cast<std::uintptr_t>(&what) | static_cast<std::uint64_t>(tag);
}

inline std::uint64_t tagged(std::uint64_t number, uring_tag tag) noexcept {
    return number * (uring_tag_mask + 1) | static_cast<std::uint64_t>(tag);
}
inline std::uint64_t tagged(uring_errand what) noexcept {
    return tagged(static_cast<std::uint64_t>(what), uring_tag::own);
}

/// The number that `user_data` carries.
inline std::uint64_t number_in(std::uint64_t user_data) noexcept {
    return user_data / (uring_tag_mask + 1);
}

/// The operation that `user_data` carries the address of.
inline operation& named(std::uint64_t user_data) noexcept {
    return *reinterpret_cast<operation*>(static_cast<std::uintptr_t>(user_data & ~uring_tag_mask));
}

/// The `user_data` of an operation's completions.
inline std::uint64_t name_in_kernel(const operation& what) noexcept {
    const request asked = what.what();
    if (std::holds_alternative<accept_request>(asked)) return tagged(what, uring_tag::accept);
    if (std::holds_alternative<recv_lease_request>(asked)) return tagged(what, uring_tag::lease);
    return tagged(what, detail::is_called(asked) ? uring_tag::call : uring_tag::single);
}

}  // namespace sennit
