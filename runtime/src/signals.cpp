// Signals through signalfd(2). A handler would need global state; a descriptor needs none and is one more thing to
// poll. Its one hard idea: a signal that was blocked by someone else before must stay blocked afterwards, so the
// object remembers which ones it blocked itself.

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <sennit/poll.hpp>
#include <sennit/signals.hpp>

namespace sennit {

signal_set::signal_set(std::initializer_list<int> signals) {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int each : signals) {
        // signalfd(2) would leave out the two that cannot be caught without a word.
        const bool usable = each >= 1 && each <= 64 && each != SIGKILL && each != SIGSTOP;
        if (!usable || sigaddset(&wanted, each) != 0) {
            throw std::system_error(EINVAL, std::system_category(), "signal_set: not a signal that can be waited for");
        }
    }
    fd_ = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd_ < 0) throw std::system_error(errno, std::system_category(), "signal_set: signalfd");
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &wanted, &before);
    for (const int each : signals) {
        if (sigismember(&before, each) == 0) newly_blocked_ |= std::uint64_t{1} << (each - 1);
    }
}

signal_set::~signal_set() {
    sigset_t restore;
    sigemptyset(&restore);
    for (int each = 1; each <= 64; ++each) {
        if ((newly_blocked_ >> (each - 1) & 1) != 0) sigaddset(&restore, each);
    }
    ::close(fd_);
    pthread_sigmask(SIG_UNBLOCK, &restore, nullptr);
}

task<int> signal_set::next() {
    for (;;) {
        co_await wait_readable(fd_);
        signalfd_siginfo info;
        const auto got = ::read(fd_, &info, sizeof info);
        if (got == static_cast<ssize_t>(sizeof info)) co_return static_cast<int>(info.ssi_signo);
        if (got < 0 && errno != EAGAIN && errno != EINTR) {
            throw std::system_error(errno, std::system_category(), "signal_set: read");
        }
    }
}

}  // namespace sennit
