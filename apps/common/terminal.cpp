// Standard input and output without blocking. Its one hard idea: the descriptors may be shared with a shell or with
// another program, so O_NONBLOCK, which belongs to what they share, is left alone. A read after a poll does not block;
// neither does a write of up to PIPE_BUF bytes (pipe(7)).

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <sennit/poll.hpp>

#include "common/terminal.hpp"

namespace app {

using namespace sennit;

namespace {

constexpr std::size_t longest_line = 1'000'000;

bool try_again(ssize_t done, const char* what) {
    if (done >= 0) return false;
    if (errno == EAGAIN || errno == EINTR) return true;
    throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

task<std::size_t> read_input(mutable_bytes buffer) {
    for (;;) {
        co_await wait_readable(STDIN_FILENO);
        const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (!try_again(got, "standard input")) co_return static_cast<std::size_t>(got);
    }
}

task<> print(const_bytes bytes) {
    while (!bytes.empty()) {
        co_await wait_writable(STDOUT_FILENO);
        const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
        if (!try_again(written, "standard output")) bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

task<std::optional<std::string>> input_lines::next() {
    std::size_t searched = 0;
    for (;;) {
        const std::size_t end = waiting_.find('\n', searched);
        if (end != std::string::npos) {
            std::string line = waiting_.substr(0, end);
            waiting_.erase(0, end + 1);
            co_return line;
        }
        if (at_end_) {
            if (waiting_.empty()) co_return std::nullopt;
            co_return std::exchange(waiting_, {});
        }
        if (waiting_.size() > longest_line) {
            throw std::runtime_error("a line of the input is longer than a megabyte; break it");
        }
        searched = waiting_.size();
        std::array<char, 4096> chunk;
        const std::size_t got = co_await read_input(chunk);
        waiting_.append(chunk.data(), got);
        at_end_ = got == 0;
    }
}

}  // namespace app
