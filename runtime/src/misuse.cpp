// Where errors of the calling program are reported. write(2) and not stdio: it must work in any state.

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include <sennit/detail/misuse.hpp>

namespace sennit::detail {

void report(const char* message) noexcept {
    char line[512];
    std::size_t length = 0;
    for (const char* part : {"sennit: ", message, "\n"}) {
        const std::size_t rest = sizeof line - length;
        const std::size_t size = std::strlen(part) < rest ? std::strlen(part) : rest;
        std::memcpy(line + length, part, size);
        length += size;
    }
    // Nothing can be done when even standard error is closed.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line, length);
}

void misuse(const char* message) noexcept {
    report(message);
    std::abort();
}

}  // namespace sennit::detail
