#pragma once

namespace sennit::testing {

/// Whether AddressSanitizer watches: stack frames are several times as large then, and everything takes several times
/// as long. Tests of great numbers show with a part of them what the sanitizer can see.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool is_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool is_sanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool is_sanitized = false;
#endif

}  // namespace sennit::testing
