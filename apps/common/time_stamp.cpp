// The time of day, for the time servers.

#include <array>
#include <ctime>

#include "common/time_stamp.hpp"

namespace app {

std::string time_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 64> text;
    const std::size_t size = std::strftime(text.data(), text.size(), "[%a %b %e %H:%M:%S %Y]", &local);
    return std::string(text.data(), size);
}

}  // namespace app
