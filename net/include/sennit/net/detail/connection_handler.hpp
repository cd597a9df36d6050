#pragma once

#include <utility>

#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/serve_options.hpp>
#include <sennit/task.hpp>

namespace sennit::net::detail {

class acceptor_core;

/// The handler of a server, without its type and that of its streams: so that a server is compiled once, in the
/// library.
class connection_handler {
  public:
    /// The task that serves this connection.
    virtual task<> handle(socket_ref connection) = 0;

  protected:
    ~connection_handler() = default;
};

template <class Stream, class Handler>
class stream_handler final : public connection_handler {
  public:
    explicit stream_handler(Handler&& handler) : handler_(std::forward<Handler>(handler)) {}
    task<> handle(socket_ref connection) override { return handler_(Stream(std::move(connection))); }

  private:
    Handler handler_;
};

/// What `serve` does. No listener is one that is closed.
task<> run_server(acceptor_core* listener, connection_handler& handler, serve_options options);

/// The same, and keeps the handler meanwhile.
template <class Stream, class Handler>
task<> run_server_with(acceptor_core* listener, Handler handler, serve_options options) {
    stream_handler<Stream, Handler> any(std::forward<Handler>(handler));
    co_await run_server(listener, any, options);
}

}  // namespace sennit::net::detail
