#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "event_timer.hpp"
#include "wait_limits.hpp"

#include <sennit/cancel.hpp>
#include <sennit/detail/intrusive_list.hpp>
#include <sennit/event.hpp>
#include <sennit/frame_pool.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/ip_address.hpp>
#include <sennit/net/serve_options.hpp>
#include <sennit/stop.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>

namespace sennit::net::detail {

struct served_tag;
class server;

/// An address and how many connections from it are served.
using peer_count = std::pair<const ip_address, std::size_t>;

/// One connection that a server serves, from its acceptance to the end of its handler. It keeps the socket, so that the
/// server can end it politely after the handler is done with its stream. It is no coroutine around the handler's, since
/// it has little to do and there are many.
class served_connection final : public sennit::detail::task_owner, public sennit::detail::list_hook<served_tag> {
  public:
    served_connection(server& owner, socket_ref socket) noexcept;
    served_connection(const served_connection&) = delete;
    served_connection& operator=(const served_connection&) = delete;
    ~served_connection();

    /// Its handler has ended: reports how, has a goodbye said if there is cause, and goes.
    void child_ended(sennit::detail::promise<void>& handler) noexcept override;

    /// The server drains and this connection has nobody else who would use it.
    bool is_draining() const noexcept;
    socket_core& socket() const noexcept { return *socket_.get(); }
    const socket_ref& reference() const noexcept { return socket_; }
    silence& so_far() noexcept { return so_far_; }

    static void* operator new(std::size_t size) { return sennit::detail::frame_pool::allocate(size); }
    static void operator delete(void* connection, std::size_t size) noexcept {
        sennit::detail::frame_pool::deallocate(connection, size);
    }

  private:
    friend class server;

    server& owner_;
    socket_ref socket_;
    peer_count* counted_ = nullptr;  // where `server::admit` has counted it; null when connections are not counted
    silence so_far_;
};

/// What `serve` keeps while it runs: who is connected, what the limits are, how it ends.
///
/// It allocates when it starts, and after that for one connection at a time: so that without memory a connection is
/// lost, but neither the others nor the request to stop.
class server {
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
    bool admit(served_connection& connection);

    /// Runs the handler of a connection, which is kept until that has ended. What throws has taken nothing.
    void run(task<> handling, std::unique_ptr<served_connection>&& connection) {
        connections_.spawn(std::move(handling), *connection);
        static_cast<void>(connection.release());
    }
    void report(const served_connection& connection, std::exception_ptr failure);

    /// Nothing more is accepted: the connections have to end now.
    void begin_draining() noexcept;
    /// When all have ended: throws what has to be thrown, given what ended accepting: an error, a cancel, or nothing.
    void rethrow(std::exception_ptr failure);

  private:
    friend class served_connection;

    task<> watch_for_stop();
    task<> end_after_timeout();
    task<> end_long_waits();
    void start_goodbye(std::unique_ptr<served_connection> connection);
    task<> say_goodbye(std::unique_ptr<served_connection> connection);
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
    std::unordered_map<ip_address, std::size_t> per_peer_;
    sennit::detail::intrusive_list<served_connection, served_tag> served_;
    task_group connections_;
    task_group helpers_;
    cancel_scope accepting_;
};

}  // namespace sennit::net::detail
