// deny_io_uring: runs a program that may not use io_uring, as in most containers: `deny_io_uring PROGRAM ARGUMENTS...`

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "support/deny_syscalls.hpp"

int main(int argc, char** argv) {
    using sennit::testing::deny_syscalls;
    if (argc < 2) {
        std::fprintf(stderr, "deny_io_uring: write the program to run\n");
        return 2;
    }
    if (!deny_syscalls({{SYS_io_uring_setup, EPERM}, {SYS_io_uring_enter, EPERM}, {SYS_io_uring_register, EPERM}})) {
        std::perror("deny_io_uring: seccomp");
        return 3;
    }
    ::execv(argv[1], argv + 1);
    std::perror("deny_io_uring: exec");
    return 4;
}
