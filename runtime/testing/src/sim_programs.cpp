// Programs in a world. Its one hard idea: `main` is an ordinary function that comes back when its program has ended,
// and several of them have to be under way at the same time without threads. So each is called from within the one
// before, where that has called `sennit::run`, and they all come back when the world has ended.

#include <sennit/testing/sim_programs.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <sennit/detail/report.hpp>
#include <sennit/run.hpp>

namespace sennit::testing {

namespace {

// A `main` has no parameter that would tell `sennit::run`, deep inside of it, for whom it is called.
thread_local constinit sim_programs* being_run = nullptr;

}  // namespace

sim_program::sim_program(sim_host& host, main_function main, std::vector<std::string> command_line)
    : host_(&host), main_(std::move(main)), command_line_(std::move(command_line)) {}

void sim_program::interrupt() noexcept {
    if (!interrupted_.is_set()) {
        interrupted_.set();
    } else if (tasks_ != nullptr) {
        status_ = killed;
        tasks_->cancel();
    }
}

int sim_program::call_main() {
    // What `main` is given it may write to.
    std::vector<char*> arguments;
    for (std::string& each : command_line_) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    return main_(static_cast<int>(command_line_.size()), arguments.data());
}

void sim_program::start(task<int> work) {
    if (std::exchange(started_, true)) throw std::logic_error("sim_programs: a program runs one task, not two");
    host_->spawn_background(live(std::move(work)));
}

task<> sim_program::live(task<int> work) {
    const auto until_interrupted = [](event& interrupted) -> task<> { co_await interrupted.wait(); };
    const auto body = [&](task_group& tasks) -> task<> {
        tasks_ = &tasks;
        status_ = co_await sennit::detail::supervise(std::move(work), until_interrupted(interrupted_));
    };
    try {
        co_await with_task_group(body);
    } catch (const cancelled&) {
        status_ = killed;  // the world ends
    } catch (...) {
        sennit::detail::report_exception("error");
        status_ = 1;
    }
    tasks_ = nullptr;
    ended_.set();
}

sim_program& sim_programs::add(sim_host& host, sim_program::main_function main, std::vector<std::string> command_line) {
    const auto lives_there = [&](const auto& each) { return each->host_ == &host; };
    if (std::any_of(programs_.begin(), programs_.end(), lives_there)) {
        throw std::invalid_argument("sim_programs: host " + host.name() + " has a program already");
    }
    programs_.push_back(std::unique_ptr<sim_program>(new sim_program(host, std::move(main), std::move(command_line))));
    return *programs_.back();
}

void sim_programs::run() {
    sim_programs* const before = std::exchange(being_run, this);
    call_next();
    being_run = before;
    if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
}

int sim_programs::run_in_world(task<int> work) {
    if (being_run == nullptr) throw std::logic_error("sim_programs: sennit::run outside of sim_programs::run");
    sim_program& caller = *being_run->innermost_;
    caller.start(std::move(work));
    being_run->call_next();
    return caller.status_;
}

void sim_programs::call_next() {
    try {
        if (called_ == programs_.size()) return drive();
        sim_program& next = *programs_[called_++];
        sim_program* const outer = std::exchange(innermost_, &next);
        next.exit_status_ = next.call_main();
        innermost_ = outer;
        if (!next.started_) call_next();  // it had nothing to run
    } catch (...) {
        // Tasks use what is on the stacks of the programs that called us: they end before those go.
        world_->end_tasks();
        if (failure_ == nullptr) failure_ = std::current_exception();
    }
}

void sim_programs::drive() {
    world_->run();
    for (const auto& each : programs_) {
        if (!each->started_ || each->has_ended()) continue;
        each->interrupt();
        each->host_->spawn([](event& ended) -> task<> { co_await ended.wait(); }(each->ended_));
    }
    world_->run();
}

}  // namespace sennit::testing
