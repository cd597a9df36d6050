// What a task is to those who write one: lazy, awaited once, and its result, its exception and its end arrive where
// the co_await stands.

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"
#include "support/tracked.hpp"

#include <sennit/task.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::task_test {

class Task : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(Task);

template <class Awaitable>
concept awaitable_as_it_is = requires(Awaitable&& one) {
    std::forward<Awaitable>(one).operator co_await();
};

static_assert(!std::is_copy_constructible_v<task<>> && std::is_nothrow_move_constructible_v<task<>>);
static_assert(awaitable_as_it_is<task<int>>);
static_assert(!awaitable_as_it_is<task<int>&>, "a task is used up: co_await std::move(it)");
static_assert(!std::is_convertible_v<task<int>, task<>>);

TEST_P(Task, DoesNothingBeforeItIsAwaited) {
    run([]() -> task<> {
        bool started = false;
        auto one = [&]() -> task<> {
            started = true;
            co_return;
        };
        auto waiting = one();
        EXPECT_FALSE(started);
        co_await std::move(waiting);
        EXPECT_TRUE(started);
    });
}

task<std::unique_ptr<int>> move_only() {
    co_return std::make_unique<int>(7);
}

class no_default {
  public:
    no_default(int a, std::string b) : number(a), text(std::move(b)) {}
    int number;
    std::string text;
};
task<no_default> made_in_place() {
    co_return {3, "three"};
}
task<std::vector<int>> empty_braces() {
    co_return {};
}
task<const std::string> constant() {
    co_return "never changes";
}
task<int&> reference_to(int& target) {
    co_return target;
}

TEST_P(Task, GivesValuesOfEveryKind) {
    run([]() -> task<> {
        const auto pointer = co_await move_only();
        EXPECT_EQ(*pointer, 7);
        const auto made = co_await made_in_place();
        EXPECT_EQ(made.number, 3);
        EXPECT_EQ(made.text, "three");
        const auto nothing = co_await empty_braces();
        EXPECT_TRUE(nothing.empty());
        const auto text = co_await constant();
        EXPECT_EQ(text, "never changes");
        int target = 1;
        int& same = co_await reference_to(target);
        EXPECT_EQ(&same, &target);
    });
}

task<tracked> returns_a_local() {
    tracked result(5);
    co_return result;
}

TEST_P(Task, ItsResultIsMovedAndNeverCopied) {
    tracked::reset();
    run([]() -> task<> {
        const tracked result = co_await returns_a_local();
        EXPECT_EQ(result.value, 5);
        EXPECT_EQ(tracked::living(), 1u);
    });
    EXPECT_EQ(tracked::counts().copies, 0u);
    EXPECT_EQ(tracked::living(), 0u);
    EXPECT_EQ(tracked::counts().wrong_ends, 0u);
}

TEST_P(Task, ItsExceptionIsThrownWhereItIsAwaited) {
    run([]() -> task<> {
        const auto fails = [](int depth, auto self) -> task<int> {
            if (depth == 0) throw std::out_of_range("at the bottom");
            const int below = co_await self(depth - 1, self);
            co_return below + 1;
        };
        std::string caught;
        try {
            co_await fails(3, fails);
        } catch (const std::out_of_range& error) {
            caught = error.what();
        }
        EXPECT_EQ(caught, "at the bottom");
        co_await yield();  // and life goes on
    });
}

class refuses_to_be_made {
  public:
    explicit refuses_to_be_made(int) { throw std::runtime_error("refused"); }
};
task<refuses_to_be_made> result_that_throws() {
    co_return 1;
}

TEST_P(Task, ResultWhoseConstructorThrowsIsAnException) {
    run([]() -> task<> { EXPECT_THROW(static_cast<void>(co_await result_that_throws()), std::runtime_error); });
}

class notes_its_end {
  public:
    notes_its_end(std::string& log, char name) : log_(&log), name_(name) {}
    notes_its_end(notes_its_end&& other) noexcept : log_(std::exchange(other.log_, nullptr)), name_(other.name_) {}
    ~notes_its_end() {
        if (log_ != nullptr) log_->push_back(name_);
    }

  private:
    std::string* log_;
    char name_;
};

TEST_P(Task, LocalsEndBeforeTheCallerGoesOnAndParametersWithTheTask) {
    std::string log;
    run([&]() -> task<> {
        const auto work = [](std::string& log, notes_its_end) -> task<> {
            const notes_its_end local(log, 'L');
            co_await yield();
            log += 'e';
        };
        co_await work(log, notes_its_end(log, 'P'));
        log += 'c';
        {
            auto named = work(log, notes_its_end(log, 'Q'));
            co_await std::move(named);
            log += 'd';
        }
        log += '.';
    });
    EXPECT_EQ(log, "eLPceLdQ.");
}

TEST_P(Task, ArgumentsTakenByValueLiveAsLongAsTheTask) {
    run([]() -> task<> {
        const auto later = [](std::string text, std::vector<int> numbers) -> task<std::size_t> {
            co_await yield();
            co_return text.size() + numbers.size();
        };
        auto waiting = later(std::string(100, 'x'), std::vector<int>(50));
        co_await yield();
        const std::size_t total = co_await std::move(waiting);
        EXPECT_EQ(total, 150u);
    });
}

TEST_P(Task, RunsOnTheLoopOfWhoAwaitsIt) {
    run([this]() -> task<> {
        const auto deep = [](int depth, auto self) -> task<event_loop*> {
            if (depth != 0) co_return co_await self(depth - 1, self);
            event_loop& here = co_await current_loop();
            co_return &here;
        };
        const event_loop* const found = co_await deep(10, deep);
        EXPECT_EQ(found, &loop());
    });
}

TEST_P(Task, CanBeAwaitedByATaskThatDidNotMakeIt) {
    run([]() -> task<> {
        const auto number = [](int n) -> task<int> {
            co_await yield();
            co_return n;
        };
        const auto sum = [](std::vector<task<int>> parts) -> task<int> {
            int total = 0;
            for (auto& each : parts) total += co_await std::move(each);
            co_return total;
        };
        std::vector<task<int>> parts;
        for (int i = 1; i <= 4; ++i) parts.push_back(number(i));
        const int total = co_await sum(std::move(parts));
        EXPECT_EQ(total, 10);
    });
}

TEST_P(Task, TheResultOfRunIsTheResultOfTheTask) {
    int target = 0;
    const auto one = []() -> task<std::unique_ptr<int>> { return move_only(); };
    EXPECT_EQ(*run(one), 7);
    EXPECT_EQ(&loop().run(reference_to(target)), &target);
    EXPECT_THROW(run([]() -> task<int> { throw std::range_error("out"); }), std::range_error);
    EXPECT_EQ(run([]() -> task<int> { co_return 9; }), 9) << "after an exception the loop can be used as before";
}

}  // namespace sennit::testing::task_test
