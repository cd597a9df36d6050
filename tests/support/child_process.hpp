#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <string_view>

namespace sennit::testing {

/// Writes to standard error, at once and from any state.
inline void say(std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(STDERR_FILENO, text.data(), text.size());
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

/// A copy of the test program, made by fork(2), that runs one function and exits with what it returns. What it writes
/// to standard error is read here.
class child_process {
  public:
    template <class Function>
    explicit child_process(Function function) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::alarm(60);  // reached only by something that hangs
            ::dup2(ends[1], STDERR_FILENO);
            ::signal(SIGINT, SIG_DFL);  // which a shell has its background jobs ignore
            run_and_exit(function);
        }
        ::close(ends[1]);
        errors_ = ends[0];
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
        ::close(errors_);
    }

    /// Suspends the test until the child has written this.
    void wait_for(std::string_view text) {
        while (text_.find(text) == text_.npos) {
            ASSERT_TRUE(read_more()) << "the child ended without \"" << text << "\"; it wrote: " << text_;
        }
    }

    void signal(int number) const { EXPECT_EQ(::kill(pid_, number), 0); }

    /// "exit 3", "signal 6": how it ended.
    const std::string& end() {
        wait();
        return end_;
    }
    /// All it wrote.
    const std::string& text() {
        wait();
        return text_;
    }

  private:
    template <class Function>
    [[noreturn]] static void run_and_exit(Function& function) {
        try {
            ::_exit(function());
        } catch (...) {
            say("an exception left the child's function\n");
        }
        ::_exit(255);
    }

    bool read_more() {
        char buffer[4096];
        const auto count = ::read(errors_, buffer, sizeof buffer);
        if (count <= 0) return false;
        text_.append(buffer, static_cast<std::size_t>(count));
        return true;
    }

    void wait() {
        if (pid_ <= 0) return;
        while (read_more()) {
        }
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        pid_ = 0;
        end_ = WIFEXITED(status) ? "exit " + std::to_string(WEXITSTATUS(status))
                                 : "signal " + std::to_string(WTERMSIG(status));
    }

    pid_t pid_ = 0;
    int errors_ = -1;
    std::string text_;
    std::string end_;
};

}  // namespace sennit::testing
