// Peers that send nothing and peers that read nothing. Its one hard idea: no timer is armed and no clock is read for a
// transfer. A transfer leaves a mark at its socket; now and then all connections are looked at, and where a mark is
// missing while an operation waits, the time since the last mark that was seen is what counts.

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "wait_limits.hpp"

namespace sennit::net::detail {

namespace {

using std::chrono::milliseconds;

constexpr int looks_in_a_timeout = 4;
constexpr duration shortest_pause = milliseconds(1);

// Moments are 32 bits wide and come round after 49 days; up to half of that, differences are right.
constexpr duration longest = milliseconds(std::uint32_t{1} << 31);

}  // namespace

wait_limits::wait_limits(const serve_options& options, time_point start) noexcept
    : start_(start),
      idle_(wait_limits::milliseconds(options.idle_timeout)),
      stalled_(wait_limits::milliseconds(options.send_timeout)),
      when_full_(wait_limits::milliseconds(options.timeout_when_full)),
      counters_(options.counters) {}

std::uint32_t wait_limits::milliseconds(const std::optional<duration>& limit) noexcept {
    if (!limit) return no_limit;
    const duration within = std::clamp(*limit, duration::zero(), longest);
    return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(within).count());
}

std::uint32_t wait_limits::at_present(std::uint32_t limit, bool full) const noexcept {
    return full && limit != no_limit ? std::min(limit, when_full_) : limit;
}

duration wait_limits::pause(bool full) const noexcept {
    const std::uint32_t shortest = at_present(std::min(idle_, stalled_), full);
    return std::max(shortest_pause, duration(std::chrono::milliseconds(shortest)) / looks_in_a_timeout);
}

std::uint32_t wait_limits::moment(time_point now) const noexcept {
    return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now - start_).count());
}

void wait_limits::look_at(socket_core& connection, std::uint32_t now, bool full) noexcept {
    std::uint32_t& idle_since = connection.still_since(direction::receiving);
    std::uint32_t& stalled_since = connection.still_since(direction::sending);
    const bool has_received = connection.take_moved(direction::receiving);
    const bool has_sent = connection.take_moved(direction::sending);

    if (connection.receiving_ended()) {
        // No receive waits.
    } else if (has_received || has_sent || !connection.is_used(direction::receiving)) {
        idle_since = now;
    } else if (idle_ != no_limit && now - idle_since >= at_present(idle_, full)) {
        connection.time_out(direction::receiving);
        idle_since = now;
        if (counters_ != nullptr) ++counters_->idle;
    }

    if (has_sent || !connection.is_used(direction::sending)) {
        stalled_since = now;
    } else if (stalled_ != no_limit && now - stalled_since >= at_present(stalled_, full)) {
        connection.time_out(direction::sending);
        stalled_since = now;
        if (counters_ != nullptr) ++counters_->stalled;
    }
}

}  // namespace sennit::net::detail
