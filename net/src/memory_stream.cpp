// Connections inside the program. Its one hard idea: bytes move at the moment at which both sides of a queue allow
// it, never when a coroutine is resumed. So an operation is complete, or has moved nothing, whatever else happens
// before its coroutine has its turn; cancelling or closing in between finds no bytes on the way.

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "memory_pipe.hpp"

#include <sennit/net/memory_stream.hpp>

namespace sennit::net {

namespace detail {

std::error_code memory_operation::outcome() const {
    // Whoever is both closed and cancelled is cancelled, as with sockets.
    if (was_cancelled_ || (error_ == ECANCELED && scope_cancelled())) throw cancelled();
    return error_ != 0 ? std::error_code(error_, std::system_category()) : std::error_code();
}

void memory_operation::throw_if_failed() const {
    if (const auto error = outcome()) throw std::system_error(error, name_);
}

bool memory_receive::start(sennit::detail::awaiting coroutine) noexcept {
    error_ = pipe_ == nullptr ? EBADF : pipe_->why_not_receive();
    if (error_ != 0) return false;
    if (!enroll(coroutine)) {
        was_cancelled_ = true;
        return false;
    }
    pipe_->receiver_ = this;
    pipe_->move_bytes();
    suspended_ = pipe_->receiver_ == this;
    return suspended_;
}

void memory_receive::cancel_wait() noexcept {
    pipe_->receiver_ = nullptr;
    was_cancelled_ = true;
    resume_later();
}

bool memory_send::start(sennit::detail::awaiting coroutine) noexcept {
    error_ = pipe_ == nullptr ? EBADF : pipe_->why_not_send();
    if (error_ != 0) return false;
    if (!enroll(coroutine)) {
        was_cancelled_ = true;
        return false;
    }
    pipe_->sender_ = this;
    pipe_->move_bytes();
    suspended_ = pipe_->sender_ == this;
    return suspended_;
}

void memory_send::cancel_wait() noexcept {
    pipe_->sender_ = nullptr;
    was_cancelled_ = true;
    resume_later();
}

bool memory_shutdown::start(sennit::detail::awaiting coroutine) noexcept {
    error_ = pipe_ == nullptr ? EBADF : pipe_->why_not_send();
    if (error_ == EPIPE) error_ = 0;  // as with sockets, it may be done twice and after the peer is gone
    if (error_ != 0) return false;
    if (!enroll(coroutine)) {
        was_cancelled_ = true;
        return false;
    }
    unlink();
    pipe_->finished_ = true;
    pipe_->move_bytes();
    return false;
}

int memory_pipe::why_not_receive() const noexcept {
    if (receiving_end_closed_) return EBADF;
    return receiver_ != nullptr ? EBUSY : 0;
}

int memory_pipe::why_not_send() const noexcept {
    if (sending_end_closed_) return EBADF;
    if (sender_ != nullptr) return EBUSY;
    return finished_ || receiving_end_closed_ ? EPIPE : 0;
}

/// Moves what can be moved and ends what is complete then.
void memory_pipe::move_bytes() noexcept {
    std::size_t moved;
    do {
        moved = 0;
        if (sender_ != nullptr) {
            moved = queue_.write(sender_->rest_);
            sender_->rest_ = sender_->rest_.subspan(moved);
            sender_->sent_ += moved;
        }
        if (receiver_ != nullptr) {
            moved = queue_.read(receiver_->rest_);
            receiver_->rest_ = receiver_->rest_.subspan(moved);
            receiver_->received_ += moved;
        }
        // Only what was received makes room for the sender to go on.
    } while (moved != 0 && sender_ != nullptr && receiver_ != nullptr);

    if (sender_ != nullptr && sender_->is_complete()) end_sender(0);
    // A receiver that could take more has emptied the queue.
    if (receiver_ != nullptr && (receiver_->is_complete() || finished_)) end_receiver(0);
}

void memory_pipe::end(memory_operation& ended, int error) noexcept {
    ended.error_ = error;
    if (ended.suspended_) {
        ended.resume_later();
    } else {
        ended.unlink();  // it goes on at once
    }
}

void memory_pipe::end_receiver(int error) noexcept {
    end(*std::exchange(receiver_, nullptr), error);
}

void memory_pipe::end_sender(int error) noexcept {
    end(*std::exchange(sender_, nullptr), error);
}

void memory_pipe::close_sending_end() noexcept {
    sending_end_closed_ = true;
    finished_ = true;
    if (sender_ != nullptr) end_sender(ECANCELED);
    move_bytes();
}

void memory_pipe::close_receiving_end() noexcept {
    receiving_end_closed_ = true;
    if (receiver_ != nullptr) end_receiver(ECANCELED);
    if (sender_ != nullptr) end_sender(EPIPE);
}

}  // namespace detail

struct memory_stream::connection {
    explicit connection(std::size_t capacity) : pipes{detail::memory_pipe(capacity), detail::memory_pipe(capacity)} {}

    detail::memory_pipe pipes[2];  // pipes[n] carries what side n sends
};

memory_stream::memory_stream(std::shared_ptr<connection> shared, std::size_t side) noexcept
    : connection_(std::move(shared)), side_(side) {}

std::pair<memory_stream, memory_stream> memory_stream::pair(std::size_t capacity) {
    if (capacity == 0) throw std::invalid_argument("memory_stream::pair: a capacity of 0 could carry nothing");
    const auto shared = std::make_shared<connection>(capacity);
    return {memory_stream(shared, 0), memory_stream(shared, 1)};
}

detail::memory_pipe* memory_stream::incoming() const noexcept {
    return connection_ ? &connection_->pipes[1 - side_] : nullptr;
}

detail::memory_pipe* memory_stream::outgoing() const noexcept {
    return connection_ ? &connection_->pipes[side_] : nullptr;
}

void memory_stream::close() noexcept {
    if (!is_open()) return;
    incoming()->close_receiving_end();
    outgoing()->close_sending_end();
}

bool memory_stream::is_open() const noexcept {
    return connection_ && !incoming()->receiving_end_closed();
}

}  // namespace sennit::net
