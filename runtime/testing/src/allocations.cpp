// Whose allocation it is. Its one hard idea: operator new is told nothing but a size, so the thread has to know who
// runs. A mark says so wherever the simulation hands over to a host's programs and wherever these call the simulation.

#include "allocations.hpp"

#include <new>
#include <utility>

#include <sennit/testing/explore.hpp>

namespace sennit::testing {

namespace {
thread_local constinit const sim::allocation_judge* judge_here = nullptr;
}

bool allocation_fails() noexcept {
    return judge_here != nullptr && *judge_here && (*judge_here)();
}

namespace sim {

allocations_by::allocations_by(const allocation_judge* judge) noexcept : around_(std::exchange(judge_here, judge)) {}

allocations_by::~allocations_by() {
    judge_here = around_;
}

bool allocations_are_seen() {
    bool seen = false;
    const allocation_judge look = [&seen] {
        seen = true;
        return false;
    };
    const allocations_by mark(&look);
    // Where the compiler cannot leave the pair out.
    void* volatile const memory = ::operator new(1);
    ::operator delete(memory);
    return seen;
}

}  // namespace sim

}  // namespace sennit::testing
