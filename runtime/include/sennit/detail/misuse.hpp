#pragma once

namespace sennit::detail {

/// Prints `sennit: <message>` and aborts: for errors in the program that leave no state to go on from.
[[noreturn]] void misuse(const char* message) noexcept;

/// Prints `sennit: <message>` for an error in the program that does no harm by itself.
void report(const char* message) noexcept;

#if defined(__x86_64__)
/// Tells threads apart without a system call. It is the thread pointer, which stands in the word that it points to (ELF
/// Handling For Thread-Local Storage, x86-64): the address of a variable would be a call away from a shared library.
inline const void* this_thread() noexcept {
    const void* self;
    asm("mov %%fs:0, %0" : "=r"(self));
    return self;
}
#else
inline thread_local constinit char thread_marker = 0;
/// Tells threads apart without a system call.
inline const void* this_thread() noexcept {
    return &thread_marker;
}
#endif

}  // namespace sennit::detail
