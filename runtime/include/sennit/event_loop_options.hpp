#pragma once

namespace sennit {

/// Which backend to use.
enum class backend_kind {
    automatic,  ///< io_uring if the kernel allows it and passes a self-test, otherwise epoll
    io_uring,   ///< io_uring or an error that says why not
    epoll,
};

/// How an event loop is set up.
struct event_loop_options {
    backend_kind backend = backend_kind::automatic;

    /// The loop is driven by a host's event loop, which sleeps on `event_loop::poll_descriptor`. On io_uring this costs
    /// some percent: completions are then posted as they come, not when the loop asks for them (no DEFER_TASKRUN).
    bool hosted = false;
};

}  // namespace sennit
