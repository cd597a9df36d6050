#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sennit/time.hpp>

namespace sennit::swarm {

/// What a step of a random program does. Each step runs once at the most.
enum class action : std::uint8_t {
    sleep,
    yield,
    fail,          ///< throws
    set,           ///< sets an event
    wait,          ///< waits for an event
    send,          ///< into a channel
    receive,       ///< from a channel
    close,         ///< a channel
    transfer,      ///< has bytes echoed by the other host, again and again until it succeeds
    exchange,      ///< the same with datagrams
    spawn,         ///< the part, into the group around the step
    cancel,        ///< the group around the step
    lock,          ///< runs the part with a mutex locked
    acquire,       ///< runs the part with a permit of a semaphore
    group,         ///< runs the part as the body of a group
    with_timeout,  ///< the part, for `time` at the most; by with_deadline when `object` is 1
    move_on,       ///< the same, but running out of time is no error
    shield,        ///< runs the part out of reach of the cancellation around it
    attempt,       ///< runs the part and catches what it throws
    clean_up,      ///< runs the part; when that is cancelled, takes `time` to clean up
    all,           ///< when_all of the parts
    any,           ///< when_any of two parts
};
inline constexpr std::size_t action_count = static_cast<std::size_t>(action::any) + 1;
const char* name_of(action what) noexcept;

struct sequence;

/// Steps and sequences are numbered together, from 0, in the order in which they are written.
struct step {
    action what;
    std::size_t id;
    duration time{};  ///< sleep, with_timeout, move_on, clean_up
    /// Which event, channel, mutex or semaphore. Transfer: how many bytes. Exchange: the seed of its choices.
    std::size_t object = 0;
    std::vector<sequence> parts;
};

struct sequence {
    std::size_t id;
    std::vector<step> steps;
};

/// What goes wrong on the two hosts and between them for a while.
enum class trouble : std::uint8_t {
    loss,
    slow,
    resets,
    refusals,
    partition,
    one_way,
    stalled_peer,
    short_transfers,
    failed_accepts,
    no_memory,
    no_buffers,
    doubled,
    out_of_order,
    small_packets,
};
inline constexpr std::size_t trouble_count = static_cast<std::size_t>(trouble::small_packets) + 1;
const char* name_of(trouble what) noexcept;

struct fault {
    trouble what;
    duration from;
    duration until;
};

/// A whole run as data: what one host does, and what happens to it. Times count from the start.
struct program {
    std::uint64_t seed;
    step root;            ///< a group
    std::size_t ids = 0;  ///< of steps and sequences
    std::size_t events = 3;
    std::size_t mutexes = 2;
    std::vector<std::size_t> semaphores;  ///< their permits
    std::vector<std::size_t> channels;    ///< their capacities
    std::vector<fault> faults;
    duration quiet_from{};                 ///< nothing goes wrong any more
    duration waits_end{};                  ///< every event is set and every channel closed, so that all can end
    std::optional<duration> cancelled_at;  ///< the root is cancelled from outside
};

/// The program of a seed: the same on every machine.
program generate(std::uint64_t seed);

/// The same for a real machine: nothing goes wrong there, and what took seconds takes a millisecond.
program for_the_machine(program plan);

}  // namespace sennit::swarm
