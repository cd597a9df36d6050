#pragma once

#include <cstddef>
#include <ctime>
#include <string>

namespace sennit::testing {

/// Of `[Mon Nov 23 21:07:41 2026]`.
inline constexpr std::size_t time_size = 26;

inline bool begins_with_time(const std::string& text) {
    if (text.size() < time_size) return false;
    std::tm read{};
    const char* const end = ::strptime(text.c_str(), "[%a %b %e %H:%M:%S %Y]", &read);
    return end == text.c_str() + time_size;
}

}  // namespace sennit::testing
