#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <sennit/detail/scope_entry.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>
#include <sennit/when_all.hpp>

namespace sennit {

template <class T>
T event_loop::run(task<T> main) {
    check_usable();
    detail::optional_value<T> value;
    task_group group(environment{this, &scope_});
    group.spawn(detail::keep_result<task<T>, T>(std::move(main), value));
    run_until_empty(group);
    group.rethrow();
    return std::move(value).take();
}

namespace detail {
int run_main(task<int> main, const event_loop_options& options);
int run_main(task<> main, const event_loop_options& options);
task<int> with_exit_status(task<> main);
/// Runs `main` and gives its status. When `request` ends first, the program is asked to end, as by a signal.
task<int> supervise(task<int> main, task<> request);
}  // namespace detail

/// The whole program: runs `main` on a loop of its own and gives the exit status for the real `main`: what the task
/// returns, 0 for a `task<>`, or 1 after an exception, whose text goes to standard error.
///
/// SIGINT and SIGTERM ask the program to end: servers (`net::serve`) take no new connections and finish the ones
/// they have; then, or at once when there is nothing to finish, the task is cancelled and the status is 0 unless
/// the task returned another. A second signal ends the process at once, as if it had never been handled.
inline int run(task<int> main, const event_loop_options& options = {}) {
    return detail::run_main(std::move(main), options);
}

inline int run(task<> main, const event_loop_options& options = {}) {
    return detail::run_main(std::move(main), options);
}

/// The same for a function that returns the task; a lambda with captures is kept until its task has ended.
template <class Function>
requires std::invocable<Function&>
int run(Function function, const event_loop_options& options = {}) {
    return run(function(), options);
}

}  // namespace sennit
