#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sennit/task_group.hpp>
#include <sennit/when_all.hpp>

namespace sennit {

/// How a `when_any` ended: who was first, and every result there is.
template <class... Slots>
class any_result {
  public:
    any_result(std::size_t first, std::tuple<std::optional<Slots>...> results)
        : index(first), values(std::move(results)) {}

    /// The position of the one that ended first.
    std::size_t index;
    /// The results. A loser has one when it finished although it was asked to stop: what it received is not lost.
    std::tuple<std::optional<Slots>...> values;
};

namespace detail {

/// The index of the winner while there is none.
inline constexpr std::size_t no_winner = static_cast<std::size_t>(-1);

template <class Awaitable, class T>
task<> race(Awaitable awaitable, std::optional<result_slot_t<T>>& slot, std::size_t index, std::size_t& winner,
            task_group& group) {
    if constexpr (std::is_void_v<T>) {
        co_await std::move(awaitable);
        slot.emplace();
    } else {
        slot.emplace(co_await std::move(awaitable));
    }
    // The first to end decides, also when it ended with an exception.
    if (winner == no_winner && !group.has_failed()) winner = index;
    group.cancel();
}

template <class... Awaitables, std::size_t... Index>
task<any_result<result_slot_t<await_result_t<Awaitables>>...>> run_any(std::index_sequence<Index...>,
                                                                       Awaitables... awaitables) {
    const environment where = co_await current_environment();
    std::tuple<std::optional<result_slot_t<await_result_t<Awaitables>>>...> slots;
    std::size_t winner = no_winner;
    task_group group(where);
    try {
        (group.spawn(race<Awaitables, await_result_t<Awaitables>>(std::move(awaitables), std::get<Index>(slots), Index,
                                                                  winner, group)),
         ...);
    } catch (...) {
        group.failed(std::current_exception());  // what has been spawned must be joined all the same
        (give_up(awaitables), ...);
    }
    co_await group.join();
    if (winner == no_winner) {
        group.rethrow();
        throw cancelled();  // all were cancelled from inside: nobody won
    }
    any_result<result_slot_t<await_result_t<Awaitables>>...> outcome(winner, std::move(slots));
    co_return outcome;
}

}  // namespace detail

/// Runs all awaitables at the same time until one ends; cancels the others and waits for their end too. When the
/// first to end throws, that is thrown, and the results of the others are dropped. What a loser throws after there is
/// a winner is dropped; a result it has all the same is in `values`.
template <class... Awaitables>
requires(sizeof...(Awaitables) != 0 && (!std::is_lvalue_reference_v<Awaitables> && ...) &&
         (!std::is_reference_v<detail::await_result_t<Awaitables>> && ...)) auto when_any(Awaitables&&... awaitables) {
    return detail::run_any<Awaitables...>(std::index_sequence_for<Awaitables...>(), std::move(awaitables)...);
}

}  // namespace sennit
