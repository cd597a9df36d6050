// The life of a program between its start and its exit status. Its one hard idea: the request to end and the end are
// two things. What runs goes on after the request, until nobody drains any more; only then is it cancelled.

#include <sennit/run.hpp>
#include <sennit/stop.hpp>

namespace sennit::detail {

namespace {

task<> end_when_asked(task_group& programme, task<> request, cancel_scope& main_scope) {
    co_await std::move(request);
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

}  // namespace

task<int> supervise(task<int> main, task<> request) {
    const environment where = co_await current_environment();
    int status = 0;
    task_group programme(where);
    cancel_scope main_scope;  // becomes a child of the group's scope, so it must end first
    // Both before one of them runs, which would have to be waited for if there were no memory for the other.
    task<> when_asked = end_when_asked(programme, std::move(request), main_scope);
    task<> to_status = run_to_status(std::move(main), main_scope, status, programme);
    programme.spawn(std::move(when_asked));
    programme.spawn(std::move(to_status));
    co_await programme.join();
    programme.rethrow();
    co_return status;
}

task<int> with_exit_status(task<> main) {
    co_await std::move(main);
    co_return 0;
}

}  // namespace sennit::detail
