// Receives that stay armed. On a stream whose peer asks and waits, a receive that is submitted anew for each message
// costs the kernel a fruitless try, a request and a place in the socket's queue; one that stays armed does not. Its one
// hard idea: what such a receive brings belongs to the stream, not to an operation. It waits here until somebody
// receives, is handed over as what the kernel would have given, and nothing of it is lost by a cancellation.
//
// - io_uring_prep_recv_multishot(3), Linux 6.0. It takes a buffer of the group for each completion, and goes on until
//   one lacks F_MORE: at the end of the stream, after an error, when it is cancelled or no buffer is left, and when the
//   completion queue has overflown.
// - The end of a stream needs no memory: who asks again is told again. An error is told once.
// - A socket is closed when the last receive on it has ended, too. So that is cancelled before the descriptor is
//   closed, in the same enter.
// - What arrives while nobody receives is taken from the kernel, which would have slowed the peer down. So the second
//   buffer that nobody has asked for ends the receive, and no other is armed for some time.
// - Where there is much to do in each turn, receives find something at once, and a standing one saves nothing. So none
//   is armed then.

#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "system_calls.hpp"
#include "uring_operations.hpp"
#include "uring_tag.hpp"

#include <sennit/request.hpp>

namespace sennit {

namespace {

constexpr std::uint32_t most_unread = 4096;  // bytes, before the peer has to wait

/// Whether the receive has merely ended, without a word on the stream.
bool may_be_repeated(std::int32_t result) noexcept {
    return result > 0 || result == -ECANCELED || result == -ENOBUFS || result == -EINTR || result == -EAGAIN;
}

}  // namespace

/// Whether what the operation asks for comes from a standing receive, sooner or later. Where such a one is `wanted`,
/// arms it if that pays.
bool uring_backend::receives_from_standing(operation& what, int fd, bool wanted, turn when) noexcept {
    standing_stream* const stream = standing_.find(fd);
    if (stream == nullptr) return wanted && few_completions_ && arm(what, fd, when);
    if (stream->has_answer()) {
        answered_.push_back(what);
        return true;
    }
    if (!stream->armed || stream->waiting != nullptr) return false;
    stream->waiting = &what;
    if (!wanted) disarm(*stream);
    return true;
}

/// Whether a receive stands for `what` now, or `what` is parked.
bool uring_backend::arm(operation& what, int fd, turn when) noexcept {
    if (!ring_.has_multishot_receive() || standing_.rests() || !group_.open(ring_)) return false;
    if (group_.available() == 0) return false;
    standing_stream* const stream = standing_.add(fd);
    if (stream == nullptr) {
        if (standing_stream* const quiet = standing_.quiet_one(); quiet != nullptr) disarm(*quiet);
        return false;
    }
    io_uring_sqe* const entry = entry_for(what, when);
    if (entry == nullptr) {
        standing_.forget(*stream);
        return true;
    }
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = uring_buffers::group;
    entry->user_data = tagged(standing_.number_of(*stream), uring_tag::standing);
    standing_.has_armed(*stream);
    stream->waiting = &what;
    return true;
}

void uring_backend::disarm(standing_stream& stream) noexcept {
    if (!stream.armed || stream.disarmed) return;
    stream.disarmed = true;
    io_uring_sqe* entry = ring_.next_entry();
    if (entry == nullptr && ring_.submit() > 0) entry = ring_.next_entry();
    stream.disarm_parked = entry == nullptr;
    if (entry == nullptr) {
        disarms_are_parked_ = true;
        return;
    }
    const std::uint64_t number = standing_.number_of(stream);
    io_uring_prep_cancel64(entry, tagged(number, uring_tag::standing), 0);
    entry->flags |= ring_.skip_success();
    entry->user_data = tagged(number, uring_tag::disarm);
}

/// Has the receives end that could not be cancelled for want of an entry. Whether that is still so.
bool uring_backend::disarm_parked() noexcept {
    disarms_are_parked_ = false;
    standing_.for_each_armed([&](standing_stream& stream) {
        if (!stream.disarm_parked) return;
        stream.disarmed = false;
        disarm(stream);
    });
    return disarms_are_parked_;
}

void uring_backend::on_disarm(standing_stream& stream, std::int32_t result) noexcept {
    // As with a cancelled operation: the kernel was about to try it once more.
    if (result == 0 || !std::exchange(stream.disarmed, false)) return;
    if (result == -ENOENT || result == -EALREADY) disarm(stream);
}

void uring_backend::on_standing(standing_stream& stream, std::int32_t result, std::uint32_t flags) noexcept {
    detail::pooled_buffer* buffer = nullptr;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        buffer = &group_.take(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT));
        if (result <= 0 || stream.fd < 0) pool_->give_back(*std::exchange(buffer, nullptr));
    }
    if ((flags & IORING_CQE_F_MORE) == 0) standing_.has_ended(stream);
    if (stream.fd < 0) return;

    stream.was_busy = true;
    if (buffer != nullptr) append(stream, *buffer, result);
    if (stream.first == nullptr) {
        if (!stream.armed) end_without_bytes(stream, result);
    } else if (stream.waiting != nullptr) {
        give(stream, *std::exchange(stream.waiting, nullptr));
    }
    tidy(stream);
}

/// The receive has ended, and nothing it has brought is left.
void uring_backend::end_without_bytes(standing_stream& stream, std::int32_t result) noexcept {
    operation* const waiting = std::exchange(stream.waiting, nullptr);
    const bool has_news = !may_be_repeated(result);
    if (waiting == nullptr) {
        stream.error = has_news ? result : 0;
        return;
    }
    standing_.forget(stream);
    if (has_news) return on_single(*waiting, result);
    if (result == -ENOBUFS) group_.want_more();
    receive_once(*waiting);
}

/// Gives up the place of a stream that needs none, and ends what brings more than anybody asks for.
void uring_backend::tidy(standing_stream& stream) noexcept {
    if (stream.fd < 0) return;
    if (stream.is_over()) return standing_.forget(stream);
    const bool too_much = stream.first != nullptr && (stream.first != stream.last || stream.unread > most_unread);
    if (!too_much || stream.waiting != nullptr || !stream.armed || stream.disarmed) return;
    disarm(stream);
    standing_.rest();
}

void uring_backend::append(standing_stream& stream, detail::pooled_buffer& buffer, std::int32_t filled) noexcept {
    pool_->lend(buffer, filled);
    buffer.next_free = nullptr;
    *(stream.first == nullptr ? &stream.first : &stream.last->next_free) = &buffer;
    stream.last = &buffer;
    stream.unread += buffer.filled;
}

/// Takes the first buffer out of the stream.
detail::pooled_buffer& uring_backend::take_first(standing_stream& stream) noexcept {
    detail::pooled_buffer& first = *std::exchange(stream.first, stream.first->next_free);
    stream.unread -= first.filled - std::exchange(stream.taken, 0);
    return first;
}

/// So many bytes of the first buffer have been received.
void uring_backend::take(standing_stream& stream, std::uint32_t count) noexcept {
    stream.taken += count;
    stream.unread -= count;
    if (stream.taken == stream.first->filled) pool_->give_back(take_first(stream));
}

/// Completes the operation with what has come.
void uring_backend::give(standing_stream& stream, operation& what) noexcept {
    const request asked = what.what();
    if (std::holds_alternative<recv_lease_request>(asked)) {
        const std::uint32_t taken = stream.taken;
        detail::pooled_buffer& buffer = take_first(stream);
        const std::uint32_t left = buffer.filled - taken;
        if (taken != 0) std::memmove(buffer.data, buffer.data + taken, left);
        return on_single(what, static_cast<std::int32_t>(left), &buffer);
    }
    if (const auto* const splice = std::get_if<splice_in_request>(&asked)) {
        // No more than the least that a pipe holds: it is empty, so that all of it goes in.
        const std::size_t count = std::min<std::size_t>({stream.first->filled - stream.taken, splice->most, PIPE_BUF});
        const std::byte* const bytes = stream.first->data + stream.taken;
        const std::int32_t written = detail::uninterrupted([&] { return ::write(splice->pipe, bytes, count); });
        if (written > 0) take(stream, static_cast<std::uint32_t>(written));
        return on_single(what, written);
    }
    const auto& room = std::get<recv_request>(asked);
    auto* const destination = static_cast<std::byte*>(room.data);
    std::size_t copied = 0;
    while (stream.first != nullptr && copied != room.size) {
        const detail::pooled_buffer& first = *stream.first;
        const std::size_t count = std::min<std::size_t>(first.filled - stream.taken, room.size - copied);
        std::memcpy(destination + copied, first.data + stream.taken, count);
        copied += count;
        take(stream, static_cast<std::uint32_t>(count));
    }
    on_single(what, static_cast<std::int32_t>(copied));
}

/// Completes the receives that need not wait for the kernel. True: there were some.
bool uring_backend::answer() noexcept {
    operation_list due;
    due.splice_back(answered_);
    while (!due.empty()) {
        operation& next = due.pop_front();
        standing_stream* const stream = standing_.find(next.descriptor());
        if (stream == nullptr || !stream->has_answer()) {
            receive_once(next);
        } else if (stream->first != nullptr) {
            give(*stream, next);
            tidy(*stream);
        } else {
            const std::int32_t error = stream->error;
            standing_.forget(*stream);
            on_single(next, error);
        }
    }
    return true;
}

/// Takes the operation back if it waits for a standing receive; that goes on.
bool uring_backend::withdraw(operation& what) noexcept {
    standing_stream* const stream = standing_.find(what.descriptor());
    if (stream == nullptr || stream->waiting != &what) return false;
    stream->waiting = nullptr;
    return true;
}

std::size_t uring_backend::stop_receiving_ahead(int fd) noexcept {
    standing_stream* const stream = standing_.find(fd);
    if (stream == nullptr) return 0;
    disarm(*stream);
    return stream->unread;
}

/// The descriptor is about to be closed.
void uring_backend::end_standing(int fd) noexcept {
    standing_stream* const stream = standing_.find(fd);
    if (stream == nullptr) return;
    while (stream->first != nullptr) pool_->give_back(take_first(*stream));
    disarm(*stream);
    standing_.forget(*stream);
}

}  // namespace sennit
