#pragma once

#include <coroutine>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <sennit/cancel.hpp>
#include <sennit/detail/intrusive_list.hpp>
#include <sennit/detail/mailbox.hpp>
#include <sennit/detail/misuse.hpp>
#include <sennit/detail/ready_queue.hpp>
#include <sennit/detail/turn_budget.hpp>
#include <sennit/environment.hpp>
#include <sennit/event_loop_options.hpp>
#include <sennit/time.hpp>

namespace sennit {

template <class T>
class task;
class task_group;
class backend;
class simulated_machine;
struct chosen_backend;
class stop_state;
class blocking_pool;

namespace detail {

class timer;
class timer_wheel;
class loop_mailbox;
struct loop_parts;
struct resource_tag;

/// Something that has to be given back before its loop ends: an open socket, a listener.
class loop_resource : public list_hook<resource_tag> {
  public:
    /// The loop is about to end: cancel what is in flight and use the loop no more once that has come back.
    virtual void loop_ends() noexcept = 0;

  protected:
    ~loop_resource() = default;
};

/// Who looks after resources of a loop: the loop itself, or a part of the program that ends earlier. It does not move.
class resource_home {
  public:
    explicit resource_home(event_loop& owner) noexcept : loop(owner) {}

    void attach(loop_resource& resource) noexcept { resources.push_back(resource); }

    event_loop& loop;
    intrusive_list<loop_resource, resource_tag> resources;
};

}  // namespace detail

/// A single-threaded scheduler: it resumes coroutines as their operations, timers and peers complete.
///
/// A loop belongs to the thread that made it; only `post` and `remote` may be used from others. Most programs never
/// name it: `sennit::run(task)` makes one. Programs that have an event loop of their own drive this one with
/// `run_once`, `next_deadline` and `poll_descriptor`.
class event_loop {
  public:
    /// Throws `std::system_error` when the backend cannot be had (with the reason in its text) and
    /// `std::invalid_argument` when SENNIT_BACKEND has a value that is not known.
    explicit event_loop(const event_loop_options& options = {});
    /// A loop on a backend of the caller's.
    explicit event_loop(chosen_backend chosen);
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;
    /// Cancels what runs in the root group, waits for its end, and closes the sockets that are still open.
    ~event_loop();

    /// Runs `main` and everything it awaits to its end and returns its result or throws what it threw. What the
    /// root group still runs goes on in the next `run` or `run_once` and ends with the loop.
    /// Throws `std::logic_error` on the wrong thread, inside a running loop, and after fork(2).
    template <class T>
    T run(task<T> main);

    /// One turn: due timers, ready coroutines, then completions. Sleeps for these until `latest` at the most
    /// (`time_point::min()`: not at all), and only when there was nothing else to do. Throws like `run`.
    void run_once(time_point latest = time_point::min());

    /// When `run_once` has something to do even if no descriptor becomes readable: `time_point::min()` if at once,
    /// `no_deadline` if never. It may be earlier than the next timer, never later. What code outside of `run_once` has
    /// cancelled or closed is not counted: call `run_once` after that.
    time_point next_deadline() const noexcept;

    /// A descriptor that becomes readable when `run_once` has something to do: for the poll set of a host loop, which
    /// must only poll it. It stays the loop's. Throws `std::logic_error` unless the loop was made with
    /// `event_loop_options::hosted`.
    int poll_descriptor() const;

    /// Reads the loop's clock, which a simulated loop has made up.
    time_point now() const noexcept;

    std::string_view backend_name() const noexcept;
    /// Which backend runs and why, for people: "epoll: io_uring_setup EPERM (seccomp or kernel.io_uring_disabled)".
    const std::string& backend_reason() const noexcept;

    /// Runs `function()` on the loop's thread, soon. May be called from any thread while the loop lives. An exception
    /// that leaves it is reported on standard error.
    template <class Function>
    void post(Function function) {
        mail().post(std::move(function));
    }
    /// Where other threads can post even when they may outlive the loop: `remote->post(function)` is false then.
    std::shared_ptr<detail::mailbox> remote() const noexcept;

    /// The group of tasks that outlive the scope which spawns them. What they throw is reported on standard error.
    task_group& root() noexcept;

    /// The request to finish what is being done and end (SIGINT and SIGTERM, in `sennit::run`).
    stop_state& stop() noexcept;

    /// The threads for calls that block.
    blocking_pool& blocking();
    /// How many such calls have not returned, those included that nobody waits for any more.
    std::size_t unfinished_blocking_calls() const;

    /// What is being waited for, one line each, indented by scope, with the places of the `co_await`s that lead to it.
    std::string describe() const;

    // What awaiters use.

    backend& io() noexcept { return *io_; }
    const backend& io() const noexcept { return *io_; }
    cancel_scope& scope() noexcept { return scope_; }
    const cancel_scope& scope() const noexcept { return scope_; }

    /// Queues a coroutine behind those that are ready.
    void schedule(detail::ready_node& node) noexcept {
        check_thread();
        ready_.push(node);
    }
    /// The same for a coroutine that runs and lets others go first. False, and not queued, when nobody else is ready
    /// and the turn is not over: it would be the next one, so it goes on at once.
    bool schedule_after_others(detail::ready_node& node) noexcept {
        check_thread();
        if (ready_.empty() && resumptions_left_ != 0) {
            --resumptions_left_;
            return false;
        }
        ready_.push(node);
        return true;
    }
    /// Lets `resume` go on with `coroutine` once the current one has returned: symmetric transfer for builds in
    /// which the compiler would grow the stack.
    void transfer_to(std::coroutine_handle<> coroutine) noexcept { transfer_ = coroutine; }

    /// Calls `loop_ends` of its resources before the loop ends.
    detail::resource_home& home() noexcept { return home_; }

    void arm(detail::timer& timer, time_point deadline) noexcept;
    void disarm(detail::timer& timer) noexcept;

  private:
    detail::mailbox& mail() noexcept;
    void check_usable() const;
    void run_until_empty(const task_group& group);
    /// Whether `deadline` may have passed.
    bool wait(time_point deadline);
    bool spin(time_point deadline);
    void run_due();
    /// Returns whether there was anything.
    bool run_mail_and_ready();
    void run_ready(int most);
    void run_ready_on_machine();
    void read_mail();
    void check_thread() const noexcept {
        if (thread_ != detail::this_thread()) [[unlikely]]
            wrong_thread();
    }
    [[noreturn]] static void wrong_thread() noexcept;

    const void* thread_ = detail::this_thread();
    // What every turn looks at, and then the rest.
    backend* io_;
    simulated_machine* machine_;  // null on a real one
    detail::timer_wheel* timers_ = nullptr;
    detail::loop_mailbox* mailbox_ = nullptr;
    detail::ready_queue ready_;
    int resumptions_left_ = 0;  // of this turn
    detail::turn_budget budget_;
    duration spin_{};
    std::coroutine_handle<> transfer_;
    cancel_scope scope_;
    detail::resource_home home_{*this};
    std::unique_ptr<detail::loop_parts> parts_;
    const unsigned char* wiped_on_fork_;
};

}  // namespace sennit
