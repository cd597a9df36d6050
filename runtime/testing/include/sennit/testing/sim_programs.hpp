#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/sim_world.hpp>

namespace sennit::testing {

/// A program in a simulated world: its `main`, its command line, and the host that it has for itself.
class sim_program {
  public:
    using main_function = std::function<int(int argc, char** argv)>;

    /// What `exit_status` is of a program that a second signal has ended, as a shell gives it.
    static constexpr int killed = 130;

    sim_program(const sim_program&) = delete;
    sim_program& operator=(const sim_program&) = delete;

    /// SIGINT or SIGTERM. The first asks the program to end, as `sennit::run` says; the second ends it at once:
    /// everything that it waits for is cancelled, and its sockets close. Has no effect on a program that has ended.
    void interrupt() noexcept;

    /// Whether what the program gave to `sennit::run` has ended.
    bool has_ended() const noexcept { return ended_.is_set(); }
    /// Suspends until it has.
    event::wait_awaiter end() noexcept { return ended_.wait(); }

    /// What `main` has returned; -1 before `sim_programs::run` has ended.
    int exit_status() const noexcept { return exit_status_; }

  private:
    friend class sim_programs;
    sim_program(sim_host& host, main_function main, std::vector<std::string> command_line);

    int call_main();
    void start(task<int> work);
    task<> live(task<int> work);

    sim_host* host_;
    main_function main_;
    std::vector<std::string> command_line_;
    event interrupted_;
    event ended_;
    task_group* tasks_ = nullptr;
    bool started_ = false;
    int status_ = 0;  // what `sennit::run` gives
    int exit_status_ = -1;
};

/// Whole programs, each with its own `main`, which run in a simulated world: what they give to `sennit::run` becomes
/// a task of their host. One file of the test program includes `sennit/testing/run_in_world.hpp`, which makes it so;
/// docs/testing.md says how to compile a `main` for it.
///
/// The programs are called one inside the other: the first one's `main` calls `sennit::run`, and from there the second
/// one's `main` is called; the last one's call of `sennit::run` drives the world. So all that is on their stacks
/// lives as long as in a process of its own. What ends a process, std::exit for one, ends the test program.
class sim_programs {
  public:
    explicit sim_programs(sim_world& world) noexcept : world_(&world) {}
    sim_programs(const sim_programs&) = delete;
    sim_programs& operator=(const sim_programs&) = delete;

    /// A program to start; `command_line` begins with its name. The host may have other tasks, but no second
    /// program: throws `std::invalid_argument`.
    sim_program& add(sim_host& host, sim_program::main_function main, std::vector<std::string> command_line);

    /// Calls every `main`, then runs the world until the tasks of `sim_host::spawn` have ended. Programs that still
    /// run are interrupted then, and waited for. Throws what `sim_world::run` and a `main` throw, after everything
    /// in the world has ended. To be called once.
    void run();

    /// In place of `sennit::run`; what it gives is for the program that is being started. Throws `std::logic_error`
    /// when there is none, and when a program runs a second task.
    static int run_in_world(task<int> work);

  private:
    void call_next();
    void drive();

    sim_world* world_;
    std::vector<std::unique_ptr<sim_program>> programs_;
    std::size_t called_ = 0;
    sim_program* innermost_ = nullptr;
    std::exception_ptr failure_;
};

}  // namespace sennit::testing
