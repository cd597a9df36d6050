#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "event_timer.hpp"
#include "peer_limits.hpp"
#include "wait_limits.hpp"

#include <sennit/cancel.hpp>
#include <sennit/detail/intrusive_list.hpp>
#include <sennit/event.hpp>
#include <sennit/net/detail/acceptor_core.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/serve_options.hpp>
#include <sennit/stop.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>

namespace sennit::net::detail {

class server;

/// The socket of one connection that a server serves, from its acceptance to the end of its handler: until then the
/// server refers to it, so that it can end it politely after the handler is done with its stream. It is no coroutine
/// around the handler's, since it has little to do and there are many. The server is its home.
class served_socket final : public socket_core, public sennit::detail::task_owner {
  public:
    served_socket(server& owner, accepted_connection&& accepted) noexcept;

    /// Its handler has ended: reports how, has a goodbye said if there is cause, and leaves the server.
    void child_ended(sennit::detail::promise<void>& handler) noexcept override;

    /// The server drains and this connection has nobody else who would use it.
    bool is_draining() const noexcept;

    /// The server is through with it. Without another reference it is gone when this returns.
    void leave() noexcept;

  private:
    ~served_socket() = default;

    server& owner() const noexcept;
};

struct leave_server {
    void operator()(served_socket* socket) const noexcept { socket->leave(); }
};
/// The server's reference to a socket.
using served_connection = std::unique_ptr<served_socket, leave_server>;

/// What `serve` keeps while it runs: who is connected, what the limits are, how it ends.
///
/// It allocates when it starts, and after that for one connection at a time: so that without memory a connection is
/// lost, but neither the others nor the request to stop.
class server final : public sennit::detail::resource_home {
  public:
    server(environment where, const serve_options& options);
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Begins to listen for the request to stop, and to look after the connections. When it throws, draining is due all
    /// the same.
    void start();

    /// The scope of accepting, which stops before the connections do.
    cancel_scope& accepting() noexcept { return accepting_; }
    task_group& connections() noexcept { return connections_; }
    task_group& helpers() noexcept { return helpers_; }

    bool is_full() const noexcept { return connections_.size() >= max_connections_; }
    /// Suspends until a connection ends.
    event::wait_awaiter room() noexcept {
        has_become_full_.set();
        ended_.reset();
        return ended_.wait();
    }

    /// After a failed accept: false when the listener is closed; throws when it is broken.
    bool goes_on_after(std::error_code error);
    /// After that: suspends as long as waiting can help.
    event::wait_awaiter next_try() noexcept { return ended_.wait(); }
    /// Whether the peer may have this connection.
    bool admit(const served_socket& connection);

    /// Runs the handler of a connection, which is kept until that has ended. What throws has taken nothing.
    void run(task<> handling, served_connection&& connection) {
        connections_.spawn(std::move(handling), *connection);
        static_cast<void>(connection.release());
    }
    void report(const served_socket& connection, std::exception_ptr failure);

    /// Nothing more is accepted: the connections have to end now.
    void begin_draining() noexcept;
    /// When all have ended: throws what has to be thrown, given what ended accepting: an error, a cancel, or nothing.
    void rethrow(std::exception_ptr failure);

  private:
    friend class served_socket;

    template <class Visitor>
    void for_each_connection(Visitor visit) {
        resources.for_each([&](sennit::detail::loop_resource& each) { visit(static_cast<served_socket&>(each)); });
    }
    task<> watch_for_stop();
    task<> end_after_timeout();
    task<> end_long_waits();
    void start_goodbye(served_connection connection);
    task<> say_goodbye(served_connection connection);
    /// No further connection can be taken.
    bool is_pressed() const noexcept { return is_full() || back_off_ != duration::zero(); }
    /// Whether it is time for another line on standard error.
    bool may_complain() noexcept;

    environment where_;
    serve_options options_;
    std::size_t max_connections_;
    stop_state::drain_guard guard_;
    wait_limits limits_;
    event arrived_;
    event has_become_full_;
    event ended_;
    event draining_;
    event_timer retry_;
    duration back_off_{};
    time_point next_complaint_ = time_point::min();
    peer_limits peers_;
    task_group connections_;
    task_group helpers_;
    cancel_scope accepting_;
};

}  // namespace sennit::net::detail
