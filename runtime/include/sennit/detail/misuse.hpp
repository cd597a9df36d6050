#pragma once

namespace sennit::detail {

/// Prints `sennit: <message>` and aborts: for errors in the program that leave no state to go on from.
[[noreturn]] void misuse(const char* message) noexcept;

/// Prints `sennit: <message>` for an error in the program that does no harm by itself.
void report(const char* message) noexcept;

/// A byte of its own for each thread; its address tells threads apart without a system call.
inline thread_local constinit char thread_marker = 0;

}  // namespace sennit::detail
