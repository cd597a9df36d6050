#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sennit/detail/pooled_buffer.hpp>
#include <sennit/operation.hpp>

namespace sennit {

/// A stream whose receive stays armed, and what it has brought before somebody asked.
struct standing_stream {
    /// Whether there is something to receive, or to hear of, without the kernel.
    bool has_answer() const noexcept { return first != nullptr || error != 0; }
    /// Whether nothing keeps the stream here.
    bool is_over() const noexcept { return !armed && waiting == nullptr && !has_answer(); }

    int fd = -1;                             ///< -1: nobody's any more
    std::int32_t error = 0;                  ///< what ended the receive while nobody waited
    operation* waiting = nullptr;            ///< for what comes next
    detail::pooled_buffer* first = nullptr;  ///< the buffers that have come, linked by `next_free`
    detail::pooled_buffer* last = nullptr;
    std::uint32_t taken = 0;     ///< bytes of the first buffer that were received already
    std::uint32_t unread = 0;    ///< bytes in all the buffers that were not
    bool armed = false;          ///< the kernel will complete it at least once more
    bool disarmed = false;       ///< that was asked to end
    bool disarm_parked = false;  ///< it has to be asked still
    bool was_busy = false;       ///< since the last time that somebody looked for a stream that is not
};

/// The few streams on which a receive stays armed ("multishot"), so that the kernel need not be asked anew for each
/// message: found by descriptor and by number. Bookkeeping only: who asks the kernel is the backend.
class standing_receives {
  public:
    /// How many streams there may be. Each can hold back some buffers from the others while nobody receives, so the
    /// `buffers` of the pool limit it.
    explicit standing_receives(std::size_t buffers) noexcept : most_(std::min(streams_.size(), buffers / 16)) {}

    /// Null when none stands for this descriptor.
    standing_stream* find(int fd) noexcept {
        const auto index = static_cast<std::size_t>(fd);
        return index < numbers_.size() && numbers_[index] != 0 ? &streams_[numbers_[index] - 1u] : nullptr;
    }
    standing_stream& at(std::uint64_t number) noexcept { return streams_[number]; }
    std::uint64_t number_of(const standing_stream& stream) const noexcept {
        return static_cast<std::uint64_t>(&stream - streams_.data());
    }

    /// A place for this descriptor; null when there is none.
    standing_stream* add(int fd) noexcept;
    /// One that has been quiet and may have to leave its place to another; null when all were busy.
    standing_stream* quiet_one() noexcept;
    /// The descriptor has nothing to do with the stream any more. The place is free when nothing is armed for it.
    void forget(standing_stream& stream) noexcept;
    /// The kernel has completed it for the last time.
    void has_ended(standing_stream& stream) noexcept;

    /// None is to be armed for some time: what one has brought nobody had asked for.
    void rest() noexcept { resting_ = receives_of_rest; }
    bool rests() noexcept { return resting_ != 0 && resting_-- != 0; }

    /// How many the kernel has.
    std::size_t armed() const noexcept { return armed_; }
    void has_armed(standing_stream& stream) noexcept {
        stream.armed = true;
        ++armed_;
    }

    /// Calls `visit` on each stream that the kernel has.
    template <class Visitor>
    void for_each_armed(Visitor visit) {
        for (standing_stream& each : streams_) {
            if (each.armed) visit(each);
        }
    }

  private:
    static constexpr std::size_t most_streams = 64;
    static constexpr unsigned receives_of_rest = 64;

    std::array<standing_stream, most_streams> streams_;
    std::vector<std::uint8_t> numbers_;  // of the streams, plus one, by descriptor
    std::size_t most_;
    std::size_t taken_ = 0;  // places
    std::size_t armed_ = 0;
    std::size_t hand_ = 0;
    unsigned resting_ = 0;
};

}  // namespace sennit
