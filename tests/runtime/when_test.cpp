// Several things at once: when_all gives every result, when_any the first one and whatever else there is.

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/manual_backend.hpp"
#include "support/on_backends.hpp"

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/poll.hpp>
#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::when_test {

using namespace std::chrono_literals;

class WhenAll : public OnBackends {};
class WhenAny : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(WhenAll);
SENNIT_ON_ALL_BACKENDS(WhenAny);
class WhenAnyResult : public OnVirtualTime {};

task<int> number_after(int turns, int number) {
    for (int i = 0; i != turns; ++i) co_await yield();
    co_return number;
}

task<int> fail_after(int turns, const char* text) {
    for (int i = 0; i != turns; ++i) co_await yield();
    throw std::runtime_error(text);
}

task<> wait_and_note(event& never, std::string& log, char name) {
    try {
        co_await never.wait();
    } catch (const cancelled&) {
        log += name;
        throw;
    }
}

/// The text of the exception that awaiting it ends with.
template <class Awaitable>
task<std::string> failure_of(Awaitable awaitable) {
    try {
        co_await std::move(awaitable);
    } catch (const std::exception& error) {
        co_return error.what();
    } catch (const cancelled&) {
        co_return "cancelled";
    }
    co_return "none";
}

/// An awaitable that cannot be moved any more after a number of moves: so that spawning fails half way.
class hard_to_move {
  public:
    hard_to_move(int& moves_left) : moves_left_(&moves_left) {}
    hard_to_move(hard_to_move&& other) : moves_left_(other.moves_left_) {
        if ((*moves_left_)-- == 0) throw std::runtime_error("cannot be moved");
    }
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const noexcept { return 1; }

  private:
    int* moves_left_;
};

TEST_P(WhenAll, GivesTheResultsInTheOrderOfTheArguments) {
    run([]() -> task<> {
        event set;
        set.set();
        const auto owner = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
        const auto results = co_await when_all(number_after(5, 1), number_after(0, 2), owner(), set.wait());
        EXPECT_EQ(std::get<0>(results), 1);
        EXPECT_EQ(std::get<1>(results), 2);
        EXPECT_EQ(*std::get<2>(results), 3);
        static_assert(std::is_same_v<std::tuple_element_t<3, std::remove_const_t<decltype(results)>>, std::monostate>);
        const std::tuple<> none = co_await when_all();
        static_cast<void>(none);
    });
}

TEST_P(WhenAll, KeepsReferences) {
    run([]() -> task<> {
        int target = 1;
        const auto reference = [](int& target) -> task<int&> {
            co_await yield();
            co_return target;
        };
        const auto results = co_await when_all(reference(target), number_after(1, 2));
        EXPECT_EQ(&std::get<0>(results), &target);
    });
}

TEST_P(WhenAll, AVectorOfTasksGivesAVectorOfResults) {
    run([]() -> task<> {
        std::vector<task<int>> tasks;
        for (int i = 0; i != 100; ++i) tasks.push_back(number_after(100 - i, i));
        const std::vector<int> results = co_await when_all(std::move(tasks));
        EXPECT_EQ(results.size(), 100u);
        for (int i = 0; i != 100; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);

        const std::vector<int> none = co_await when_all(std::vector<task<int>>());
        EXPECT_TRUE(none.empty());
        std::vector<task<>> without_results;
        for (int i = 0; i != 3; ++i) without_results.push_back([]() -> task<> { co_await yield(); }());
        EXPECT_EQ((co_await when_all(std::move(without_results))).size(), 3u);
    });
}

TEST_P(WhenAll, RunsThemAtTheSameTime) {
    run([]() -> task<> {
        channel<int> there(0);
        channel<int> back(0);
        const auto ask = [](channel<int>& there, channel<int>& back) -> task<int> {
            co_await there.send(20);
            const auto answer = co_await back.recv();
            co_return answer.value_or(-1);
        };
        const auto answer = [](channel<int>& there, channel<int>& back) -> task<int> {
            const auto question = co_await there.recv();
            co_await back.send(question.value_or(-1) + 1);
            co_return 0;
        };
        const auto results = co_await when_all(ask(there, back), answer(there, back));
        EXPECT_EQ(std::get<0>(results), 21);
    });
}

TEST_P(WhenAll, TheFirstExceptionEndsTheOthersAndIsThrownAfterThem) {
    std::string log;
    run([&]() -> task<> {
        event never;
        EXPECT_EQ(co_await failure_of(when_all(wait_and_note(never, log, 'a'), fail_after(1, "first"),
                                               fail_after(2, "second"), wait_and_note(never, log, 'b'))),
                  "first");
        EXPECT_EQ(log, "ab");
        std::vector<task<int>> tasks;
        tasks.push_back(number_after(0, 1));
        tasks.push_back(fail_after(1, "in a vector"));
        EXPECT_EQ(co_await failure_of(when_all(std::move(tasks))), "in a vector");
    });
}

TEST_P(WhenAll, CancelledWithAllItsParts) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                log += co_await failure_of(
                    when_all(wait_and_note(never, log, 'a'), number_after(0, 1), wait_and_note(never, log, 'b')));
            });
            for (int i = 0; i != 5; ++i) co_await yield();
            group.cancel();
        });
    });
    EXPECT_EQ(log, "abcancelled");
}

TEST_P(WhenAll, WhatCannotBeStartedEndsWhatWasStarted) {
    run([]() -> task<> {
        int completed = 0;
        for (int moves = 0; moves != 12; ++moves) {
            int moves_left = moves;
            try {
                static_cast<void>(co_await when_all(sleep_for(1us), hard_to_move(moves_left)));
                ++completed;
            } catch (const std::runtime_error& error) {
                EXPECT_STREQ(error.what(), "cannot be moved");
            }
            moves_left = moves;
            try {
                static_cast<void>(co_await when_any(sleep_for(1us), hard_to_move(moves_left)));
                ++completed;
            } catch (const std::runtime_error& error) {
                EXPECT_STREQ(error.what(), "cannot be moved");
            }
        }
        EXPECT_GT(completed, 0);
        EXPECT_LT(completed, 24);
    });
}

TEST_P(WhenAny, GivesTheFirstAndEndsTheOthers) {
    std::string log;
    run([&]() -> task<> {
        event never;
        const auto any = co_await when_any(wait_and_note(never, log, 'a'), number_after(2, 7), number_after(9, 8));
        EXPECT_EQ(any.index, 1u);
        EXPECT_EQ(std::get<1>(any.values), 7);
        EXPECT_FALSE(std::get<0>(any.values).has_value());
        EXPECT_FALSE(std::get<2>(any.values).has_value());
        EXPECT_EQ(log, "a") << "the loser has ended";
        co_await yield();  // the scope around is not cancelled
    });
}

TEST_P(WhenAny, OfOneAndOfVoid) {
    run([]() -> task<> {
        const auto one = co_await when_any(number_after(1, 3));
        EXPECT_EQ(one.index, 0u);
        EXPECT_EQ(std::get<0>(one.values), 3);
        event never;
        const auto any = co_await when_any(never.wait(), yield());
        EXPECT_EQ(any.index, 1u);
        EXPECT_TRUE(std::get<1>(any.values).has_value());
    });
}

TEST_P(WhenAny, ALoserThatFinishesAllTheSameKeepsItsResult) {
    run([]() -> task<> {
        event both;
        const auto waits = [](event& both, int number) -> task<int> {
            co_await both.wait();
            co_return number;
        };
        const auto sets = [](event& both) -> task<int> {
            co_await yield();
            both.set();
            co_return 3;
        };
        const auto any = co_await when_any(waits(both, 1), waits(both, 2), sets(both));
        EXPECT_EQ(any.index, 2u);
        EXPECT_EQ(std::get<0>(any.values), 1);
        EXPECT_EQ(std::get<1>(any.values), 2);
        EXPECT_EQ(std::get<2>(any.values), 3);
    });
}

TEST_P(WhenAny, TheFirstToEndDecidesAlsoWhenItFails) {
    std::string log;
    run([&]() -> task<> {
        event never;
        EXPECT_EQ(co_await failure_of(when_any(wait_and_note(never, log, 'a'), fail_after(1, "first"))), "first");
        EXPECT_EQ(log, "a");
        // The other one ends with a result, but after the failure.
        event failed;
        const auto fails = [](event& failed) -> task<int> {
            co_await yield();
            failed.set();
            throw std::runtime_error("earlier");
        };
        const auto finishes = [](event& failed) -> task<int> {
            co_await failed.wait();
            co_return 1;
        };
        EXPECT_EQ(co_await failure_of(when_any(fails(failed), finishes(failed))), "earlier");
    });
}

TEST_P(WhenAny, WhatALoserThrowsAfterwardsIsDropped) {
    run([]() -> task<> {
        const auto fails_when_cancelled = []() -> task<int> {
            event never;
            bool ended = false;
            try {
                co_await never.wait();
            } catch (const cancelled&) {
                ended = true;
            }
            if (ended) throw std::runtime_error("too late");
            co_return 0;
        };
        const auto any = co_await when_any(fails_when_cancelled(), number_after(1, 5));
        EXPECT_EQ(any.index, 1u);
        EXPECT_EQ(std::get<1>(any.values), 5);
    });
}

TEST_P(WhenAny, CancelledWithAllItsParts) {
    std::string log;
    run([&]() -> task<> {
        event never;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                log += co_await failure_of(when_any(wait_and_note(never, log, 'a'), wait_and_note(never, log, 'b')));
            });
            for (int i = 0; i != 5; ++i) co_await yield();
            group.cancel();
        });
    });
    EXPECT_EQ(log, "abcancelled");
}

TEST_F(WhenAnyResult, WhatAnOperationHasReceivedWhenItLosesIsNotLost) {
    run([this]() -> task<> {
        world().answer_cancel_with(POLLIN);
        const auto any = co_await when_any(wait_readable(3), sleep_for(1s));
        EXPECT_EQ(any.index, 1u);
        EXPECT_EQ(std::get<0>(any.values), static_cast<std::uint32_t>(POLLIN));
        EXPECT_EQ(elapsed(), 1s);
    });
}

TEST_F(WhenAnyResult, AResultBeatsACancelFromOutside) {
    run([this]() -> task<> {
        std::uint32_t events = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto any = co_await when_any(wait_readable(3), sleep_for(1h));
                events = std::get<0>(any.values).value_or(0);
            });
            co_await sleep_for(1s);
            world().answer_cancel_with(POLLIN);
            group.cancel();
        });
        EXPECT_EQ(events, static_cast<std::uint32_t>(POLLIN));
    });
}

}  // namespace sennit::testing::when_test
