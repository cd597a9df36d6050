// What surrounds every demo. Its one hard idea: a server of many clients needs as many descriptors, and the soft limit
// that a process starts with is for programs that use select(2); it may be raised to the hard limit by anyone.

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <system_error>

#include <sennit/run.hpp>

#include "common/program.hpp"

namespace app {

namespace {

using namespace sennit;

constexpr rlim_t enough_descriptors = 1024;

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < enough_descriptors) {
        fmt::print(stderr, "note: only {} descriptors are allowed here (ulimit -Hn)\n", limit.rlim_max);
    }
}

const char* hint_for(const std::error_code& error) {
    if (error == std::errc::address_in_use) return "; end what listens there, or choose another --port or --path";
    if (error == std::errc::connection_refused) return "; nothing listens there";
    return "";
}

task<int> explain_errors(task<int> program) {
    std::string text;
    try {
        co_return co_await std::move(program);
    } catch (const std::system_error& error) {
        text = fmt::format("error: {}{}\n", error.what(), hint_for(error.code()));
    } catch (const std::exception& error) {
        text = fmt::format("error: {}\n", error.what());
    }
    fmt::print(stderr, "{}", text);
    co_return 1;
}

task<int> with_status(task<> program) {
    co_await std::move(program);
    co_return 0;
}

}  // namespace

int run(const loop_flags& flags, task<int> program) {
    // Each line appears when it is printed, also where standard output is a pipe.
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    raise_descriptor_limit();
    return sennit::run(explain_errors(std::move(program)), event_loop_options{flags.backend});
}

std::uint64_t descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

int run(const loop_flags& flags, task<> program) {
    return run(flags, with_status(std::move(program)));
}

}  // namespace app
