#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include <sennit/detail/scope_entry.hpp>
#include <sennit/net/detail/server.hpp>
#include <sennit/result.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>

namespace sennit::net {

namespace detail {

template <class Handler, class Stream>
void start_connection(server& owner, Handler& handler, Stream stream) {
    auto connection = std::make_unique<served_connection>(owner, stream.core());
    if (!owner.admit(*connection)) return;
    try {
        task<> handling = handler(std::move(stream));
        owner.run(std::move(handling), std::move(connection));
    } catch (...) {
        owner.report(*connection, std::current_exception());
    }
}

template <class Listener, class Handler>
task<> accept_all(server& owner, Listener& listener, Handler& handler) {
    for (;;) {
        if (owner.is_full()) {
            co_await owner.room();
            continue;
        }
        std::error_code failure;
        try {
            auto accepted = co_await as_result(listener.accept());
            failure = accepted.error();
            if (accepted) {
                start_connection<Handler, typename Listener::stream_type>(owner, handler, std::move(*accepted));
            }
        } catch (const std::bad_alloc&) {
            // The connection is closed, as it is when the kernel has no memory for it.
            failure = std::make_error_code(std::errc::not_enough_memory);
        }
        if (failure) {
            if (!owner.goes_on_after(failure)) co_return;
            co_await owner.next_try();
        }
    }
}

template <class Handler, class Listener>
task<> run_server(Listener& listener, Handler handler, serve_options options) {
    const environment where = co_await sennit::detail::current_environment();
    server owner(where, options);

    std::exception_ptr failure;
    co_await sennit::detail::enter_scope(owner.accepting());
    try {
        owner.start();
        co_await accept_all(owner, listener, handler);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await sennit::detail::enter_scope(*where.scope);

    // No coroutine from here on: there may be no memory for one, and the connections have to be waited for.
    listener.close();
    owner.begin_draining();
    co_await owner.connections().join();
    owner.helpers().cancel();
    co_await owner.helpers().join();
    owner.rethrow(std::move(failure));
}

}  // namespace detail

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
    return detail::run_server<stored>(listener, std::forward<Handler>(handler), options);
}

}  // namespace sennit::net
