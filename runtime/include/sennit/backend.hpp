#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sennit/event_loop_options.hpp>
#include <sennit/operation.hpp>
#include <sennit/time.hpp>

struct sockaddr;

namespace sennit {

class event_loop;

/// The machine around the sockets of a simulated world. Where a backend has one, nothing beside the backend asks the
/// real machine: names are looked up here, the paths of Unix sockets belong to `backend::bind` and `backend::close`,
/// and calls that would block run on the loop's thread, where their order does not depend on the machine.
class simulated_machine {
  public:
    /// What a host name stands for.
    struct name_answer {
        int error = 0;                       ///< a number of getaddrinfo(3), 0 when there are addresses
        duration delay{};                    ///< how long the answer takes
        std::vector<std::string> addresses;  ///< the bytes of a `sockaddr` each; the port is 0
    };
    virtual name_answer look_up(const std::string& host) = 0;

    /// The loop is about to resume a coroutine, and none runs at this moment. What is ready may be cancelled from here.
    virtual void before_resumption() = 0;

  protected:
    ~simulated_machine() = default;
};

/// The outside world as the event loop sees it: where operations go and completions come from, the clock, and the
/// socket calls that do not block. io_uring, epoll and the simulated world implement it. A backend knows
/// operations; it knows nothing of tasks.
///
/// Apart from `wake`, every call is made on the loop's thread. Calls that return `int` give a non-negative
/// value or a negated errno value.
class backend {
  public:
    virtual ~backend() = default;

    /// "io_uring", "epoll", ...
    virtual std::string_view name() const noexcept = 0;

    /// The loop that runs on this backend and lives as long, said once before any other call: for backends that ask it
    /// what it waits for.
    virtual void runs(const event_loop&) noexcept {}

    /// Reads the clock.
    virtual time_point now() noexcept = 0;

    /// Takes the operation; it completes from a later `wait`, never from inside this call. A request that cannot
    /// be made is completed with its error.
    virtual void submit(operation& what) noexcept = 0;

    /// Asks for an early end of a submitted operation. Its last completion still comes from `wait`: with the
    /// result if there was one, otherwise with -ECANCELED.
    virtual void cancel(operation& what) noexcept = 0;

    /// Hands everything submitted to the kernel, sleeps until something completes, `wake` is called or `deadline`
    /// passes, and delivers the completions through `operation::complete`. A deadline that has passed means: look,
    /// do not sleep; `no_deadline` means: without limit. May return early. Whether `deadline` may have passed: false
    /// only when it had not at the last look at the kernel, in this call or the one before, so that nobody needs to
    /// read the clock. Throws `std::system_error` only when the backend itself is beyond use.
    virtual bool wait(time_point deadline) = 0;

    /// Ends the current or the next `wait` early. May be called from any thread and in a signal handler.
    virtual void wake() noexcept = 0;

    /// Operations submitted and not yet completed.
    virtual std::size_t in_flight() const noexcept = 0;

    /// A descriptor that polls readable when `wait` would deliver something; -ENOTSUP if there is none, for example
    /// because the backend was not made with `event_loop_options::hosted`. It stays the backend's.
    virtual int poll_descriptor() const noexcept = 0;

    /// socket(2), with close-on-exec and in the blocking mode the backend wants.
    virtual int open_socket(int domain, int type, int protocol) noexcept = 0;
    /// socketpair(2), likewise.
    virtual int open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept = 0;
    /// bind(2).
    virtual int bind(int fd, const sockaddr* address, std::uint32_t length) noexcept = 0;
    /// listen(2).
    virtual int listen(int fd, int backlog) noexcept = 0;
    /// getsockname(2); `length` is the size of `address` before and the length of the name after.
    virtual int local_name(int fd, void* address, std::uint32_t& length) noexcept = 0;
    /// getpeername(2).
    virtual int peer_name(int fd, void* address, std::uint32_t& length) noexcept = 0;
    /// setsockopt(2).
    virtual int set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept = 0;
    /// getsockopt(2).
    virtual int get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept = 0;
    /// shutdown(2), done before the call returns: wakes pending operations on the descriptor.
    virtual int shutdown(int fd, int how) noexcept = 0;
    /// Whoever receives next asks the kernel itself, until an operation allows again that more is received than was
    /// asked for. Gives the number of bytes that have been received in this way; they come first.
    virtual std::size_t stop_receiving_ahead(int fd) noexcept {
        static_cast<void>(fd);
        return 0;
    }
    /// What a `splice_out_request` does, as far as that is possible without waiting: the number of bytes. A backend
    /// that has no such request hands nothing on.
    virtual int splice_out(int /*pipe*/, int /*fd*/, std::uint32_t /*size*/) noexcept { return 0; }
    /// close(2). No operation on the descriptor may be in flight. The kernel may see it as late as the next `wait`.
    virtual void close(int fd) noexcept = 0;

    /// The machine of a simulated world; null on a real one.
    virtual simulated_machine* simulated() noexcept { return nullptr; }
};

/// A backend and, in words, why it was chosen.
struct chosen_backend {
    std::unique_ptr<backend> implementation;
    std::string reason;
};

/// Chooses and sets up a backend. `backend_kind::automatic` obeys the environment variable SENNIT_BACKEND
/// (`auto`, `io_uring`, `epoll`); a choice made in the program wins over the variable.
/// Throws `std::system_error` when the chosen backend cannot be had, `std::invalid_argument` for a bad variable.
chosen_backend make_backend(const event_loop_options& options);

}  // namespace sennit
