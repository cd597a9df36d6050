// The epoll instance and the table of descriptors. Its one hard idea: the table mirrors what the kernel holds, and
// the kernel may know better, since descriptors are closed and their numbers used again. So every registration has a
// generation that its events carry, and an answer of epoll_ctl that contradicts the table corrects the table.
//
// - epoll_ctl(2): ENOENT for MOD when the file behind the number is another one now; EEXIST for ADD. ADD and MOD
//   report at the next wait what is ready at that moment, so registering late loses nothing.
// - epoll(7), questions and answers: closing ends a registration only when the last duplicate of the descriptor is
//   closed; until then its events keep coming.
// - epoll_pwait2(2): nanoseconds, since Linux 5.11. Seccomp filters older than it answer EPERM instead of ENOSYS.

#include "epoll_set.hpp"

#include <linux/time_types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <new>
#include <system_error>

namespace sennit {

namespace {

// A descriptor number takes 31 bits, so no event of a descriptor looks like one of the internal tags.
std::uint64_t tag_of(int fd, const epoll_descriptor& descriptor) noexcept {
    return std::uint64_t{descriptor.generation} << 32 | static_cast<unsigned>(fd);
}

}  // namespace

bool epoll_descriptor::has_writers() const noexcept {
    bool found = false;
    waiting.for_each([&found](const operation& each) { found |= each.in_flight.waits_to_write; });
    return found;
}

epoll_set::epoll_set() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

epoll_set::~epoll_set() {
    ::close(epoll_);
}

epoll_descriptor* epoll_set::obtain(int fd) noexcept {
    if (epoll_descriptor* const known = find(fd)) return known;
    const std::size_t number = static_cast<unsigned>(fd) / page_size;
    try {
        if (number >= pages_.size()) pages_.resize(number + 1);
        pages_[number] = std::make_unique<page>();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    return find(fd);
}

void epoll_set::add_own(int fd, bool tcp) noexcept {
    // Without memory for it, the descriptor is treated like one that came from elsewhere.
    if (epoll_descriptor* const descriptor = obtain(fd)) {
        descriptor->renew();
        descriptor->own = true;
        descriptor->tcp = tcp;
    }
}

int epoll_set::watch(int fd, epoll_descriptor& descriptor, std::uint32_t events) noexcept {
    for (bool corrected = false;; corrected = true) {
        const std::uint32_t all = descriptor.interest | events;
        epoll_event event{all | EPOLLET, {.u64 = tag_of(fd, descriptor)}};
        const int action = descriptor.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        if (::epoll_ctl(epoll_, action, fd, &event) == 0) {
            descriptor.interest = static_cast<std::uint16_t>(all);
            descriptor.registered = true;
            return 0;
        }
        if (!corrected && action == EPOLL_CTL_MOD && errno == ENOENT) {
            descriptor.renew();
        } else if (!corrected && action == EPOLL_CTL_ADD && errno == EEXIST) {
            descriptor.registered = true;
        } else {
            return -errno;
        }
    }
}

void epoll_set::ignore(int fd, epoll_descriptor& descriptor, std::uint32_t events) noexcept {
    const std::uint32_t rest = descriptor.interest & ~events;
    epoll_event event{rest | EPOLLET, {.u64 = tag_of(fd, descriptor)}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0) descriptor.interest = static_cast<std::uint16_t>(rest);
}

void epoll_set::unwatch(int fd, epoll_descriptor& descriptor) noexcept {
    if (descriptor.registered) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    descriptor.renew();
}

int epoll_set::watch_internal(int fd, std::uint64_t tag) noexcept {
    epoll_event event{EPOLLIN | EPOLLET, {.u64 = tag}};
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int epoll_set::wait(epoll_event* events, int capacity, duration rest) {
    int count = -1;
    if (rest <= duration::zero() || rest == duration::max()) {
        count = ::epoll_wait(epoll_, events, capacity, rest <= duration::zero() ? 0 : -1);
    } else {
#ifdef SYS_epoll_pwait2
        if (!coarse_timeouts_) {
            const auto seconds = std::chrono::floor<std::chrono::seconds>(rest);
            const __kernel_timespec timeout{seconds.count(), (rest - seconds).count()};
            count = static_cast<int>(::syscall(SYS_epoll_pwait2, epoll_, events, capacity, &timeout, nullptr, 0));
            coarse_timeouts_ = count < 0 && (errno == ENOSYS || errno == EPERM);
        }
#else
        coarse_timeouts_ = true;
#endif
        if (coarse_timeouts_) {
            // Rounded up: a wait that ends before its time would only be made again.
            const auto whole = std::chrono::ceil<std::chrono::milliseconds>(rest).count();
            count = ::epoll_wait(epoll_, events, capacity, static_cast<int>(std::min<std::int64_t>(whole, INT_MAX)));
        }
    }
    if (count >= 0) return count;
    if (errno != EINTR) throw std::system_error(errno, std::system_category(), "epoll_wait");
    return 0;
}

}  // namespace sennit
