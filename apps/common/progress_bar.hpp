#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace app {

/// A line on standard error that moves while something takes long, and is gone when it has ended. Nothing where
/// standard error is no terminal.
class progress_bar {
  public:
    progress_bar() : on_terminal_(::isatty(STDERR_FILENO) == 1) {}
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;
    ~progress_bar() { clear(); }

    /// `part` goes from 0 to 1.
    void show(double part, std::string_view text) {
        if (!on_terminal_) return;
        constexpr int width = 40;
        const int filled = std::clamp(static_cast<int>(part * width), 0, width);
        fmt::print(stderr, "\r\x1b[K[{:#<{}}{:.<{}}] {}", "", filled, "", width - filled, text);
        std::fflush(stderr);
    }
    void clear() {
        if (on_terminal_) fmt::print(stderr, "\r\x1b[K");
    }

  private:
    bool on_terminal_;
};

}  // namespace app
