// Handing one stream on to another. Its one hard idea: whichever way the bytes take, through a pipe in the kernel or
// through a buffer, nobody at either end can tell; so each scenario is for both.

#include <array>
#include <string>
#include <system_error>
#include <tuple>

#include <sennit/when_all.hpp>

#include "forward_route.hpp"
#include "support/descriptor_limit.hpp"

namespace sennit::testing::forward_test {

using namespace forwarding;

class Forward : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(Forward);

TEST_P(Forward, EverythingArrivesAndIsCounted) {
    run([]() -> task<> {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16384}, std::size_t{65537}, much}) {
            auto all = co_await tcp();
            co_await expect_through(all, size);
        }
    });
}

TEST_P(Forward, UnixStreamsToo) {
    run([]() -> task<> {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65537}, much}) {
            auto all = co_await unix_streams();
            co_await expect_through(all, size);
        }
    });
}

TEST_P(Forward, FromOneKindOfStreamToAnother) {
    run([]() -> task<> {
        auto left = co_await tcp_pair();
        auto right = co_await net::unix_stream::pair();
        const std::string sent = noise(much);
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(send_and_finish(left.first, sent));
            group.spawn([&]() -> task<> { co_await net::forward(left.second, right.first); });
            received = co_await read_all(right.second);
        });
        EXPECT_TRUE(received == sent);
    });
}

TEST_P(Forward, SmallBuffersCutItAnywhere) {
    run([]() -> task<> {
        auto all = co_await narrow_tcp();
        co_await expect_through(all, 1'000'003);
    });
}

/// Sends piece by piece, and waits each time until the receiver has it.
TEST_P(Forward, HandsOnWhatThereIsAtOnce) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::uint64_t count = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(forward_and_count(all, count));
            // Small and large in turn.
            for (const std::size_t size : {3, 100'000, 5, 40'000, 200'000, 1}) {
                const std::string sent = noise(size);
                std::string received;
                co_await with_task_group([&](task_group& both) -> task<> {
                    both.spawn([&]() -> task<> { co_await all.sender.send(sent); });
                    received = co_await read_exactly(all.receiver, size);
                });
                EXPECT_TRUE(received == sent) << size;
            }
            co_await all.sender.shutdown_send();
        });
        EXPECT_EQ(count, 340'009u);
    });
}

TEST_P(Forward, ASlowReceiverSlowsTheSenderDown) {
    run([]() -> task<> {
        auto all = co_await narrow_tcp();
        const std::string sent = noise(much);
        std::size_t taken = 0;
        std::uint64_t count = 0;
        std::string received;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const_bytes rest(sent);
                while (!rest.empty()) {
                    const std::size_t some = co_await all.sender.send_some(rest);
                    taken += some;
                    rest = rest.subspan(some);
                }
                co_await all.sender.shutdown_send();
            });
            group.spawn(forward_and_count(all, count));
            // Until nothing moves any more. A few hundred turns without a byte are no pause of the kernel's.
            for (std::size_t before = 1; before != taken;) {
                before = taken;
                co_await settle(300);
            }
            EXPECT_GT(taken, 0u);
            EXPECT_LT(taken, much / 2) << "more is under way than the buffers and a pipe hold";
            received = co_await read_all(all.receiver);
        });
        EXPECT_EQ(count, much);
        EXPECT_TRUE(received == sent);
    });
}

TEST_P(Forward, EachDirectionEndsForItself) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::uint64_t there = 0;
        std::uint64_t back = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto both = co_await when_all(net::forward(all.from, all.to), net::forward(all.to, all.from));
                there = std::get<0>(both);
                back = std::get<1>(both);
            });
            co_await send_and_finish(all.sender, "question");
            const std::string question = co_await read_all(all.receiver);
            EXPECT_EQ(question, "question");
            // The way there has ended; the way back is as before.
            const std::string answer = noise(300'000);
            std::string received;
            co_await with_task_group([&](task_group& pair) -> task<> {
                pair.spawn([&]() -> task<> { co_await all.receiver.send(answer); });
                received = co_await read_exactly(all.sender, answer.size());
            });
            EXPECT_TRUE(received == answer);
            co_await all.receiver.shutdown_send();
            const std::string end = co_await read_all(all.sender);
            EXPECT_EQ(end, "");
        });
        EXPECT_EQ(there, 8u);
        EXPECT_EQ(back, 300'000u);
    });
}

TEST_P(Forward, BothWaysAtOnceAndMuch) {
    run([]() -> task<> {
        auto all = co_await tcp();
        const std::string there = noise(much, 1);
        const std::string back = noise(much, 2);
        std::string arrived_there;
        std::string arrived_back;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(
                [&]() -> task<> { co_await when_all(net::forward(all.from, all.to), net::forward(all.to, all.from)); });
            group.spawn(send_and_finish(all.sender, there));
            group.spawn(send_and_finish(all.receiver, back));
            group.spawn([&]() -> task<> { arrived_back = co_await read_all(all.sender); });
            arrived_there = co_await read_all(all.receiver);
        });
        EXPECT_TRUE(arrived_there == there);
        EXPECT_TRUE(arrived_back == back);
    });
}

TEST_P(Forward, ASecondReceiverIsRefused) {
    run([]() -> task<> {
        auto all = co_await tcp();
        std::uint64_t count = 0;
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(forward_and_count(all, count));
            co_await settle();
            std::array<char, 1> buffer;
            const std::error_code receiving = co_await error_of(all.from.recv(buffer));
            EXPECT_EQ(receiving, std::errc::device_or_resource_busy);
            const std::error_code forwarding = co_await error_of(net::forward(all.from, all.to));
            EXPECT_EQ(forwarding, std::errc::device_or_resource_busy);
            co_await send_and_finish(all.sender, "all");
        });
        EXPECT_EQ(count, 3u);
    });
}

TEST_P(Forward, WithoutDescriptorsItWorksAllTheSame) {
    run([]() -> task<> {
        auto all = co_await tcp();
        const descriptor_limit none(0);
        co_await expect_through(all, much);
    });
}

}  // namespace sennit::testing::forward_test
