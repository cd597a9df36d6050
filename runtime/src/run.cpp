// The frame of a program: signals, the loop, the message of the last exception. A file of its own, with nothing else in
// it, since a test of a whole program links another one in its place (docs/testing.md).

#include <signal.h>

#include <exception>
#include <memory>
#include <new>

#include <sennit/detail/report.hpp>
#include <sennit/run.hpp>
#include <sennit/signals.hpp>

namespace sennit::detail {

namespace {

task<> first_signal(std::unique_ptr<signal_set> signals) {
    co_await signals->next();
    // From here on a signal does what it does in any program: the second Ctrl-C ends the process, whatever hangs.
    signals.reset();
}

}  // namespace

int run_main(task<int> main, const event_loop_options& options) {
    try {
        // Here, so that a loop which cannot be had is not followed by the report that this task never ran.
        task<int> to_run = std::move(main);
        // Blocked before the loop exists, so that no thread of the library can be interrupted by them.
        auto signals = std::make_unique<signal_set>(std::initializer_list<int>{SIGINT, SIGTERM});
        event_loop loop(options);
        return loop.run(supervise(std::move(to_run), first_signal(std::move(signals))));
    } catch (...) {
        report_exception("error");
        return 1;
    }
}

int run_main(task<> main, const event_loop_options& options) {
    try {
        return run_main(with_exit_status(std::move(main)), options);
    } catch (const std::bad_alloc&) {
        report_exception("error");
        return 1;
    }
}

}  // namespace sennit::detail
