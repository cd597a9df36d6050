#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sennit/event_loop.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>
#include <sennit/testing/sim_options.hpp>

namespace sennit::testing {

class sim_world;

namespace sim {
class kernel;
class network;
class sim_backend;
struct world_state;
}  // namespace sim

/// Thrown by `sim_world::run` when tasks wait and nothing can happen any more, or when for a week of its time and
/// 10,000 steps timers were all that has happened. The text lists what each host waits for,
/// and a cycle of waiting if there is one.
class stuck : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A machine of a simulated world: its addresses, and an event loop that runs its tasks.
class sim_host final : private sennit::detail::task_owner {
  public:
    sim_host(const sim_host&) = delete;
    sim_host& operator=(const sim_host&) = delete;
    ~sim_host();

    const std::string& name() const noexcept;
    event_loop& loop() noexcept { return *loop_; }

    /// Starts a task whose end `sim_world::run` waits for; what it throws, `run` throws.
    void spawn(task<> main);
    /// Starts `function(arguments...)`, which returns a task; both are kept until that has ended.
    template <class Function, class... Arguments>
    requires std::invocable<Function&, Arguments&...>
    void spawn(Function function, Arguments... arguments) {
        spawn(run_kept(std::move(function), std::move(arguments)...));
    }
    /// Starts a task that may run for ever, such as a server. It is cancelled at the end of the world.
    void spawn_background(task<> service) { loop().root().spawn(std::move(service)); }

    /// What this host's kernel does to its programs; may be changed at any time.
    sim_faults& faults() noexcept;

    /// Stops the host's programs, as a debugger or a busy machine does; its kernel goes on answering.
    void pause() noexcept { paused_ = true; }
    void resume() noexcept { paused_ = false; }

    std::size_t open_descriptors() const noexcept;

  private:
    friend class sim_world;
    sim_host(sim::world_state& world, sim::kernel& kernel);

    void child_ended(sennit::detail::promise<void>& main) noexcept override;

    template <class Function, class... Arguments>
    static task<> run_kept(Function function, Arguments... arguments) {
        co_await std::invoke(function, arguments...);
    }

    sim::world_state* world_;
    sim::kernel* kernel_;
    sim::sim_backend* backend_;
    std::unique_ptr<event_loop> loop_;
    bool paused_ = false;
};

/// Several hosts with a network between them, on one thread and in made-up time: the clock stands while anything can be
/// done and then jumps to what happens next. Every choice comes from one seed, so a run can be had again.
///
/// Programs run in it unchanged: `net::tcp_listener`, `net::serve`, `net::connect`, `net::udp_socket`,
/// Unix sockets, `net::resolve`, timers. Functions for `run_blocking` run on the loop's thread; other threads, signals
/// and descriptors that sennit does not own have no place here.
class sim_world {
  public:
    explicit sim_world(sim_options options = {});
    sim_world(const sim_world&) = delete;
    sim_world& operator=(const sim_world&) = delete;
    /// Cancels every task that still runs and waits for its end, in made-up time.
    ~sim_world();

    /// A new host with these IP addresses. Each host has 127.0.0.1 and ::1 of its own besides. Throws
    /// `std::invalid_argument` for what is no address.
    sim_host& add_host(std::string name, const std::vector<std::string>& addresses = {});

    /// What `net::resolve` finds under a name from now on, after `delay`.
    void add_name(const std::string& name, const std::vector<std::string>& addresses, duration delay = {});
    /// Has `net::resolve` fail for a name with an error of getaddrinfo(3).
    void fail_name(const std::string& name, int error, duration delay = {});

    /// The path from one host to another, to be read and changed at any time; of a host to itself it has no latency.
    link_options& link(sim_host& from, sim_host& to);
    /// Sets both directions.
    void set_link(sim_host& one, sim_host& other, const link_options& options);
    /// Nothing gets through, in either direction, until `heal`; nobody is told. TCP sends again what was lost.
    void partition(sim_host& one, sim_host& other);
    void heal(sim_host& one, sim_host& other);
    /// One direction alone.
    void cut(sim_host& from, sim_host& to);
    /// Ends every TCP connection between the two with a reset.
    void reset_connections(sim_host& one, sim_host& other);

    /// Calls `function` when so much time has passed: to switch faults on and off. It must not throw.
    void after(duration delay, std::function<void()> function);

    /// Runs until every task of `sim_host::spawn` has ended. Throws what the first one to fail threw, and `stuck` when
    /// nothing can happen any more.
    void run();
    /// Runs for so long at the most. Returns whether all have ended.
    bool run_for(duration longest);
    /// Lets everything happen that happens in this time; the clock then stands exactly so much later.
    void advance(duration time);

    /// Cancels every task that still runs and waits for its end: before asking for `leaks`.
    void end_tasks();

    time_point now() const noexcept;
    std::uint64_t seed() const noexcept;

    /// A number that two runs have in common if every choice and every completion was the same in both. It depends
    /// on neither compiler nor kind of build.
    std::uint64_t trace_hash() const noexcept;

    /// What every host waits for.
    std::string describe() const;

    /// Everything the hosts have open, in flight and lent to receivers, in words; empty when that is nothing.
    std::string leaks() const;

    /// For this library's own checks.
    sim::sim_backend& backend_of(sim_host& host) noexcept { return *host.backend_; }

  private:
    bool step(time_point until);
    void throw_failure();

    std::unique_ptr<sim::world_state> state_;
    std::vector<std::unique_ptr<sim_host>> hosts_;
};

}  // namespace sennit::testing
