// Channels: values arrive once and in order whatever the capacity, and neither closing nor cancelling loses or doubles
// one.

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/on_backends.hpp"

#include <sennit/channel.hpp>
#include <sennit/result.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>
#include <sennit/yield.hpp>

namespace sennit::testing::channel_test {

using namespace std::chrono_literals;

class Channel : public OnBackends {};
SENNIT_ON_ALL_BACKENDS(Channel);

task<> turns(int count) {
    for (int i = 0; i != count; ++i) co_await yield();
}

task<> send_numbers(channel<int>& numbers, int first, int last) {
    for (int i = first; i != last; ++i) co_await numbers.send(i);
}

task<> receive_all(channel<int>& numbers, std::vector<int>& into) {
    while (const auto number = co_await numbers.recv()) into.push_back(*number);
}

TEST_P(Channel, ValuesArriveInOrderWhateverTheCapacity) {
    for (const std::size_t capacity : {0u, 1u, 2u, 7u, 1000u}) {
        run([capacity]() -> task<> {
            channel<int> numbers(capacity);
            EXPECT_EQ(numbers.capacity(), capacity);
            std::vector<int> received;
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn(receive_all(numbers, received));
                co_await send_numbers(numbers, 0, 300);
                numbers.close();
            });
            std::vector<int> expected(300);
            std::iota(expected.begin(), expected.end(), 0);
            EXPECT_EQ(received, expected) << "capacity " << capacity;
        });
    }
}

TEST_P(Channel, HoldsAsManyAsItsCapacity) {
    run([]() -> task<> {
        channel<int> numbers(2);
        co_await numbers.send(1);
        co_await numbers.send(2);
        EXPECT_EQ(numbers.size(), 2u);
        const bool sent = co_await move_on_after(1ms, numbers.send(3));
        EXPECT_FALSE(sent);
        EXPECT_EQ(numbers.size(), 2u) << "the cancelled send left nothing behind";
        const auto first = co_await numbers.recv();
        const auto second = co_await numbers.recv();
        EXPECT_EQ(first, 1);
        EXPECT_EQ(second, 2);
        const auto third = co_await move_on_after(1ms, numbers.recv());
        EXPECT_FALSE(third.has_value());
    });
}

TEST_P(Channel, OfCapacityZeroHandsOverOnlyWhenBothAreThere) {
    std::string log;
    run([&]() -> task<> {
        channel<int> numbers(0);
        EXPECT_FALSE(numbers.try_send(1));
        EXPECT_EQ(numbers.try_recv(), std::nullopt);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                co_await numbers.send(1);
                log += 's';
            });
            co_await turns(3);
            EXPECT_EQ(log, "");
            EXPECT_EQ(numbers.size(), 0u);
            const auto number = co_await numbers.recv();
            EXPECT_EQ(number, 1);
            co_await turns(1);
            EXPECT_EQ(log, "s");
            group.spawn([&]() -> task<> {
                const auto second = co_await numbers.recv();
                EXPECT_EQ(second, 2);
            });
            co_await turns(1);
            EXPECT_TRUE(numbers.try_send(2)) << "somebody waits for it";
        });
    });
}

TEST_P(Channel, TryCallsNeverWaitAndTakeNothingInVain) {
    channel<std::unique_ptr<int>> pointers(1);
    auto first = std::make_unique<int>(1);
    auto second = std::make_unique<int>(2);
    EXPECT_TRUE(pointers.try_send(std::move(first)));
    EXPECT_EQ(first, nullptr);
    EXPECT_FALSE(pointers.try_send(std::move(second)));
    ASSERT_NE(second, nullptr) << "a refused value stays with its owner";
    EXPECT_EQ(**pointers.try_recv(), 1);
    pointers.close();
    EXPECT_FALSE(pointers.try_send(std::move(second)));
    EXPECT_NE(second, nullptr);
    EXPECT_EQ(pointers.try_recv(), std::nullopt);
}

TEST_P(Channel, ClosedItGivesWhatItHoldsAndThenNothing) {
    run([]() -> task<> {
        channel<int> numbers(3);
        co_await numbers.send(1);
        co_await numbers.send(2);
        numbers.close();
        numbers.close();
        EXPECT_TRUE(numbers.is_closed());
        const auto refused = co_await as_result(numbers.send(3));
        EXPECT_EQ(refused.error(), std::errc::broken_pipe);
        std::vector<int> received;
        co_await receive_all(numbers, received);
        EXPECT_EQ(received, (std::vector{1, 2}));
        const auto nothing = co_await numbers.recv();
        EXPECT_EQ(nothing, std::nullopt);
    });
}

TEST_P(Channel, ClosingWakesReceiversWithNothing) {
    run([]() -> task<> {
        channel<int> numbers(0);
        int ended = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 3; ++i) {
                group.spawn([&]() -> task<> {
                    const auto nothing = co_await numbers.recv();
                    EXPECT_EQ(nothing, std::nullopt);
                    ++ended;
                });
            }
            co_await turns(2);
            numbers.close();
        });
        EXPECT_EQ(ended, 3);
    });
}

TEST_P(Channel, ClosingRefusesSendersThatWait) {
    run([]() -> task<> {
        channel<int> numbers(1);
        int refused = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 3; ++i) {
                group.spawn([&numbers, &refused, i]() -> task<> {
                    try {
                        co_await numbers.send(i);
                    } catch (const std::system_error& error) {
                        EXPECT_EQ(error.code(), std::errc::broken_pipe);
                        ++refused;
                    }
                });
            }
            co_await turns(2);
            numbers.close();
        });
        EXPECT_EQ(refused, 2);
        EXPECT_EQ(numbers.try_recv(), 0) << "what it had taken can be received";
        EXPECT_EQ(numbers.try_recv(), std::nullopt);
    });
}

TEST_P(Channel, ReceiversAreServedInTheOrderOfTheirComing) {
    std::string log;
    run([&]() -> task<> {
        channel<int> numbers(4);
        co_await with_task_group([&](task_group& group) -> task<> {
            for (char name = 'a'; name <= 'c'; ++name) {
                group.spawn([&numbers, &log, name]() -> task<> {
                    const auto number = co_await numbers.recv();
                    log += name + std::to_string(number.value_or(-1));
                });
            }
            co_await turns(1);
            co_await send_numbers(numbers, 0, 3);
        });
    });
    EXPECT_EQ(log, "a0b1c2");
}

TEST_P(Channel, SendersAreServedInTheOrderOfTheirComing) {
    run([]() -> task<> {
        channel<int> numbers(1);
        std::vector<int> received;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 0; i != 6; ++i) {
                group.spawn([&numbers, i]() -> task<> { co_await numbers.send(i); });
            }
            co_await turns(1);
            EXPECT_FALSE(numbers.try_send(99)) << "nobody overtakes those who wait";
            while (received.size() != 6) received.push_back((co_await numbers.recv()).value_or(-1));
        });
        EXPECT_EQ(received, (std::vector{0, 1, 2, 3, 4, 5}));
    });
}

TEST_P(Channel, AValueThatWasHandedOverIsReceivedInSpiteOfACancel) {
    run([]() -> task<> {
        channel<int> numbers(0);
        std::optional<int> received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { received = co_await numbers.recv(); });
            co_await turns(1);
            EXPECT_TRUE(numbers.try_send(7));
            group.cancel();
        });
        EXPECT_EQ(received, 7);
    });
}

TEST_P(Channel, ACancelledSendHasNotSentAndOneThatWasTakenHas) {
    run([]() -> task<> {
        channel<int> numbers(0);
        int sent = 0;
        int cancels = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            for (int i = 1; i <= 2; ++i) {
                group.spawn([&numbers, &sent, &cancels, i]() -> task<> {
                    try {
                        co_await numbers.send(i);
                        ++sent;
                    } catch (const cancelled&) {
                        ++cancels;
                    }
                });
            }
            co_await turns(1);
            EXPECT_EQ(numbers.try_recv(), 1);
            group.cancel();
        });
        EXPECT_EQ(sent, 1);
        EXPECT_EQ(cancels, 1);
        EXPECT_EQ(numbers.try_recv(), std::nullopt);
    });
}

TEST_P(Channel, MovesValuesThatCannotBeCopied) {
    run([]() -> task<> {
        for (const std::size_t capacity : {0u, 2u}) {
            channel<std::unique_ptr<int>> pointers(capacity);
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> {
                    for (int i = 0; i != 5; ++i) co_await pointers.send(std::make_unique<int>(i));
                    pointers.close();
                });
                int expected = 0;
                while (const auto pointer = co_await pointers.recv()) EXPECT_EQ(**pointer, expected++);
                EXPECT_EQ(expected, 5);
            });
        }
    });
}

TEST_P(Channel, RandomSendsReceivesAndCancelsConserveEveryValue) {
    std::mt19937 random(17);
    for (const std::size_t capacity : {0u, 1u, 3u}) {
        run([&, capacity]() -> task<> {
            channel<int> numbers(capacity);
            int sent_count = 0;
            long sent_sum = 0;
            int received_count = 0;
            long received_sum = 0;
            int next = 1;
            const auto sender = [&](int value) -> task<> {
                co_await numbers.send(value);
                ++sent_count;
                sent_sum += value;
            };
            const auto receiver = [&]() -> task<> {
                const auto value = co_await numbers.recv();
                if (!value) co_return;
                ++received_count;
                received_sum += *value;
            };
            for (int round = 0; round != 300; ++round) {
                co_await with_task_group([&](task_group& group) -> task<> {
                    const auto some = [&] { return static_cast<int>(random() % 6); };
                    const auto step = [&] {
                        if (random() % 2 == 0) {
                            for (int i = some(); i != 0; --i) group.spawn(sender(next++));
                        } else {
                            for (int i = some(); i != 0; --i) group.spawn(receiver());
                        }
                    };
                    for (int i = some(); i != 0; --i) {
                        step();
                        if (random() % 3 != 0) co_await yield();
                    }
                    step();
                    group.cancel();
                });
            }
            numbers.close();
            co_await with_task_group([&](task_group& group) -> task<> {
                for (std::size_t i = 0; i != capacity; ++i) group.spawn(receiver());
                co_return;
            });
            EXPECT_GT(sent_count, 100);
            EXPECT_EQ(sent_count, received_count);
            EXPECT_EQ(sent_sum, received_sum);
        });
    }
}

}  // namespace sennit::testing::channel_test
