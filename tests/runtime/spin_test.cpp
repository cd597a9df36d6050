// A loop that looks again and again before it sleeps: nothing is late and nothing is lost because of that.

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include <sennit/event.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>

#include "support/on_backends.hpp"

namespace sennit::testing::spin_test {

using namespace std::chrono_literals;

class Spin : public OnKernelBackends {
  protected:
    Spin() : OnKernelBackends("a simulated world does not spin") {}
    event_loop_options loop_options() const override {
        event_loop_options options;
        options.spin = 200us;
        return options;
    }
};
SENNIT_ON_ALL_BACKENDS(Spin);

TEST_P(Spin, TimersBeforeAndAfterItsEndFire) {
    run([this]() -> task<> {
        for (const duration time : {duration(50us), duration(2ms)}) {
            const time_point start = loop().now();
            co_await sleep_for(time);
            EXPECT_GE(loop().now() - start, time);
        }
    });
}

TEST_P(Spin, WhatComesWhileItSpinsAndWhileItSleepsIsReceived) {
    run([]() -> task<> {
        auto ends = co_await net::unix_stream::pair();
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (const duration pause : {duration(0), duration(20us), duration(3ms)}) {
                    co_await sleep_for(pause);
                    co_await ends.first.send("x");
                }
                co_await ends.first.shutdown_send();
            });
            std::array<char, 8> buffer;
            std::size_t received = 0;
            while (const std::size_t count = co_await ends.second.recv(buffer)) received += count;
            EXPECT_EQ(received, 3u);
        });
    });
}

TEST_P(Spin, PostsFromAnotherThreadAreHeard) {
    run([this]() -> task<> {
        event posted;
        std::thread other([&] { loop().post([&] { posted.set(); }); });
        co_await posted.wait();
        other.join();
    });
}

TEST_P(Spin, ALoopEndsWithItsListenersAndReceivers) {
    event_loop_options options = loop_options();
    options.backend = GetParam();
    event_loop own(options);
    own.run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        event_loop& here = co_await current_loop();
        here.root().spawn([](net::tcp_listener waiting) -> task<> { co_await waiting.accept(); }(std::move(listener)));
    }());
}

}  // namespace sennit::testing::spin_test
