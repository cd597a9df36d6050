// Errors as values: what `result` holds, and that as_result turns errors, and nothing else, into one.

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "support/manual_backend.hpp"
#include "support/on_backends.hpp"

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/poll.hpp>
#include <sennit/result.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::result_test {

class AsResult : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(AsResult);
class AsResultOfOperation : public OnVirtualTime {};

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

static_assert(!std::is_default_constructible_v<result<int>> && std::is_default_constructible_v<result<void>>);
static_assert(!std::is_convertible_v<result<int>, bool>, "only where a condition stands");

TEST(Result, HoldsAValueOrAnError) {
    const result<int> value = 5;
    EXPECT_TRUE(value && value.has_value());
    EXPECT_EQ(*value, 5);
    EXPECT_EQ(value.value(), 5);
    EXPECT_FALSE(value.error());

    const result<int> error = refused;
    EXPECT_FALSE(error || error.has_value());
    EXPECT_EQ(error.error(), std::errc::connection_refused);
    try {
        static_cast<void>(error.value());
        ADD_FAILURE() << "no exception";
    } catch (const std::system_error& thrown) {
        EXPECT_EQ(thrown.code(), refused);
    }
}

TEST(Result, GivesItsValueAway) {
    result<std::unique_ptr<std::string>> owner = std::make_unique<std::string>("text");
    EXPECT_EQ((*owner)->size(), 4u);
    EXPECT_EQ(owner->get()->front(), 't');
    owner.value()->push_back('!');
    const std::unique_ptr<std::string> taken = std::move(owner).value();
    EXPECT_EQ(*taken, "text!");
}

TEST(Result, OfNothing) {
    EXPECT_TRUE(result<void>());
    const result<void> error = refused;
    EXPECT_EQ(error.error(), refused);
    EXPECT_THROW(static_cast<void>(error.value()), std::system_error);
}

TEST_P(AsResult, GivesTheValueOfATask) {
    run([]() -> task<> {
        const auto owner = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
        const auto value = co_await as_result(owner());
        EXPECT_EQ(**value, 3);
        const auto nothing = []() -> task<> { co_await yield(); };
        const auto done = co_await as_result(nothing());
        EXPECT_TRUE(done);
        event set;
        set.set();
        EXPECT_TRUE(co_await as_result(set.wait()));
    });
}

TEST_P(AsResult, TurnsASystemErrorIntoAValue) {
    run([]() -> task<> {
        const auto fails = []() -> task<int> {
            co_await yield();
            throw std::system_error(refused, "connect");
        };
        const auto failed = co_await as_result(fails());
        EXPECT_EQ(failed.error(), refused);
        channel<int> closed(1);
        closed.close();
        const auto sent = co_await as_result(closed.send(1));
        EXPECT_EQ(sent.error(), std::errc::broken_pipe);
        channel<int> open(1);
        EXPECT_TRUE(co_await as_result(open.send(1)));
    });
}

TEST_P(AsResult, LeavesOtherExceptionsAndCancelsAlone) {
    std::string log;
    run([&]() -> task<> {
        const auto fails = []() -> task<> {
            co_await yield();
            throw std::runtime_error("its own");
        };
        EXPECT_THROW(static_cast<void>(co_await as_result(fails())), std::runtime_error);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.cancel();
            event never;
            channel<int> nobody(0);
            try {
                static_cast<void>(co_await as_result(never.wait()));
            } catch (const cancelled&) {
                log += 'c';
            }
            try {
                static_cast<void>(co_await as_result(nobody.send(1)));
            } catch (const cancelled&) {
                log += 'd';
            }
        });
    });
    EXPECT_EQ(log, "cd");
}

TEST_F(AsResultOfOperation, IsTheSameOperationWithoutAnException) {
    run([this]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([]() -> task<> {
                const auto events = co_await as_result(wait_readable(3));
                EXPECT_EQ(*events, 1u);
                const auto failed = co_await as_result(wait_readable(3));
                EXPECT_EQ(failed.error(), std::errc::bad_file_descriptor);
                try {
                    static_cast<void>(co_await wait_readable(3));
                    ADD_FAILURE() << "no exception";
                } catch (const std::system_error& error) {
                    EXPECT_EQ(error.code(), std::errc::bad_file_descriptor);
                }
            });
            for (const int answer : {1, -EBADF, -EBADF}) {
                for (int i = 0; i != 3; ++i) co_await yield();
                world().make_ready(3, answer);
                while (world().in_flight() != 0) co_await yield();
            }
        });
    });
}

}  // namespace sennit::testing::result_test
