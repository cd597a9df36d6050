#pragma once

// What the kernel has and liburing 2.3 does not name. In a namespace of our own, so that a newer liburing,
// which does, cannot clash with it.

namespace sennit::uring_constants {

inline constexpr unsigned enter_absolute_timeout = 1U << 5;  ///< Linux 6.12: the timeout of enter is a moment
inline constexpr unsigned enter_no_iowait = 1U << 7;     ///< Linux 6.15: sleeping in enter is not waiting for a disk
inline constexpr unsigned feature_no_iowait = 1U << 17;  ///< Linux 6.15: enter_no_iowait is known

}  // namespace sennit::uring_constants
