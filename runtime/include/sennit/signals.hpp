#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include <sennit/task.hpp>

namespace sennit {

/// Signals as something to wait for. While the object lives, these signals no longer do what they did before: they wait
/// to be read.
///
/// Make it before the program starts threads of its own: it blocks the signals in the calling thread, and a thread
/// that does not block them may still be interrupted by them. Child processes inherit the blocked signals.
/// Source: signalfd(2), pthread_sigmask(3).
class signal_set {
  public:
    /// Throws `std::system_error` when a number is no signal that can be waited for or no descriptor is left.
    explicit signal_set(std::initializer_list<int> signals);
    signal_set(const signal_set&) = delete;
    signal_set& operator=(const signal_set&) = delete;
    /// Restores the signals. One that arrived and was not read takes its usual effect now.
    ~signal_set();

    /// Suspends until one of the signals arrives; gives its number. Signals of the same number that arrive before
    /// they are read count once. Cancelling it loses none.
    task<int> next();

  private:
    int fd_ = -1;
    std::uint64_t newly_blocked_ = 0;  // bit n - 1: this object blocked signal n
};

}  // namespace sennit
