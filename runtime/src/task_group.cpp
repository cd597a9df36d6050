// The end of tasks in a group. Its one hard idea: cancellation is no failure. Whether a `cancelled` that came out of a
// child goes on to the owner depends on who asked for it: the owner's own scope (it goes on), or only this group (it
// ends here).

#include <cstdio>
#include <string>
#include <system_error>

#include <sennit/detail/misuse.hpp>
#include <sennit/detail/report.hpp>
#include <sennit/task_group.hpp>

namespace sennit {

task_group::~task_group() {
    if (running_ != 0) detail::misuse("a task group was destroyed while tasks run in it; join it first");
}

void task_group::failed(std::exception_ptr error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const cancelled&) {
        child_cancelled_ = true;
        return;
    } catch (...) {
        if (policy_ == on_failure::report) {
            detail::report_exception("a background task failed");
            return;
        }
    }
#if SENNIT_PLANTED_BUG
    // Not in any library that is used: the defect that the swarm has to find (tests/swarm/test_planted_bug.py). A group
    // that is being cancelled forgets what its children throw meanwhile.
    if (scope_.is_cancelled()) return;
#endif
    if (error_ == nullptr) error_ = std::move(error);
    scope_.cancel();
}

void task_group::rethrow() {
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
    if (!child_cancelled_) return;
    const bool from_outside = scope_.parent() != nullptr && scope_.parent()->is_cancelled();
    if (from_outside || !scope_.is_cancelled()) throw cancelled();
}

}  // namespace sennit
