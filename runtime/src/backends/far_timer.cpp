// A timerfd. timerfd_create(2): setting it anew takes back an expiration that nobody has read, and each expiration
// wakes those who poll the descriptor, also when the one before was not read.

#include "far_timer.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <chrono>

namespace sennit {

far_timer::far_timer() noexcept : descriptor_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

far_timer::~far_timer() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

bool far_timer::set(time_point deadline) noexcept {
    const duration since_boot = deadline.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
    itimerspec once{};
    once.it_value.tv_sec = seconds.count();
    once.it_value.tv_nsec = (since_boot - seconds).count();
    if (::timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &once, nullptr) < 0) return false;
    set_for_ = deadline;
    return true;
}

}  // namespace sennit
