// Where errors of the calling program are reported. writev(2) and not stdio: it must work in any state.

#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include <sennit/detail/misuse.hpp>

namespace sennit::detail {

void report(const char* message) noexcept {
    char prefix[] = "sennit: ";
    char end[] = "\n";
    const iovec line[] = {
        {prefix, std::strlen(prefix)},
        {const_cast<char*>(message), std::strlen(message)},
        {end, std::strlen(end)},
    };
    // Nothing can be done when even standard error is closed.
    [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, line, 3);
}

void misuse(const char* message) noexcept {
    report(message);
    std::abort();
}

}  // namespace sennit::detail
