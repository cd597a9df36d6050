// One scenario, many runs. Its one hard idea: a run is the same as the one before up to the point where it is
// disturbed, as both have the same seed; so counting the points of one run numbers those of all.

#include <sennit/request.hpp>
#include <sennit/testing/explore.hpp>

#include <cerrno>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sennit/detail/scope_entry.hpp>
#include <sennit/frame_pool.hpp>

#include "allocations.hpp"
#include "last_words.hpp"
#include "sim_backend.hpp"

namespace sennit::testing {

namespace {

/// Where a run is disturbed; 0: nowhere.
struct point {
    std::size_t wanted;
    std::size_t seen = 0;
    cancel_scope* target = nullptr;

    /// Whether this is the place.
    bool reached() noexcept { return ++seen == wanted; }
};

struct failure_of_kind {
    int operator()(const accept_request&) const noexcept { return -EMFILE; }
    int operator()(const connect_request&) const noexcept { return -ECONNREFUSED; }
    int operator()(const recv_request&) const noexcept { return -ECONNRESET; }
    int operator()(const send_request&) const noexcept { return -ECONNRESET; }
    int operator()(const recvmsg_request&) const noexcept { return -ENOMEM; }
    int operator()(const sendmsg_request&) const noexcept { return -ENOBUFS; }
    int operator()(const recvmmsg_request&) const noexcept { return -ENOMEM; }
    int operator()(const sendmmsg_request&) const noexcept { return -ENOBUFS; }
    int operator()(const shutdown_request&) const noexcept { return -ENOTCONN; }
    int operator()(const auto&) const noexcept { return -ENOMEM; }
};

task<> in_scope_of_its_own(const scenario& test, sim_world& world, sim_host& tested, point& where) {
    const environment outer = co_await detail::current_environment();
    cancel_scope scope(*outer.scope);
    co_await detail::enter_scope(scope);
    where.target = &scope;
    std::exception_ptr failure;
    try {
        co_await test(world, tested);
    } catch (...) {
        failure = std::current_exception();
    }
    where.target = nullptr;
    co_await detail::enter_scope(*outer.scope);
    if (failure != nullptr) std::rethrow_exception(failure);
}

enum class disturbance { cancel, operation, allocation };

/// Which run it is, for people.
std::string name_of_run(disturbance how, std::size_t number, std::uint64_t seed) {
    const char* kind = "cancelled at point ";
    if (how == disturbance::operation) kind = "failure of operation ";
    if (how == disturbance::allocation) kind = "failure of allocation ";
    const std::string which = number == 0 ? "undisturbed" : kind + std::to_string(number);
    return which + ", seed " + std::to_string(seed);
}

void disturb_at(point& where, disturbance how, sim::interference& host) {
    const auto is_here = [&where] { return where.target != nullptr && where.reached(); };
    switch (how) {
        case disturbance::cancel:
            host.at_cancellation_point = [&where, is_here] {
                if (is_here()) where.target->cancel();
            };
            return;
        case disturbance::operation:
            host.failure_of = [is_here](const request& what) { return is_here() ? what.visit(failure_of_kind{}) : 0; };
            return;
        case disturbance::allocation: host.allocation_fails = is_here; return;
    }
}

/// Whether a run that was disturbed so may end with this exception.
bool may_throw(disturbance how, const std::exception& thrown) {
    const auto* const error = dynamic_cast<const std::system_error*>(&thrown);
    switch (how) {
        case disturbance::cancel: return false;
        case disturbance::operation: return error != nullptr;
        case disturbance::allocation:
            return dynamic_cast<const std::bad_alloc*>(&thrown) != nullptr ||
                   (error != nullptr && error->code() == std::errc::not_enough_memory);
    }
    return false;
}

/// One run. Returns whether it came to the point.
bool run(const scenario& test, const explore_options& options, disturbance how, std::size_t number) {
    const std::string name = name_of_run(how, number, options.seed);
    const auto complain = [&](const std::string& what) { throw violation(name + ": " + what); };
    const sim::last_words before_an_abort(name);

    const std::ptrdiff_t frames_before = sennit::detail::frame_pool::live();
    point where{number};
    {
        sim_options world_options;
        world_options.seed = options.seed;
        sim_world world(world_options);
        sim_host& tested = world.add_host("tested", {"10.0.0.1"});
        disturb_at(where, how, world.backend_of(tested).disturb());
        try {
            tested.spawn(in_scope_of_its_own(test, world, tested, where));
            world.run();
        } catch (const std::exception& error) {
            if (number == 0 || !may_throw(how, error)) complain(error.what());
        }
        world.end_tasks();
        if (const std::string left = world.leaks(); !left.empty()) complain("left behind: " + left);
        if (options.check) {
            try {
                options.check();
            } catch (const std::exception& error) {
                complain(error.what());
            }
        }
    }
    const std::ptrdiff_t frames = sennit::detail::frame_pool::live() - frames_before;
    if (frames != 0) complain(std::to_string(frames) + " coroutine frames were left behind");
    return where.seen >= number;
}

std::size_t explore(const scenario& test, const explore_options& options, disturbance how) {
    run(test, options, how, 0);
    std::size_t number = 1;
    while (run(test, options, how, number)) {
        if (++number > options.most_runs) {
            throw violation("there are more than " + std::to_string(options.most_runs) + " places to try");
        }
    }
    return number + 1;
}

}  // namespace

std::size_t for_each_cancellation_point(const scenario& test, const explore_options& options) {
    return explore(test, options, disturbance::cancel);
}

std::size_t for_each_failure(const scenario& test, const explore_options& options) {
    return explore(test, options, disturbance::operation);
}

std::size_t for_each_allocation_failure(const scenario& test, const explore_options& options) {
    if (!sim::allocations_are_seen()) {
        throw std::logic_error(
            "for_each_allocation_failure sees no allocations; include <sennit/testing/allocation_failures.hpp> in one "
            "source file of the program");
    }
    const sennit::detail::frame_pool::bypass frames_are_allocations;
    return explore(test, options, disturbance::allocation);
}

}  // namespace sennit::testing
