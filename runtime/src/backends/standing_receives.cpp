// Where the streams with a standing receive are. Its one hard idea: a place is free when neither the program nor the
// kernel names it any more. A descriptor may be closed, and its number belong to another socket, while the kernel still
// owes the last completion of the old one's receive: that completion carries the number of the place, not of the
// descriptor.

#include "standing_receives.hpp"

#include <new>
#include <utility>

namespace sennit {

standing_stream* standing_receives::add(int fd) noexcept {
    if (taken_ == most_) return nullptr;
    const auto index = static_cast<std::size_t>(fd);
    try {
        if (index >= numbers_.size()) numbers_.resize(index + 1);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    standing_stream* place = streams_.data();
    while (place->fd >= 0 || place->armed) ++place;
    ++taken_;
    place->fd = fd;
    place->was_busy = true;
    numbers_[index] = static_cast<std::uint8_t>(number_of(*place) + 1);
    return place;
}

standing_stream* standing_receives::quiet_one() noexcept {
    if (most_ == 0) return nullptr;
    standing_stream& next = streams_[hand_++ % most_];
    const bool was_busy = std::exchange(next.was_busy, false);
    return was_busy || !next.armed || next.disarmed ? nullptr : &next;
}

void standing_receives::forget(standing_stream& stream) noexcept {
    numbers_[static_cast<std::size_t>(stream.fd)] = 0;
    stream.fd = -1;
    stream.error = 0;
    if (!stream.armed) --taken_;
}

void standing_receives::has_ended(standing_stream& stream) noexcept {
    stream.armed = stream.disarmed = stream.disarm_parked = false;
    --armed_;
    if (stream.fd < 0) --taken_;
}

}  // namespace sennit
