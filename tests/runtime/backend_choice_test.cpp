// Which backend a program gets, and what it is told about that: in containers that forbid io_uring in various ways,
// and when someone asks for a certain one.

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/backend.hpp>

#include "backend_fixture.hpp"
#include "support/deny_syscalls.hpp"

namespace sennit::testing::backend_choice_test {

constexpr const char* no_filters = "this kernel has no seccomp filters";
constexpr const char* no_liburing = "epoll: built without liburing";

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
}

/// Sends a byte through the backend; gives "works" when it arrives.
std::string try_out(backend& io) {
    int pair[2];
    if (io.open_socket_pair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return "no sockets";
    char got = 0;
    recorded receiving(io, recv_request{pair[0], &got, 1, 0});
    recorded sending(io, send_request{pair[1], "x", 1, 0});
    receiving.submit();
    sending.submit();
    while (io.in_flight() != 0) io.wait(io.now() + std::chrono::seconds(20));
    for (const int fd : pair) io.close(fd);
    return got == 'x' ? "works" : "lost a byte";
}

/// The reason for the choice, if the backend that was chosen works.
std::string choose(backend_kind kind = backend_kind::automatic) {
    const chosen_backend chosen = make_backend({kind});
    const std::string outcome = try_out(*chosen.implementation);
    if (!chosen.reason.starts_with(std::string(chosen.implementation->name()) + ": ")) return "wrong name";
    return outcome == "works" ? chosen.reason : outcome;
}

/// Takes a variable out of the environment, until the end of the scope.
class without_variable {
  public:
    explicit without_variable(const char* name) : name_(name) {
        if (const char* const value = std::getenv(name)) before_ = value;
        ::unsetenv(name);
    }
    without_variable(const without_variable&) = delete;
    without_variable& operator=(const without_variable&) = delete;
    ~without_variable() {
        ::unsetenv(name_);
        if (before_) ::setenv(name_, before_->c_str(), 1);
    }

  private:
    const char* name_;
    std::optional<std::string> before_;
};

class BackendChoice : public ::testing::Test {
  protected:
    /// What is chosen where these calls fail.
    static std::string choice_without(std::initializer_list<denied_syscall> rules,
                                      backend_kind kind = backend_kind::automatic) {
        return in_child([&] { return deny_syscalls(rules) ? choose(kind) : no_filters; });
    }

    static bool has_io_uring() { return make_backend({backend_kind::automatic}).reason.starts_with("io_uring"); }

  private:
    without_variable backend_{"SENNIT_BACKEND"};
    without_variable rung_{"SENNIT_IO_URING_RUNG"};
};

#define SKIP_WITHOUT_FILTERS_OR_LIBURING(reason) \
    if ((reason) == no_filters || (reason) == no_liburing) GTEST_SKIP() << (reason)

#define SKIP_WITHOUT_IO_URING() \
    if (!has_io_uring()) GTEST_SKIP() << make_backend({backend_kind::automatic}).reason

TEST_F(BackendChoice, ForbiddenSetupMeansEpoll) {
    const std::string reason = choice_without({{SYS_io_uring_setup, EPERM}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_EQ(reason, "epoll: io_uring_setup EPERM (seccomp or kernel.io_uring_disabled)");
}

TEST_F(BackendChoice, KernelWithoutIoUringMeansEpoll) {
    const std::string reason = choice_without({{SYS_io_uring_setup, ENOSYS}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_EQ(reason, "epoll: io_uring_setup ENOSYS (kernel without io_uring)");
}

TEST_F(BackendChoice, NoMemoryForARingMeansEpoll) {
    const std::string reason = choice_without({{SYS_io_uring_setup, ENOMEM}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_EQ(reason, "epoll: io_uring_setup ENOMEM (limit on memory or on locked memory)");
}

TEST_F(BackendChoice, KernelThatKnowsNoFlagMeansEpoll) {
    const std::string reason = choice_without({{SYS_io_uring_setup, EINVAL}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_EQ(reason, "epoll: io_uring_setup EINVAL (kernel too old)");
}

TEST_F(BackendChoice, ForbiddenEnterIsFoundOutBeforeItHurts) {
    SKIP_WITHOUT_IO_URING();
    const std::string reason = choice_without({{SYS_io_uring_enter, EPERM}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_EQ(reason, "epoll: io_uring_enter EPERM (seccomp)");
}

TEST_F(BackendChoice, ForbiddenRegisterCostsOnlyASpeedup) {
    SKIP_WITHOUT_IO_URING();
    const std::string reason = choice_without({{SYS_io_uring_register, EPERM}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_TRUE(reason.starts_with("io_uring: kernel ")) << reason;
}

TEST_F(BackendChoice, OlderEnterCostsOnlyASpeedup) {
    SKIP_WITHOUT_IO_URING();
    constexpr unsigned flags_of_enter = 3;
    constexpr std::uint32_t absolute_timeout = 1U << 5;
    const std::string reason = choice_without({{SYS_io_uring_enter, EINVAL, flags_of_enter, absolute_timeout}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(reason);
    EXPECT_TRUE(reason.starts_with("io_uring: kernel ")) << reason;
}

TEST_F(BackendChoice, FallingBackLeavesNoDescriptorBehind) {
    SKIP_WITHOUT_IO_URING();
    const std::string opened = in_child([] {
        const auto before = open_descriptors();
        ::setenv("SENNIT_BACKEND", "epoll", 1);
        const chosen_backend wanted = make_backend({backend_kind::automatic});
        const auto needed = open_descriptors() - before;
        ::unsetenv("SENNIT_BACKEND");
        if (!deny_syscalls({{SYS_io_uring_enter, EPERM}})) return std::string(no_filters);
        const chosen_backend fallback = make_backend({backend_kind::automatic});
        if (fallback.implementation->name() != "epoll") return std::string("no fallback");
        return std::to_string(open_descriptors() - before - 2 * needed) + " too many";
    });
    if (opened == no_filters) GTEST_SKIP() << opened;
    EXPECT_EQ(opened, "0 too many");
}

TEST_F(BackendChoice, LackOfDescriptorsIsAnErrorNotAReasonForEpoll) {
    for (const int error : {EMFILE, ENFILE}) {
        const std::string outcome = in_child([&] {
            if (!deny_syscalls({{SYS_io_uring_setup, error}})) return std::string(no_filters);
            try {
                return choose();
            } catch (const std::system_error& thrown) {
                return "error " + std::to_string(thrown.code().value());
            }
        });
        SKIP_WITHOUT_FILTERS_OR_LIBURING(outcome);
        EXPECT_EQ(outcome, "error " + std::to_string(error));
    }
}

TEST_F(BackendChoice, TheProgramsWishForIoUringFailsWithTheReason) {
    const std::string text = choice_without({{SYS_io_uring_setup, EPERM}}, backend_kind::io_uring);
    SKIP_WITHOUT_FILTERS_OR_LIBURING(text);
    EXPECT_EQ(text.find("thrown: io_uring was requested by the program and cannot be used"), 0u) << text;
    if (text.find("built without liburing") == text.npos) {
        EXPECT_NE(text.find("io_uring_setup EPERM (seccomp or kernel.io_uring_disabled)"), text.npos) << text;
    }
}

TEST_F(BackendChoice, TheVariablesWishForIoUringFailsWithTheReason) {
    ::setenv("SENNIT_BACKEND", "io_uring", 1);
    const std::string text = choice_without({{SYS_io_uring_setup, ENOSYS}});
    SKIP_WITHOUT_FILTERS_OR_LIBURING(text);
    EXPECT_EQ(text.find("thrown: io_uring was requested by SENNIT_BACKEND and cannot be used"), 0u) << text;
}

TEST_F(BackendChoice, WishesAreGranted) {
    EXPECT_EQ(choose(backend_kind::epoll), "epoll: requested by the program");
    ::setenv("SENNIT_BACKEND", "epoll", 1);
    EXPECT_EQ(choose(), "epoll: requested by SENNIT_BACKEND");
    ::unsetenv("SENNIT_BACKEND");
    SKIP_WITHOUT_IO_URING();
    EXPECT_TRUE(choose(backend_kind::io_uring).starts_with("io_uring: kernel "));
    ::setenv("SENNIT_BACKEND", "io_uring", 1);
    EXPECT_TRUE(choose().starts_with("io_uring: kernel "));
}

TEST_F(BackendChoice, TheProgramsWishGoesBeforeTheVariable) {
    ::setenv("SENNIT_BACKEND", "io_uring", 1);
    EXPECT_EQ(choose(backend_kind::epoll), "epoll: requested by the program");
    ::setenv("SENNIT_BACKEND", "nonsense", 1);
    EXPECT_EQ(choose(backend_kind::epoll), "epoll: requested by the program");
}

TEST_F(BackendChoice, AutoAndEmptyAreTheSameAsNoVariable) {
    const std::string usual = choose();
    for (const char* value : {"auto", ""}) {
        ::setenv("SENNIT_BACKEND", value, 1);
        EXPECT_EQ(choose(), usual);
    }
}

TEST_F(BackendChoice, UnknownVariableValueNamesTheKnownOnes) {
    ::setenv("SENNIT_BACKEND", "uring", 1);
    try {
        make_backend({backend_kind::automatic});
        FAIL() << "it must not be ignored";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "SENNIT_BACKEND is \"uring\"; it may be auto, io_uring or epoll");
    }
}

TEST_F(BackendChoice, VariableForcesTheRung) {
    SKIP_WITHOUT_IO_URING();
    const std::string usual = choose();
    const std::string kernel = usual.substr(0, usual.find(','));
    for (const auto& [value, name] :
         {std::pair{"defer", "DEFER_TASKRUN"}, {"coop", "COOP_TASKRUN"}, {"plain", "no TASKRUN flags"}}) {
        ::setenv("SENNIT_IO_URING_RUNG", value, 1);
        const std::string reason = choose();
        if (reason.starts_with("epoll: io_uring_setup EINVAL")) continue;  // an older kernel
        EXPECT_EQ(reason, kernel + ", " + name);
    }
    ::setenv("SENNIT_IO_URING_RUNG", "lowest", 1);
    EXPECT_THROW(choose(), std::invalid_argument);
}

}  // namespace sennit::testing::backend_choice_test
