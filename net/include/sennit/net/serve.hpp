#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
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
void start_connection(server& owner, Handler& handler, Stream stream, peer_count* counted) {
    auto connection = std::make_unique<served_connection>(owner, stream.core(), counted);
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
        auto accepted = co_await as_result(listener.accept());
        if (!accepted) {
            const bool go_on = co_await owner.accept_failed(accepted.error());
            if (!go_on) co_return;
            continue;
        }
        const admission decision = owner.admit(*accepted->core().get());
        if (!decision.granted) continue;
        start_connection<Handler, typename Listener::stream_type>(owner, handler, std::move(*accepted),
                                                                  decision.counted);
    }
}

template <class Handler, class Listener>
task<> run_server(Listener& listener, Handler handler, serve_options options) {
    const environment where = co_await sennit::detail::current_environment();
    server owner(where, options);
    owner.start();

    std::exception_ptr failure;
    co_await sennit::detail::enter_scope(owner.accepting());
    try {
        co_await accept_all(owner, listener, handler);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await sennit::detail::enter_scope(*where.scope);

    listener.close();
    co_await owner.drain(std::move(failure));
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
/// see `serve_options::on_error`. When descriptors run out it waits, 10 ms at first and up to 1 s, or until a
/// connection ends, and goes on. Throws `std::system_error` when the listener fails for good.
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
