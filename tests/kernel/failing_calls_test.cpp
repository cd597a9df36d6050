// Each system call of a conversation fails once, in each way in which it may: then the conversation goes on, or it ends
// with that error; nothing hangs, and no descriptor and no operation is left behind.

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include "conversation.hpp"
#include "kernel_test.hpp"
#include "support/supervised_thread.hpp"

namespace sennit::testing::failing_calls_test {

struct failing_call {
    long number;
    const char* name;
    std::vector<int> errors;
};

/// How these fail according to their man pages. Not EAGAIN where the kernel says it only when there is nothing: then
/// something that becomes ready must follow, which nobody here would bring about.
const std::vector<failing_call>& failing_calls() {
    static const std::vector<failing_call> all{
        {SYS_socket, "socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {SYS_bind, "bind", {EADDRINUSE}},
        {SYS_listen, "listen", {EADDRINUSE}},
        {SYS_connect, "connect", {EINTR, EADDRNOTAVAIL}},
        {SYS_accept4, "accept4", {EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {SYS_setsockopt, "setsockopt", {ENOMEM, ENOBUFS}},
        {SYS_getsockopt, "getsockopt", {ENOBUFS}},
        {SYS_getsockname, "getsockname", {ENOBUFS}},
        {SYS_shutdown, "shutdown", {ENOTCONN}},
        {SYS_recvfrom, "recvfrom", {EINTR, ENOMEM}},
        {SYS_recvmsg, "recvmsg", {EINTR, ENOMEM}},
        {SYS_sendto, "sendto", {EINTR, ENOBUFS, ENOMEM}},
        {SYS_sendmsg, "sendmsg", {EINTR, ENOBUFS, ENOMEM}},
        {SYS_eventfd2, "eventfd2", {EMFILE, ENFILE, ENOMEM}},
        {SYS_epoll_create1, "epoll_create1", {EMFILE, ENFILE, ENOMEM}},
        {SYS_epoll_ctl, "epoll_ctl", {ENOMEM, ENOSPC}},
        {SYS_epoll_pwait, "epoll_pwait", {EINTR}},
        {SYS_ppoll, "ppoll", {EINTR, ENOMEM}},
#ifdef SYS_epoll_wait
        {SYS_epoll_wait, "epoll_wait", {EINTR}},
        {SYS_poll, "poll", {EINTR, ENOMEM}},
#endif
#ifdef SYS_epoll_pwait2
        {SYS_epoll_pwait2, "epoll_pwait2", {EINTR}},
#endif
        {SYS_io_uring_setup, "io_uring_setup", {ENOMEM, EMFILE, ENFILE, EPERM, ENOSYS}},
        {SYS_io_uring_enter, "io_uring_enter", {EINTR, EAGAIN, EBUSY}},
        {SYS_io_uring_register, "io_uring_register", {ENOMEM, EINVAL}},
    };
    return all;
}

/// Which call fails, and in which of its ways.
struct plan {
    std::size_t call = 0;  // 0: none
    std::size_t way = 0;
};

/// After these nothing has happened, and the same call may do better: nobody is to hear of them.
bool is_for_the_moment(int error) {
    return error == EINTR || error == EAGAIN || error == EBUSY || error == ECONNABORTED;
}

/// What became of one run.
struct outcome {
    std::size_t calls = 0;     // that were made
    std::string failed;        // the call, empty when it has not so many ways
    std::error_code surfaced;  // none: the conversation went well
    bool must_go_on = false;
    bool went_wrong = false;   // something that is no error of the system was thrown
    bool left_behind = false;  // an operation was
};

outcome run_once(backend_kind kind, plan wanted) {
    outcome result;
    std::vector<long> numbers;
    for (const failing_call& call : failing_calls()) numbers.push_back(call.number);
    const auto verdict = [&](long number) {
        if (++result.calls != wanted.call) return 0;
        for (const failing_call& call : failing_calls()) {
            if (call.number != number || wanted.way >= call.errors.size()) continue;
            result.failed = std::string(call.name) + " " + std::to_string(call.errors[wanted.way]);
            result.must_go_on = is_for_the_moment(call.errors[wanted.way]);
            return call.errors[wanted.way];
        }
        return 0;
    };
    run_supervised(numbers, verdict, [&] {
        try {
            event_loop_options options;
            options.backend = kind;
            event_loop loop(options);
            try {
                loop.run(with_timeout(patience, conversation()));
            } catch (const std::system_error& error) {
                result.surfaced = error.code();
            }
            loop.run(settle());  // the listener's accept is given back by the kernel after the listener has been closed
            result.left_behind = loop.io().in_flight() != 0 || !loop.describe().empty();
        } catch (const std::system_error& error) {
            result.surfaced = error.code();
        } catch (...) {
            result.went_wrong = true;
        }
    });
    return result;
}

class FailingCalls : public ::testing::TestWithParam<test_backend> {};
SENNIT_ON_KERNEL_BACKENDS(FailingCalls);

TEST_P(FailingCalls, EndTheConversationOrAreOvercome) {
    try {
        const outcome undisturbed = run_once(GetParam(), plan());
        if (undisturbed.surfaced) GTEST_SKIP() << undisturbed.surfaced.message();
    } catch (const std::system_error& error) {
        GTEST_SKIP() << error.what();
    }
    const std::size_t descriptors = open_descriptors();
    int failed = 0;
    int overcome = 0;
    for (plan next{1, 0};;) {
        const outcome result = run_once(GetParam(), next);
        if (result.calls < next.call) break;
        if (result.failed.empty()) {
            next = {next.call + 1, 0};
            continue;
        }
        SCOPED_TRACE("call " + std::to_string(next.call) + ", " + result.failed);
        ++failed;
        overcome += result.surfaced ? 0 : 1;
        EXPECT_NE(result.surfaced, std::errc::timed_out) << "it hung";
        if (result.must_go_on) {
            EXPECT_EQ(result.surfaced, std::error_code());
        }
        EXPECT_FALSE(result.went_wrong);
        EXPECT_FALSE(result.left_behind);
        ASSERT_EQ(open_descriptors(), descriptors);
        ++next.way;
    }
    EXPECT_GT(failed, overcome) << "some failures must be seen";
    EXPECT_GT(overcome, 0);
    RecordProperty("failed_system_calls", failed);
    RecordProperty("overcome", overcome);
}

}  // namespace sennit::testing::failing_calls_test
