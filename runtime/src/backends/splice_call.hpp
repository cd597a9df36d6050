#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstdint>

#include <sennit/request.hpp>

#include "system_calls.hpp"

namespace sennit::detail {

// splice(2) between a socket and a pipe. What shaped it:
// - SPLICE_F_NONBLOCK speaks of the pipe only. Whether the socket makes the caller wait depends on its O_NONBLOCK (both
//   directions of TCP, and sending into a Unix socket): so the calls here want sockets that do not block.
// - There is no MSG_NOSIGNAL for it: a peer that is gone raises SIGPIPE, in this thread. What that signal does is the
//   program's to say, so it is held back for the time of the call and taken out when the call has brought it.

/// Whether the request waits until there is something to receive.
inline bool waits(const splice_in_request& what) noexcept {
    return (what.flags & MSG_DONTWAIT) == 0;
}

/// Sets or clears O_NONBLOCK. 0 or a negated errno value.
inline int set_blocking(int fd, bool blocking) noexcept {
    int non_blocking = blocking ? 0 : 1;
    return ::ioctl(fd, FIONBIO, &non_blocking) < 0 ? -errno : 0;
}

/// Holds SIGPIPE back in this thread until the end of the scope.
class without_sigpipe {
  public:
    without_sigpipe() noexcept {
        ::sigemptyset(&sigpipe_);
        ::sigaddset(&sigpipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
        // One that was held back before is not ours. Where it was not, none can be pending.
        sigset_t pending;
        was_pending_ = was_held_back() && ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGPIPE) == 1;
    }
    without_sigpipe(const without_sigpipe&) = delete;
    without_sigpipe& operator=(const without_sigpipe&) = delete;
    ~without_sigpipe() {
        if (!was_held_back()) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

    /// Takes out the signal that came with EPIPE.
    void take_out() const noexcept {
        constexpr timespec at_once{};
        if (!was_pending_) uninterrupted([&] { return ::sigtimedwait(&sigpipe_, nullptr, &at_once); });
    }

  private:
    bool was_held_back() const noexcept { return ::sigismember(&before_, SIGPIPE) == 1; }

    sigset_t sigpipe_;
    sigset_t before_;
    bool was_pending_ = false;
};

// Neither waits, if the socket does not block: -EAGAIN where it would have to.

inline std::int32_t splice_now(const splice_in_request& what) noexcept {
    constexpr unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
    return uninterrupted([&] { return ::splice(what.fd, nullptr, what.pipe, nullptr, what.most, flags); });
}

inline std::int32_t splice_now(const splice_out_request& what) noexcept {
    constexpr unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
    const without_sigpipe scope;
    const std::int32_t result =
        uninterrupted([&] { return ::splice(what.pipe, nullptr, what.fd, nullptr, what.size, flags); });
    if (result == -EPIPE) scope.take_out();
    return result;
}

/// The same on a socket that blocks. Its mode is changed and changed back: for whatever io_uring itself does with a
/// socket that does not block, it has EAGAIN (liburing issue 364).
inline std::int32_t splice_on_blocking_socket(const auto& what) noexcept {
    if (const int error = set_blocking(what.fd, false); error < 0) return error;
    const std::int32_t result = splice_now(what);
    set_blocking(what.fd, true);
    return result;
}

/// The events of poll(2) after which the call is worth another try.
inline std::uint32_t readiness_for(const splice_in_request&) noexcept {
    return POLLIN;
}
inline std::uint32_t readiness_for(const splice_out_request&) noexcept {
    return POLLOUT;
}

}  // namespace sennit::detail
