// The frame of a program: signals, exit status, the message of the last exception.

#include <signal.h>

#include <exception>
#include <memory>
#include <new>

#include <sennit/detail/report.hpp>
#include <sennit/run.hpp>
#include <sennit/signals.hpp>
#include <sennit/stop.hpp>

namespace sennit::detail {

namespace {

task<> end_on_signal(task_group& programme, std::unique_ptr<signal_set> signals, cancel_scope& main_scope) {
    co_await signals->next();
    // From here on a signal does what it does in any program: the second Ctrl-C ends the process, whatever hangs.
    signals.reset();
    event_loop& loop = programme.loop();
    loop.stop().request();
    co_await loop.stop().drained();
    main_scope.cancel();
}

task<> run_to_status(task<int> main, cancel_scope& main_scope, int& status, task_group& programme) {
    const environment outer = co_await current_environment();
    main_scope.attach(*outer.scope);
    co_await enter_scope(main_scope);
    try {
        status = co_await std::move(main);
    } catch (const cancelled&) {
        // Asked to end, and ended: no failure.
    }
    programme.cancel();
}

task<int> supervise(task<int> main, std::unique_ptr<signal_set> signals) {
    const environment where = co_await current_environment();
    int status = 0;
    task_group programme(where);
    cancel_scope main_scope;  // becomes a child of the group's scope, so it must end first
    // Both before one of them runs, which would have to be waited for if there were no memory for the other.
    task<> on_signal = end_on_signal(programme, std::move(signals), main_scope);
    task<> to_status = run_to_status(std::move(main), main_scope, status, programme);
    programme.spawn(std::move(on_signal));
    programme.spawn(std::move(to_status));
    co_await programme.join();
    programme.rethrow();
    co_return status;
}

task<int> with_exit_status(task<> main) {
    co_await std::move(main);
    co_return 0;
}

}  // namespace

int run_main(task<int> main, const event_loop_options& options) {
    try {
        // Here, so that a loop which cannot be had is not followed by the report that this task never ran.
        task<int> to_run = std::move(main);
        // Blocked before the loop exists, so that no thread of the library can be interrupted by them.
        auto signals = std::make_unique<signal_set>(std::initializer_list<int>{SIGINT, SIGTERM});
        event_loop loop(options);
        return loop.run(supervise(std::move(to_run), std::move(signals)));
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
