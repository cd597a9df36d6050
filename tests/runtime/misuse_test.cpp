// Errors in the program that uses the library: each is refused, reported or ended with a text that says what is wrong,
// and none becomes silent damage.

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "support/child_process.hpp"
#include "support/on_backends.hpp"

#include <sennit/blocking.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::misuse_test {

using namespace std::chrono_literals;

class Misuse : public OnKernelBackends {
  protected:
    Misuse() : OnKernelBackends("its loops are made on other threads and in other processes") {}
    event_loop_options options() const { return event_loop_options{GetParam()}; }
};
SENNIT_ON_ALL_BACKENDS(Misuse);

// What the compiler refuses: to use up something that still has a name.
template <class T>
concept usable_twice = requires(T& named) {
    as_result(named);
}
|| requires(T& named) {
    with_timeout(1s, named);
}
|| requires(T& named) {
    with_deadline(no_deadline, named);
}
|| requires(T& named) {
    move_on_after(1s, named);
}
|| requires(T& named) {
    shield(named);
}
|| requires(T& named) {
    when_all(named, yield());
}
|| requires(T& named) {
    when_any(named, yield());
}
|| requires(T& named, task_group& group) {
    group.spawn(named);
};
static_assert(!usable_twice<task<int>> && !usable_twice<task<>> && !usable_twice<detail::sleep_awaiter>);
static_assert(!std::is_copy_constructible_v<event> && !std::is_move_constructible_v<event>);
static_assert(!std::is_copy_constructible_v<mutex_lock> && !std::is_copy_constructible_v<detail::sleep_awaiter>);
static_assert(!std::is_constructible_v<cancel_scope, const cancel_scope&>, "a scope is where it is");

constexpr std::string_view never_ran =
    "sennit: a task was destroyed without having run; co_await it or spawn it into a group\n";

task<int> seven() {
    co_return 7;
}
task<> nothing() {
    co_return;
}

std::string reported(const std::function<void()>& body) {
    ::testing::internal::CaptureStderr();
    body();
    return ::testing::internal::GetCapturedStderr();
}

template <class Function>
std::string text_of_logic_error(Function function) {
    try {
        function();
    } catch (const std::logic_error& error) {
        return error.what();
    }
    return "none";
}

TEST_P(Misuse, ATaskThatIsDroppedIsReported) {
    EXPECT_EQ(reported([] { const auto dropped = seven(); }), never_ran);
    EXPECT_EQ(reported([] {
                  auto replaced = seven();
                  replaced = seven();
                  static_cast<void>(std::move(replaced).release().destroy());
              }),
              never_ran);
    EXPECT_EQ(reported([this] {
                  run([]() -> task<> {
                      const auto dropped = sleep_for(1s), never = sleep_for(1s);
                      const auto timed = with_timeout(1s, sleep_for(1s));
                      co_return;
                  });
              }),
              never_ran)
        << "an operation that is not awaited does nothing and harms nothing";
}

TEST_P(Misuse, ATaskThatAnExceptionKeepsFromRunningIsNotReported) {
    EXPECT_EQ(reported([this] {
                  EXPECT_THROW(run([]() -> task<> {
                                   const auto kept_from_running = seven();
                                   throw std::runtime_error("first");
                                   co_return;
                               }),
                               std::runtime_error);
              }),
              "");
}

TEST_P(Misuse, ATaskIsUsedOnce) {
    run([this]() -> task<> {
        auto used = seven();
        const int first = co_await std::move(used);
        EXPECT_EQ(first, 7);
        EXPECT_THROW(static_cast<void>(co_await std::move(used)), std::logic_error);
        auto moved = seven();
        auto other = std::move(moved);
        EXPECT_THROW(static_cast<void>(co_await std::move(moved)), std::logic_error);
        static_cast<void>(co_await std::move(other));

        auto to_spawn = nothing();
        loop().root().spawn(std::move(to_spawn));
        EXPECT_THROW(loop().root().spawn(std::move(to_spawn)), std::logic_error);
        auto awaited = nothing();
        co_await std::move(awaited);
        EXPECT_THROW(loop().root().spawn(std::move(awaited)), std::logic_error);
        auto for_run = seven();
        auto taken = std::move(for_run);
        static_cast<void>(co_await std::move(taken));
    });
    auto moved = seven();
    EXPECT_EQ(loop().run(std::move(moved)), 7);
    EXPECT_THROW(loop().run(std::move(moved)), std::logic_error);
}

TEST_P(Misuse, ATaskThatOneAwaitsIsRefusedToAnother) {
    run([]() -> task<> {
        event go;
        const auto slow = [](event& go) -> task<int> {
            co_await go.wait();
            co_return 3;
        };
        auto wanted_by_two = slow(go);
        int result = 0;
        int refused = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 2; ++i) {
                group.spawn([&]() -> task<> {
                    try {
                        result = co_await std::move(wanted_by_two);
                    } catch (const std::logic_error&) {
                        ++refused;
                    }
                });
            }
            co_await yield();
            co_await yield();
            go.set();
        });
        EXPECT_EQ(result, 3);
        EXPECT_EQ(refused, 1);
    });
}

TEST_P(Misuse, RunInsideRun) {
    run([this]() -> task<> {
        EXPECT_EQ(text_of_logic_error([this] { loop().run(seven()); }),
                  "sennit::event_loop: run inside itself; co_await the task instead");
        EXPECT_EQ(text_of_logic_error([this] { loop().run_once(); }),
                  "sennit::event_loop: run inside itself; co_await the task instead");
        event_loop other(options());
        EXPECT_EQ(text_of_logic_error([&] { other.run(seven()); }),
                  "sennit::event_loop: another loop is running on this thread");
        co_await yield();
    });
    event_loop other(options());
    EXPECT_EQ(other.run(seven()), 7) << "two loops of a thread can run one after the other";
    EXPECT_EQ(run([] { return seven(); }), 7);
}

TEST_P(Misuse, ALoopRunsOnlyOnTheThreadThatMadeIt) {
    std::string text;
    std::thread([&] { text = text_of_logic_error([this] { loop().run(seven()); }); }).join();
    EXPECT_EQ(text, "sennit::event_loop: used on a thread that did not make it; use post()");
    EXPECT_EQ(run([] { return seven(); }), 7);
}

TEST_P(Misuse, SpawningOrSettingFromAnotherThreadEndsTheProgramWithItsReason) {
    const std::string_view reason =
        "sennit: something of an event loop was used on another thread; hand it over with event_loop::post\n";
    child_process spawns([this] {
        event_loop own(options());
        std::thread([&] { own.root().spawn(nothing()); }).join();
        return 0;
    });
    EXPECT_EQ(spawns.end(), "signal " + std::to_string(SIGABRT));
    EXPECT_EQ(spawns.text(), reason);
    child_process sets([this] {
        event_loop own(options());
        event happens;
        own.run([](event& happens) -> task<> {
            const auto sleeper = [&]() -> task<> {
                std::thread([&] { happens.set(); }).join();
                co_return;
            };
            co_await when_all(happens.wait(), sleeper());
        }(happens));
        return 0;
    });
    EXPECT_EQ(sets.end(), "signal " + std::to_string(SIGABRT));
    EXPECT_EQ(sets.text(), reason);
    child_process ends([this] {
        auto own = std::make_unique<event_loop>(options());
        std::thread([&] { own.reset(); }).join();
        return 0;
    });
    EXPECT_EQ(ends.end(), "signal " + std::to_string(SIGABRT));
}

TEST_P(Misuse, AGroupThatEndsBeforeItsTasksEndsTheProgramWithItsReason) {
    child_process program([this] {
        event_loop own(options());
        {
            task_group group(environment{&own, &own.scope()});
            group.spawn(nothing());
        }
        return 0;
    });
    EXPECT_EQ(program.end(), "signal " + std::to_string(SIGABRT));
    EXPECT_EQ(program.text(), "sennit: a task group was destroyed while tasks run in it; join it first\n");
}

TEST_P(Misuse, AfterAForkTheLoopIsTheParents) {
    bool slept = false;
    loop().root().spawn([&]() -> task<> {
        co_await sleep_for(1ms);
        slept = true;
    });
    run([]() -> task<> {
        co_await run_blocking([] {});  // a thread that the child will not have
        co_await yield();
    });
    child_process child([this] {
        say(text_of_logic_error([this] { loop().run(seven()); }));
        event_loop own(options());
        return own.run(seven());
    });
    EXPECT_EQ(child.end(), "exit 7") << child.text();
    EXPECT_EQ(child.text(), "sennit::event_loop: used after fork(); make the loop in the child, after the fork");
    while (!slept) loop().run_once(no_deadline);
}

TEST_P(Misuse, AfterAForkTheLoopCanBeLeftBehindWithAllThatRanInIt) {
    event never;
    std::optional<event_loop> inherited(std::in_place, options());
    inherited->root().spawn([&]() -> task<> { co_await never.wait(); });
    inherited->root().spawn([]() -> task<> { co_await sleep_for(1h); });
    inherited->run([]() -> task<> {
        co_await run_blocking([] {});
        co_await yield();
    }());
    child_process child([&] {
        inherited.reset();
        return 5;
    });
    EXPECT_EQ(child.end(), "exit 5") << child.text();
    EXPECT_EQ(child.text(), "");
}

}  // namespace sennit::testing::misuse_test
