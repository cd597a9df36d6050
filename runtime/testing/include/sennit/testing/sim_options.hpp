#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

#include <sennit/event_loop_options.hpp>
#include <sennit/time.hpp>

namespace sennit::testing {

/// A probability in parts per million: 0 is never, 1'000'000 always.
using parts_per_million = std::uint32_t;

/// One direction of the path between two hosts. Nothing goes wrong on it unless it is told to.
struct link_options {
    /// Each packet takes `latency` and up to `jitter` more, evenly distributed; `slow` of them up to `slow_by` more
    /// again, which makes the long tail.
    duration latency = std::chrono::microseconds(200);
    duration jitter{};
    parts_per_million slow = 0;
    duration slow_by{};
    /// Bytes per second; 0: without limit.
    std::uint64_t bandwidth = 0;
    /// The largest packet, headers included. It cuts TCP into segments, and UDP into fragments of which each can be
    /// lost.
    std::uint32_t mtu = 65535;
    /// Packets that do not arrive. TCP sends them again after 200 ms, then after twice as long each time.
    parts_per_million loss = 0;
    /// Datagrams that arrive twice, and datagrams that wait for `reorder_by` while later ones pass them.
    parts_per_million duplicate = 0;
    parts_per_million reorder = 0;
    duration reorder_by = std::chrono::milliseconds(1);
    /// Attempts to connect that are refused, and segments in whose place the connection is reset.
    parts_per_million refuse = 0;
    parts_per_million reset = 0;
};

/// What a host's kernel does to its programs, all of which a real one may do.
struct sim_faults {
    /// Transfers on streams that move fewer bytes than they could, at least one.
    parts_per_million short_receive = 0;
    parts_per_million short_send = 0;
    /// Accepts that fail with EMFILE (the connection stays in the backlog) or with ECONNABORTED (it is gone).
    parts_per_million accept_out_of_files = 0;
    parts_per_million accept_aborted = 0;
    /// Multishot accepts that end with a connection, as they do when the kernel is short of room for completions.
    parts_per_million multishot_end = 0;
    /// Sends that fail with ENOBUFS, and operations of any kind that fail with ENOMEM when they are submitted.
    parts_per_million send_no_buffers = 0;
    parts_per_million submit_no_memory = 0;
    /// Open sockets, like RLIMIT_NOFILE: beyond it EMFILE.
    std::uint32_t max_descriptors = 65536;
};

/// How a simulated world is made.
struct sim_options {
    /// Every choice in the world comes from it: the same program with the same seed does the same.
    std::uint64_t seed = 1;
    /// Completions of one turn of a loop, and the loops themselves, come in an order that the seed decides; otherwise
    /// in the order in which they came about.
    bool shuffle = true;
    /// Is given a line for every choice and every completion, without its end of line.
    std::function<void(std::string_view)> trace;
    /// What the hosts' loops lend to their receivers.
    receive_buffer_options receive_buffers = {};
};

}  // namespace sennit::testing
