#pragma once

#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <sennit/detail/scope_entry.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>

namespace sennit {

namespace detail {

/// What stands for a result in a tuple or a vector: `std::monostate` for `void`.
template <class T>
using result_slot_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class Awaitable, class T>
task<> keep_result(Awaitable awaitable, optional_value<T>& slot) {
    if constexpr (std::is_void_v<T>) {
        co_await std::move(awaitable);
        slot.emplace();
    } else if constexpr (std::is_reference_v<T>) {
        T value = co_await std::move(awaitable);
        slot.emplace(value);
    } else {
        slot.emplace(co_await std::move(awaitable));
    }
}

template <class T>
result_slot_t<T> take_slot(optional_value<T>& slot) {
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return std::move(slot).take();
    }
}

/// Of what could not be spawned, tasks would complain that they have not run.
template <class Awaitable>
void give_up(Awaitable& left) noexcept {
    if constexpr (requires { left.give_up(); }) left.give_up();
}

template <class... Awaitables, std::size_t... Index>
task<std::tuple<result_slot_t<await_result_t<Awaitables>>...>> run_all(std::index_sequence<Index...>,
                                                                       Awaitables... awaitables) {
    const environment where = co_await current_environment();
    std::tuple<optional_value<await_result_t<Awaitables>>...> slots;
    task_group group(where);
    try {
        (group.spawn(
             keep_result<Awaitables, await_result_t<Awaitables>>(std::move(awaitables), std::get<Index>(slots))),
         ...);
    } catch (...) {
        group.failed(std::current_exception());  // what has been spawned must be joined all the same
        (give_up(awaitables), ...);
    }
    co_await group.join();
    group.rethrow();
    std::tuple<result_slot_t<await_result_t<Awaitables>>...> results(take_slot(std::get<Index>(slots))...);
    co_return results;
}

template <class T>
task<std::vector<result_slot_t<T>>> run_all_of(std::vector<task<T>> tasks) {
    const environment where = co_await current_environment();
    std::vector<optional_value<T>> slots(tasks.size());
    task_group group(where);
    try {
        for (std::size_t i = 0; i != tasks.size(); ++i) {
            group.spawn(keep_result<task<T>, T>(std::move(tasks[i]), slots[i]));
        }
    } catch (...) {
        group.failed(std::current_exception());
        for (task<T>& left : tasks) give_up(left);
    }
    co_await group.join();
    group.rethrow();
    std::vector<result_slot_t<T>> results;
    results.reserve(slots.size());
    for (optional_value<T>& slot : slots) results.push_back(take_slot(slot));
    co_return results;
}

}  // namespace detail

/// Runs all awaitables at the same time; suspends until every one has ended. Gives their results in a tuple, with
/// `std::monostate` for `void`. The first exception cancels the others and is thrown when all have ended.
template <class... Awaitables>
requires(!std::is_lvalue_reference_v<Awaitables> && ...) auto when_all(Awaitables&&... awaitables) {
    return detail::run_all<Awaitables...>(std::index_sequence_for<Awaitables...>(), std::move(awaitables)...);
}

/// The same for any number of tasks of one type; the results come in the order of the tasks.
template <class T>
auto when_all(std::vector<task<T>> tasks) {
    return detail::run_all_of<T>(std::move(tasks));
}

}  // namespace sennit
