#pragma once

// Some system calls of one thread fail as a test decides, call by call: seccomp_unotify(2), Linux 5.5. A filter cannot
// be taken off again, but it ends with its thread. It sees what liburing calls without the C library, too.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

namespace sennit::testing {

namespace supervised {

/// Puts this thread under supervision. The descriptor at which its calls ask, or a negated errno value.
inline int begin(std::span<const long> calls) {
    std::vector<sock_filter> program;
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (const long call : calls) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    const long made = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    return made < 0 ? -errno : static_cast<int>(made);
}

/// Answers the calls until their thread has ended.
inline void answer(int listener, const std::function<int(long)>& verdict) {
    for (;;) {
        pollfd asked{listener, POLLIN, 0};
        if (::poll(&asked, 1, -1) < 0) continue;
        if ((asked.revents & POLLIN) == 0) return;
        seccomp_notif question{};
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) continue;
        seccomp_notif_resp reply{};
        reply.id = question.id;
        reply.error = -verdict(question.data.nr);
        if (reply.error == 0) reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
    }
}

}  // namespace supervised

/// Runs `body` on another thread. Each of its `calls` asks `verdict`, on this thread: 0 lets the kernel do it, an errno
/// value is how it fails, undone. Throws `std::system_error` when the kernel does not allow that; `body` has not run
/// then.
inline void run_supervised(std::span<const long> calls, const std::function<int(long)>& verdict,
                           const std::function<void()>& body) {
    std::promise<int> begun;
    std::thread thread([&] {
        const int listener = supervised::begin(calls);
        begun.set_value(listener);
        if (listener >= 0) body();
    });
    const int listener = begun.get_future().get();
    if (listener >= 0) {
        supervised::answer(listener, verdict);
        ::close(listener);
    }
    thread.join();
    if (listener < 0) throw std::system_error(-listener, std::system_category(), "seccomp with a listener");
}

}  // namespace sennit::testing
