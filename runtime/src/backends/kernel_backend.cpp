// The half of a kernel backend that has nothing to do with completions. Its one hard idea: `wake` may interrupt any
// code, on any thread, so it is a single write(2) to an eventfd and leaves errno as it found it.
//
// - signal-safety(7): write is async-signal-safe. eventfd(2): every write wakes those who poll the descriptor, also
//   when the counter was not zero; so the counter is never read, and it would take 2^64 wakes to fill it.
// - close(2), NOTES: on Linux the descriptor is released even when close fails with EINTR; a second try could close
//   a descriptor that another thread has just been given.
// - CLOCK_MONOTONIC is the clock by which epoll and io_uring measure their timeouts; it never jumps.

#include "kernel_backend.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "splice_call.hpp"
#include "system_calls.hpp"

namespace sennit {

namespace {

int errno_unless(bool success, int value = 0) noexcept {
    return success ? value : -errno;
}

}  // namespace

kernel_backend::kernel_backend(socket_mode mode)
    : socket_flags_(SOCK_CLOEXEC | (mode == socket_mode::non_blocking ? SOCK_NONBLOCK : 0)),
      wake_descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_descriptor_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
}

kernel_backend::~kernel_backend() {
    ::close(wake_descriptor_);
}

time_point kernel_backend::now() noexcept {
    timespec reading;
    ::clock_gettime(CLOCK_MONOTONIC, &reading);
    return time_point(std::chrono::seconds(reading.tv_sec) + std::chrono::nanoseconds(reading.tv_nsec));
}

void kernel_backend::wake() noexcept {
    const int saved_errno = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof one);
    errno = saved_errno;
}

int kernel_backend::open_socket(int domain, int type, int protocol) noexcept {
    const int fd = ::socket(domain, type | socket_flags_, protocol);
    return errno_unless(fd >= 0, fd);
}

int kernel_backend::open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept {
    return errno_unless(::socketpair(domain, type | socket_flags_, protocol, pair) == 0);
}

int kernel_backend::bind(int fd, const sockaddr* address, std::uint32_t length) noexcept {
    return errno_unless(::bind(fd, address, length) == 0);
}

int kernel_backend::listen(int fd, int backlog) noexcept {
    return errno_unless(::listen(fd, backlog) == 0);
}

int kernel_backend::local_name(int fd, void* address, std::uint32_t& length) noexcept {
    return errno_unless(::getsockname(fd, static_cast<sockaddr*>(address), &length) == 0);
}

int kernel_backend::peer_name(int fd, void* address, std::uint32_t& length) noexcept {
    return errno_unless(::getpeername(fd, static_cast<sockaddr*>(address), &length) == 0);
}

int kernel_backend::set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept {
    return errno_unless(::setsockopt(fd, level, name, value, size) == 0);
}

int kernel_backend::get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept {
    return errno_unless(::getsockopt(fd, level, name, value, &size) == 0);
}

int kernel_backend::shutdown(int fd, int how) noexcept {
    return errno_unless(::shutdown(fd, how) == 0);
}

int kernel_backend::splice_out(int pipe, int fd, std::uint32_t size) noexcept {
    const splice_out_request what{fd, pipe, size};
    if ((socket_flags_ & SOCK_NONBLOCK) == 0) return detail::splice_on_blocking_socket(what);
    const int error = detail::make_non_blocking(fd);
    return error < 0 ? error : detail::splice_now(what);
}

void kernel_backend::close(int fd) noexcept {
    ::close(fd);
}

}  // namespace sennit
