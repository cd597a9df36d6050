// Whole programs on the kernel's backends, in which one allocation after the other fails, from the making of the loop
// to its end. Such a program ends as after any other error: with a status and a line on standard error.

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>

#include "allocations.hpp"
#include "support/on_backends.hpp"

#include <sennit/blocking.hpp>
#include <sennit/frame_pool.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/poll.hpp>
#include <sennit/run.hpp>
#include <sennit/sleep.hpp>

namespace sennit::testing::run_without_memory_test {

using namespace std::chrono_literals;

class RunWithoutMemory : public OnKernelBackends {
  protected:
    RunWithoutMemory() : OnKernelBackends("the explorations have it") {}
};
SENNIT_ON_ALL_BACKENDS(RunWithoutMemory);

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
}

task<> echo_leases(net::tcp_stream peer) {
    while (const auto lease = co_await peer.recv_lease()) co_await peer.send(lease);
}

task<> serve_echo(net::tcp_listener& listener) {
    net::serve_options options;
    options.on_error = [](const net::endpoint&, std::exception_ptr) {};
    co_await net::serve(listener, echo_leases, options);
}

/// Whether this thread takes signals, as it did at first.
bool takes_signals() {
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    return sigismember(&blocked, SIGUSR1) == 0 && sigismember(&blocked, SIGTERM) == 0;
}

/// A server and its client, a datagram to itself, a timer, a descriptor of somebody else's and a call on a thread.
task<> program() {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    auto socket = co_await net::udp_socket::bind({"127.0.0.1", 0});
    co_await with_task_group([&](task_group& group) -> task<> {
        group.spawn(serve_echo(listener));
        auto stream = co_await net::tcp_stream::connect(listener.local_endpoint());
        co_await stream.send("question");
        std::array<std::byte, 8> answer;
        // Nothing when the server had no memory for this connection.
        co_await stream.recv_exactly(answer);
        co_await socket.send_to("datagram", socket.local_endpoint());
        co_await wait_readable(socket.native_handle());
        co_await socket.recv(answer);
        co_await sleep_for(1us);
        co_await run_blocking([] {});
        group.cancel();
    });
}

TEST_P(RunWithoutMemory, AProgramEndsWithAStatus) {
    const std::ptrdiff_t frames = sennit::detail::frame_pool::live();
    const std::ptrdiff_t descriptors = open_descriptors();
    event_loop_options options;
    options.backend = GetParam();
    std::size_t number = 0;
    std::size_t seen = 0;
    do {
        ++number;
        seen = 0;
        const sim::allocation_judge judge = [&] { return ++seen == number; };
        int status = -1;
        ::testing::internal::CaptureStderr();
        {
            const sennit::detail::frame_pool::bypass frames_are_allocations;
            task<> main = program();
            const sim::allocations_by programs(&judge);
            status = sennit::run(std::move(main), options);
        }
        const std::string said = ::testing::internal::GetCapturedStderr();
        ASSERT_TRUE(status == 0 || status == 1) << "allocation " << number;
        ASSERT_EQ(status == 1, said.find("sennit: error: ") != said.npos) << "allocation " << number << ": " << said;
        ASSERT_EQ(sennit::detail::frame_pool::live(), frames) << "allocation " << number;
        ASSERT_EQ(open_descriptors(), descriptors) << "allocation " << number;
        ASSERT_TRUE(takes_signals()) << "allocation " << number;
        ASSERT_TRUE(seen >= number || status == 0) << said;
    } while (seen >= number);
    EXPECT_GT(number, 20u);
    RecordProperty("failed_allocations", std::to_string(number - 1));
}

}  // namespace sennit::testing::run_without_memory_test
