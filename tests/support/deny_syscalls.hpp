#pragma once

// What a container's seccomp filter does to a program: some system calls fail. The filter cannot be taken off again,
// so the code under test runs in a child process.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <string>
#include <vector>

namespace sennit::testing {

/// A system call that fails with `error`: always, or only if one of the `bits` is set in an argument.
struct denied_syscall {
    long number;
    int error;
    unsigned argument = 0;
    std::uint32_t bits = 0;  ///< 0: whatever the arguments are
};

/// Makes system calls fail, in this process and its children, for ever. False when the kernel has no filters.
inline bool deny_syscalls(std::initializer_list<denied_syscall> rules) {
    constexpr unsigned low_word = std::endian::native == std::endian::big ? 4 : 0;
    constexpr unsigned short load = BPF_LD | BPF_W | BPF_ABS;
    std::vector<sock_filter> program;
    for (const denied_syscall& rule : rules) {
        const std::uint32_t verdict = SECCOMP_RET_ERRNO | (static_cast<unsigned>(rule.error) & SECCOMP_RET_DATA);
        const auto number = static_cast<std::uint32_t>(rule.number);
        const unsigned argument = offsetof(seccomp_data, args) + 8 * rule.argument + low_word;
        program.push_back(BPF_STMT(load, offsetof(seccomp_data, nr)));
        if (rule.bits == 0) {
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
        } else {
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3));
            program.push_back(BPF_STMT(load, argument));
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, rule.bits, 0, 1));
        }
        program.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `body` in a child process and gives the string it returned, what it threw, or how the child died.
template <class Body>
std::string in_child(Body body) {
    int ends[2];
    if (::pipe(ends) != 0) return std::string("pipe: ") + std::strerror(errno);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        std::string text;
        try {
            text = body();
        } catch (const std::exception& error) {
            text = std::string("thrown: ") + error.what();
        }
        const bool written = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
        ::_exit(written ? 0 : 1);
    }
    ::close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) text += " (child ended with " + std::to_string(status) + ")";
    return text;
}

}  // namespace sennit::testing
