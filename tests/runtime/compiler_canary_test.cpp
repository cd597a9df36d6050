// Shapes of coroutine code that every supported compiler must compile right. g++ 12 destroys some temporaries of a
// full-expression with co_await twice, silently; CONTRIBUTING.md says what to write instead, and here each of those
// ways is tried with an object that counts: everything made is destroyed once.

#include <gtest/gtest.h>

#include <chrono>
#include <coroutine>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"
#include "support/tracked.hpp"

#include <sennit/blocking.hpp>
#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/poll.hpp>
#include <sennit/result.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::compiler_canary_test {

using namespace std::chrono_literals;

// An aggregate that stands in a full-expression with co_await is safe only if nothing happens when it is destroyed.
template <class T>
inline constexpr bool safe_as_temporary = !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;
template <class... Types>
inline constexpr bool all_safe = (safe_as_temporary<Types> && ...);

static_assert(all_safe<task<>, task<tracked>, detail::task_awaiter<tracked>, detail::final_awaiter>);
static_assert(all_safe<detail::sleep_awaiter, detail::yield_awaiter, detail::loop_awaiter, detail::token_awaiter>);
static_assert(all_safe<detail::environment_awaiter, detail::enter_scope, task_group::join_awaiter>);
static_assert(all_safe<event::wait_awaiter, mutex::lock_awaiter, mutex_lock, semaphore::acquire_awaiter>);
static_assert(all_safe<channel<tracked>::send_awaiter, channel<tracked>::recv_awaiter, detail::poll_awaiter>);
static_assert(all_safe<detail::blocking_awaiter<tracked (*)()>, detail::result_awaiter<detail::poll_awaiter>>);
static_assert(all_safe<result<tracked>, any_result<tracked>, event_loop_options, environment, cancel_token>);

class Canary : public OnBackends {
  protected:
    /// Runs it and takes stock.
    template <class Body>
    void expect_balanced(Body body) {
        tracked::reset();
        run(std::move(body));
        EXPECT_GT(tracked::counts().made, 0u);
        EXPECT_EQ(tracked::living(), 0u) << "never destroyed";
        EXPECT_EQ(tracked::counts().wrong_ends, 0u) << "destroyed twice";
    }
};
SENNIT_ON_ALL_BACKENDS(Canary);

task<int> value_of(tracked one) {
    co_await yield();
    co_return one.value;
}

task<int> value_of_constant(const tracked& one) {
    co_await yield();
    co_return one.value;
}

task<tracked> make(int number) {
    co_await yield();
    co_return tracked(number);
}

task<std::string> text_of(int number) {
    co_await yield();
    co_return std::string(50, 'x') + std::to_string(number);
}

/// An awaiter with a constructor.
class holding_awaiter {
  public:
    explicit holding_awaiter(tracked held) : held_(std::move(held)) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
    int await_resume() const noexcept { return held_.value; }

  private:
    tracked held_;
};
holding_awaiter hold(tracked one) {
    return holding_awaiter(std::move(one));
}

struct plain_options {
    int first = 0;
    int second = 0;
};
class rich_options {
  public:
    rich_options(int number, std::string text) : held(number), text(std::move(text)) {}
    tracked held;
    std::string text;
};
task<int> with_options(plain_options options) {
    co_await yield();
    co_return options.first + options.second;
}
task<int> with_options(rich_options options) {
    co_await yield();
    co_return options.held.value;
}

template <class Function>
task<int> call(Function function) {
    co_await yield();
    const int result = co_await function();
    co_return result;
}

TEST_P(Canary, AwaitersWithAConstructorFromAFunctionAndWithAName) {
    expect_balanced([]() -> task<> {
        EXPECT_EQ(co_await holding_awaiter(tracked(1)), 1);
        EXPECT_EQ(co_await hold(tracked(2)), 2);
        const holding_awaiter named(tracked(3));
        EXPECT_EQ(co_await named, 3);
    });
}

TEST_P(Canary, OptionsThatAreTrivialOrHaveAConstructor) {
    expect_balanced([]() -> task<> {
        EXPECT_EQ(co_await with_options(plain_options{1, 2}), 3);
        EXPECT_EQ(co_await with_options({.first = 3, .second = 4}), 7);
        EXPECT_EQ(co_await with_options(rich_options(5, "long enough to be on the heap, surely")), 5);
    });
}

TEST_P(Canary, LambdasThatHaveANameOrCaptureReferences) {
    expect_balanced([]() -> task<> {
        tracked one(4);
        auto named = [one]() -> task<int> {
            co_await yield();
            co_return one.value;
        };
        EXPECT_EQ(co_await call(named), 4);
        EXPECT_EQ(co_await call(std::move(named)), 4);
        EXPECT_EQ(co_await call([&]() -> task<int> {
                      co_await yield();
                      co_return one.value;
                  }),
                  4);
        EXPECT_EQ(
            co_await [](tracked parameter) -> task<int> {
                co_await yield();
                co_return parameter.value;
            }(tracked(6)),
            6);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([one]() -> task<> {
                co_await yield();
                EXPECT_EQ(one.value, 4);
            });
            co_return;
        });
        const auto blocking = [one] { return one.value; };
        EXPECT_EQ(co_await run_blocking(blocking), 4);
    });
}

TEST_P(Canary, ArgumentsAndNestedCalls) {
    expect_balanced([]() -> task<> {
        EXPECT_EQ(co_await value_of(tracked(1)), 1);
        EXPECT_EQ(co_await value_of_constant(tracked(2)), 2);
        EXPECT_EQ(co_await value_of(co_await make(3)), 3);
        EXPECT_EQ(co_await value_of(tracked(co_await value_of(tracked(co_await value_of(tracked(4)))))), 4);
        const auto sum = [](const tracked& a, int b, const tracked& c) { return a.value + b + c.value; };
        EXPECT_EQ(sum(tracked(1), co_await value_of(tracked(2)), tracked(3)), 6);
        EXPECT_EQ((co_await make(7)).value, 7);
    });
}

TEST_P(Canary, ChoicesMadeWithIfAndConditionsWithAName) {
    expect_balanced([]() -> task<> {
        for (const bool choice : {true, false}) {
            tracked chosen;
            if (choice) {
                chosen = co_await make(1);
            } else {
                chosen = co_await make(2);
            }
            EXPECT_EQ(chosen.value, choice ? 1 : 2);
            const bool first = tracked(1).value == 1;
            EXPECT_TRUE(first && co_await value_of(tracked(2)) == 2);
        }
    });
}

TEST_P(Canary, RecordsArraysAndVectorsFilledFromLocals) {
    expect_balanced([]() -> task<> {
        struct record {
            tracked first;
            tracked second;
        };
        record built;
        built.first = co_await make(1);
        built.second = co_await make(2);
        EXPECT_EQ(built.first.value + built.second.value, 3);
        auto one = co_await make(3);
        auto two = co_await make(4);
        const record from_locals{std::move(one), std::move(two)};
        EXPECT_EQ(from_locals.first.value + from_locals.second.value, 7);
        std::vector<tracked> list;
        list.push_back(co_await make(5));
        list.emplace_back(co_await value_of(tracked(6)));
        EXPECT_EQ(list[0].value + list[1].value, 11);
    });
}

TEST_P(Canary, CapturesAndExceptionsMadeFromLocals) {
    expect_balanced([]() -> task<> {
        const auto captured = co_await make(1);
        const auto lambda = [n = captured] { return n.value; };
        EXPECT_EQ(lambda(), 1);
        int caught = 0;
        try {
            const tracked local(2);
            const int number = co_await value_of(local);
            throw tracked(number);
        } catch (const tracked& thrown) {
            caught = thrown.value;
        }
        co_await yield();
        EXPECT_EQ(caught, 2);
        const auto throws = [](tracked) -> task<int> {
            co_await yield();
            throw std::runtime_error("after a suspension");
        };
        EXPECT_THROW(static_cast<void>(co_await throws(tracked(3))), std::runtime_error);
    });
}

TEST_P(Canary, ConditionsOfStatements) {
    expect_balanced([]() -> task<> {
        int rounds = 0;
        while (co_await value_of(tracked(rounds)) < 3) ++rounds;
        for (int i = 0; i < co_await value_of(tracked(3)); i += co_await value_of(tracked(1))) ++rounds;
        do {
            ++rounds;
        } while (co_await value_of(tracked(rounds)) < 9);
        EXPECT_EQ(rounds, 9);
        if (const auto one = co_await make(4); one.value == 4) ++rounds;
        switch (co_await value_of(tracked(2))) {
            case 2: ++rounds; break;
            default: ADD_FAILURE();
        }
        EXPECT_EQ(rounds, 11);
    });
}

TEST_P(Canary, RangesAndStructuredBindings) {
    expect_balanced([]() -> task<> {
        const auto list = [](int count) -> task<std::vector<tracked>> {
            std::vector<tracked> made;
            for (int i = 1; i <= count; ++i) made.push_back(co_await make(i));
            co_return made;
        };
        int sum = 0;
        for (const tracked& each : co_await list(3)) {
            co_await yield();
            sum += each.value;
        }
        EXPECT_EQ(sum, 6);
        for (int i = 0; i != 3; ++i) {
            const auto [first, second] = co_await when_all(make(i), make(10));
            co_await yield();
            EXPECT_EQ(first.value + second.value, 10 + i);
        }
    });
}

TEST_P(Canary, ExpectationsAboutTemporaries) {
    expect_balanced([]() -> task<> {
        EXPECT_EQ(co_await text_of(1), std::string(50, 'x') + "1");
        EXPECT_NE(co_await text_of(1), co_await text_of(2));
        EXPECT_EQ((co_await make(1)).value, (co_await make(1)).value) << "with a text " << tracked(5).value;
        EXPECT_THROW(static_cast<void>(co_await as_result([](tracked) -> task<int> {
                         co_await yield();
                         throw 1;
                     }(tracked(1)))),
                     int);
    });
}

TEST_P(Canary, WhatTheLibraryOffers) {
    expect_balanced([]() -> task<> {
        EXPECT_EQ(co_await with_timeout(1h, value_of(tracked(1))), 1);
        EXPECT_EQ((co_await with_timeout(1h, make(2))).value, 2);
        const auto moved_on = co_await move_on_after(0s, sleep_for(1h));
        EXPECT_FALSE(moved_on);
        const std::optional<tracked> perhaps = co_await move_on_after(1h, make(3));
        EXPECT_EQ(perhaps->value, 3);
        EXPECT_EQ((co_await as_result(make(4)))->value, 4);
        EXPECT_EQ((co_await shield(make(5))).value, 5);
        const auto any = co_await when_any(make(6), value_of(tracked(7)));
        EXPECT_EQ(std::get<0>(any.values)->value, 6);
        channel<tracked> values(1);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (int i = 0; i != 5; ++i) co_await values.send(tracked(i));
                values.close();
            });
            int sum = 0;
            while (const auto value = co_await values.recv()) sum += value->value;
            EXPECT_EQ(sum, 10);
        });
        mutex door;
        { const auto lock = co_await door.lock(); }
        EXPECT_FALSE(door.is_locked());
        const auto body = [held = tracked(8)](task_group&) -> task<tracked> { co_return held; };
        EXPECT_EQ((co_await with_task_group(body)).value, 8);
    });
}

TEST_P(Canary, FramesThatEndByACancel) {
    expect_balanced([]() -> task<> {
        co_await with_task_group([](task_group& group) -> task<> {
            group.spawn([held = tracked(1)]() -> task<> {
                const tracked local(2);
                static_cast<void>(co_await value_of(tracked(co_await value_of(held))));
                co_await with_timeout(1h, [](tracked) -> task<> { co_await sleep_for(1h); }(tracked(3)));
            });
            for (int i = 0; i != 9; ++i) co_await yield();
            group.cancel();
        });
    });
}

TEST_P(Canary, ResultsThatBracesMake) {
    struct pair_of {
        tracked first;
        std::string text;
    };
    expect_balanced([]() -> task<> {
        const auto braces = [](int n) -> task<pair_of> {
            co_await yield();
            co_return {tracked(n), std::string(40, 'y')};
        };
        const pair_of both = co_await braces(4);
        EXPECT_EQ(both.first.value + static_cast<int>(both.text.size()), 44);
        const auto empty = []() -> task<std::optional<tracked>> { co_return {}; };
        const auto none = co_await empty();
        EXPECT_FALSE(none.has_value());
    });
}

}  // namespace sennit::testing::compiler_canary_test
