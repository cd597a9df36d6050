#pragma once

#include <chrono>
#include <memory>

#include <sennit/backend.hpp>
#include <sennit/task.hpp>
#include <sennit/time.hpp>

namespace sennit::testing {

/// The clock of one event loop in the hands of a test. Sleeps, timeouts and deadlines go by it, on any backend; what
/// the kernel measures itself does not: sending lost segments again, SO_LINGER, a full backlog of a Unix socket.
///
///     testing::test_clock clock;
///     event_loop loop(clock.on(make_backend({})));
///     loop.run(times_out_after_an_hour());  // takes some milliseconds
///
/// The clock never moves while the loop has anything to do, nor while a call of `run_blocking` has not returned, be it
/// abandoned or not. As the kernel does not tell whether anything is still on its way, an operation in flight is given
/// `patience` before each move. A peer elsewhere, in another thread or process, that takes longer finds that time has
/// moved on; a test with such peers lets the clock stand and moves it by `advance`, or is patient.
///
/// For the loop's thread. The clock may go before the loop; time stands then, or goes on jumping.
class test_clock {
  public:
    /// What the clock does when everybody waits.
    enum class pace {
        jumps,   ///< it moves to the next timer
        stands,  ///< it moves by `advance` alone
    };

    /// `patience` is real time: for how long nothing must have come from the kernel before the clock is moved.
    explicit test_clock(pace when_idle = pace::jumps, duration patience = std::chrono::milliseconds(10));
    test_clock(const test_clock&) = delete;
    test_clock& operator=(const test_clock&) = delete;
    ~test_clock();

    /// The same backend with this clock, which begins at the time of the backend's own. Throws `std::logic_error` the
    /// second time: it is the clock of one loop.
    chosen_backend on(chosen_backend real);

    time_point now() const noexcept;

    /// Moves the clock on by `by`, from timer to timer, and suspends until all has happened that happens in this time,
    /// at its very end too. A cancel leaves the clock where it has come to. Throws `std::logic_error` when it is being
    /// advanced already, and when it is no loop's clock; `std::invalid_argument` when `by` is negative.
    task<> advance(duration by);

    /// What the test and its loop share.
    struct state;

  private:
    std::shared_ptr<state> state_;
};

}  // namespace sennit::testing
