// Random programs. The one hard idea: each seed leaves out about half of the kinds of steps, so that those which are
// left meet each other often ("swarm testing"); a mix of everything would seldom go deep.
//
// No program may wait for ever by its own fault: what is run with a mutex or a permit takes no other and starts
// nothing, and every event is set and every channel closed in the end.

#include <array>
#include <chrono>
#include <utility>

#include "dice.hpp"
#include "program.hpp"

namespace sennit::swarm {

namespace {

using namespace std::chrono_literals;

constexpr std::array<unsigned, action_count> usual_weights = {
    30, 8, 4, 8, 8,  14, 14, 1, 10, 8,         // sleep to exchange
    40, 4, 6, 6, 12, 8,  8,  5, 6,  8, 10, 8,  // spawn to any
};
constexpr int deepest = 6;
constexpr std::size_t most_steps = 120;

constexpr std::size_t index(action what) noexcept {
    return static_cast<std::size_t>(what);
}

bool is_leaf(action what) noexcept {
    return what <= action::exchange;
}

class generator {
  public:
    explicit generator(std::uint64_t seed) : random_(seed) { made_.seed = seed; }

    program run() {
        for (std::size_t i = 0; i < action_count; ++i) weights_[i] = random_.percent(60) ? usual_weights[i] : 0;
        weights_[index(action::sleep)] = usual_weights[index(action::sleep)];  // without it nothing overlaps
        // The half of a pair shows little.
        weights_[index(action::send)] = weights_[index(action::receive)];
        weights_[index(action::set)] = weights_[index(action::wait)];
        coarse_ = random_.percent(35);
        budget_ = 5 + random_.below(most_steps);
        for (int i = 0; i < 2; ++i) made_.channels.push_back(random_.below(3));
        made_.semaphores.push_back(1 + random_.below(3));
        // Of the order of a handshake up to that of many timeouts.
        made_.quiet_from = duration(random_.below(std::uint64_t{1} << (22 + random_.below(14))));
        made_.waits_end = made_.quiet_from + 120s;
        if (random_.percent(30)) made_.cancelled_at = time();
        for (std::uint64_t left = random_.below(6); left != 0; --left) made_.faults.push_back(some_fault());
        made_.root = {action::group, id(), {}, 0, {}};
        made_.root.parts.push_back(some_sequence(0, false));
        made_.ids = next_id_;
        return std::move(made_);
    }

  private:
    std::size_t id() noexcept { return next_id_++; }

    /// Coarse times often coincide, which is where the order within one moment matters.
    duration time() {
        if (coarse_) return std::chrono::milliseconds(random_.below(6));
        return duration(random_.below(std::uint64_t{1} << (20 + random_.below(14))));
    }

    fault some_fault() {
        const auto what = static_cast<trouble>(random_.below(trouble_count));
        const auto quiet = static_cast<std::uint64_t>(made_.quiet_from.count());
        const auto from = random_.below(quiet / 2 + 1);
        return {what, duration(from), duration(from + random_.below(quiet - from + 1))};
    }

    sequence some_sequence(int depth, bool leaves_only) {
        sequence made{id(), {}};
        // Seldom empty, but sometimes.
        const std::uint64_t least = depth == 0 ? 3 : random_.percent(10) ? 0 : 1;
        for (std::uint64_t left = least + random_.below(9); left != 0 && budget_ != 0; --left) {
            --budget_;
            made.steps.push_back(some_step(depth, leaves_only));
            // What is handed over and cancelled in one moment is where the order matters most.
            const action last = made.steps.back().what;
            const bool hands_over = last == action::send || last == action::set || last == action::close;
            if (hands_over && random_.percent(20)) made.steps.push_back({action::cancel, id(), {}, 0, {}});
        }
        return made;
    }

    action some_action(bool leaves_only) {
        std::uint64_t total = 0;
        const auto weight = [&](std::size_t i) {
            return leaves_only && !is_leaf(static_cast<action>(i)) ? 0 : weights_[i];
        };
        for (std::size_t i = 0; i < action_count; ++i) total += weight(i);
        std::uint64_t chosen = random_.below(total);
        std::size_t i = 0;
        for (; chosen >= weight(i); ++i) chosen -= weight(i);
        return static_cast<action>(i);
    }

    step some_step(int depth, bool leaves_only) {
        step made{some_action(leaves_only || depth == deepest), id(), time(), 0, {}};
        switch (made.what) {
            case action::set:
            case action::wait: made.object = random_.below(made_.events); break;
            case action::send:
            case action::receive:
            case action::close: made.object = random_.below(made_.channels.size()); break;
            case action::acquire: made.object = random_.below(made_.semaphores.size()); break;
            case action::with_timeout: made.object = random_.below(2); break;
            case action::lock: made.object = random_.below(made_.mutexes); break;
            case action::transfer: made.object = random_.below(std::uint64_t{1} << random_.below(18)); break;
            case action::exchange: made.object = random_.below(std::uint64_t{1} << 32); break;
            default: break;
        }
        std::size_t parts = is_leaf(made.what) || made.what == action::cancel ? 0 : 1;
        if (made.what == action::all) parts = random_.below(4);
        if (made.what == action::any) parts = 2;
        const bool holds = made.what == action::lock || made.what == action::acquire;
        for (; parts != 0; --parts) made.parts.push_back(some_sequence(depth + 1, holds));
        return made;
    }

    dice random_;
    std::array<unsigned, action_count> weights_{};
    bool coarse_ = false;
    std::size_t budget_ = 0;
    std::size_t next_id_ = 0;
    program made_{};
};

/// About a million nanoseconds for a second or four.
constexpr duration hurried(duration time) noexcept {
    return time / 4096;
}

void hurry(step& what) {
    what.time = hurried(what.time);
    for (sequence& part : what.parts) {
        for (step& each : part.steps) hurry(each);
    }
}

}  // namespace

program generate(std::uint64_t seed) {
    return generator(seed).run();
}

program for_the_machine(program plan) {
    hurry(plan.root);
    plan.faults.clear();
    plan.quiet_from = 0s;
    plan.waits_end = 5ms;
    if (plan.cancelled_at) plan.cancelled_at = hurried(*plan.cancelled_at);
    return plan;
}

const char* name_of(action what) noexcept {
    constexpr std::array<const char*, action_count> names = {
        "sleep",    "yield",    "fail",    "set",      "wait", "send",    "receive", "close",
        "transfer", "exchange", "spawn",   "cancel",   "lock", "acquire", "group",   "with_timeout",
        "move_on",  "shield",   "attempt", "clean_up", "all",  "any",
    };
    return names[static_cast<std::size_t>(what)];
}

const char* name_of(trouble what) noexcept {
    constexpr std::array<const char*, trouble_count> names = {
        "loss",       "slow",         "resets",          "refusals",       "partition",
        "one way",    "stalled peer", "short transfers", "failed accepts", "no memory",
        "no buffers", "doubled",      "out of order",    "small packets",
    };
    return names[static_cast<std::size_t>(what)];
}

}  // namespace sennit::swarm
