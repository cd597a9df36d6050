#pragma once

#include <cstddef>

#include <sennit/time.hpp>

namespace sennit {

/// Which backend to use.
enum class backend_kind {
    automatic,  ///< io_uring if the kernel allows it and passes a self-test, otherwise epoll
    io_uring,   ///< io_uring or an error that says why not
    epoll,
};

/// The buffers that a loop lends to its receivers (`recv_lease`).
struct receive_buffer_options {
    /// Bytes of one buffer, the most that one lease brings. A buffer takes memory only as far as it has been filled.
    std::size_t size = std::size_t{16} * 1024;
    /// How many there may be, from 1 to 65,536. They are made when all others are lent, and kept. When as many as
    /// this are lent, who wants one waits until one comes back, first come, first served.
    std::size_t most = 4096;
};

/// How an event loop is set up.
struct event_loop_options {
    backend_kind backend = backend_kind::automatic;

    /// The loop is driven by a host's event loop, which sleeps on `event_loop::poll_descriptor`. On io_uring this costs
    /// some percent: completions are then posted as they come, not when the loop asks for them (no DEFER_TASKRUN).
    bool hosted = false;

    receive_buffer_options receive_buffers = {};

    /// How long the loop looks for completions over and over before it sleeps. Answers come sooner where the wait for
    /// the next request is shorter than this, because nobody has to be woken; the price is a core that is busy
    /// meanwhile. Zero, the default, sleeps at once. A simulated world does not spin.
    duration spin = duration::zero();
};

}  // namespace sennit
