#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <sennit/net/detail/connection_handler.hpp>
#include <sennit/net/serve_options.hpp>
#include <sennit/task_group.hpp>

namespace sennit::net {

/// Accepts connections on `listener` and runs `handler(stream)`, which returns a `task<>`, for each, all at the same
/// time, within the limits of `options`.
///
/// Suspends until it is asked to end: by `loop.stop()` (SIGINT and SIGTERM in `sennit::run`) or by closing the
/// listener. Then it takes no new connections and drains: each connection still receives what has arrived and then the
/// end of the stream, so that its handler finishes; what is not finished after `options.drain_timeout` is cancelled.
/// Returns when all handlers have ended. The listener is closed then.
///
/// Cancelling it cancels all handlers at once, without draining. An exception of a handler ends that connection only;
/// see `serve_options::on_error`. When descriptors or memory run out it waits, 10 ms at first and up to 1 s, or until a
/// connection ends, and goes on; a connection for which there is no memory is closed. Throws `std::system_error` when
/// the listener fails for good, and `std::bad_alloc` when there is no memory to begin.
template <class Listener, class Handler>
requires std::invocable < std::remove_reference_t<Handler>
&, typename Listener::stream_type > auto serve(Listener& listener, Handler&& handler, serve_options options = {}) {
    static_assert(sennit::detail::safe_in_co_await<Handler>,
                  "g++ before 13 destroys a temporary lambda with such captures twice inside co_await: name the lambda "
                  "first and pass the name, or capture by reference only");
    using stored =
        std::conditional_t<std::is_function_v<std::remove_reference_t<Handler>>, std::decay_t<Handler>, Handler>;
    return detail::run_server_with<typename Listener::stream_type, stored>(listener.core(),
                                                                           std::forward<Handler>(handler), options);
}

}  // namespace sennit::net
