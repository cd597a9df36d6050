#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <sennit/detail/wait_list.hpp>
#include <sennit/result.hpp>

namespace sennit {

/// A bounded queue between coroutines of one loop, first in first out, for any number of senders and receivers.
/// With a capacity of 0 each `send` waits for its `recv`. Allocates only when it is made. Moving a `T` must not throw.
template <class T>
class channel {
    struct receiver : detail::list_waiter {
        receiver() noexcept : list_waiter("channel recv") {}
        std::optional<T> value;
    };
    struct sender : detail::list_waiter {
        explicit sender(T&& to_send) : list_waiter("channel send"), value(std::move(to_send)) {}
        T value;
        bool refused = false;
    };

  public:
    /// A channel that holds up to `capacity` values which no one has received.
    explicit channel(std::size_t capacity) : ring_(capacity) {
        static_assert(std::is_nothrow_move_constructible_v<T>,
                      "a value that cannot be moved could get lost between its sender and its receiver");
    }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    class [[nodiscard]] send_awaiter final : sender {
      public:
        send_awaiter(channel& target, T&& value) : sender(std::move(value)), target_(target) {}
        send_awaiter(send_awaiter&& other) : sender(std::move(other.value)), target_(other.target_) {}

        bool await_ready() {
            if (target_.closed_) {
                this->refused = true;
                return true;
            }
            return target_.put(this->value);
        }
        bool await_suspend(detail::awaiting coroutine) noexcept { return this->wait_in(target_.senders_, coroutine); }
        void await_resume() const {
            if (const auto sent = await_result(); !sent) throw std::system_error(sent.error(), "channel send");
        }
        result<void> await_result() const {
            this->throw_if_cancelled();
            if (this->refused) return std::make_error_code(std::errc::broken_pipe);
            return {};
        }

      private:
        channel& target_;
    };

    class [[nodiscard]] recv_awaiter final : receiver {
      public:
        explicit recv_awaiter(channel& source) noexcept : source_(source) {}
        recv_awaiter(recv_awaiter&& other) noexcept : receiver(), source_(other.source_) {}

        bool await_ready() {
            this->value = source_.try_recv();
            return this->value.has_value() || source_.closed_;
        }
        bool await_suspend(detail::awaiting coroutine) noexcept { return this->wait_in(source_.receivers_, coroutine); }
        std::optional<T> await_resume() {
            this->throw_if_cancelled();
            return std::move(this->value);
        }

      private:
        channel& source_;
    };

    /// Suspends while the channel is full. Throws `std::system_error` (`broken_pipe`) when it is or becomes closed: the
    /// value was not taken then. Cancelled, the value was not taken either.
    send_awaiter send(T value) { return send_awaiter(*this, std::move(value)); }

    /// Suspends while the channel is empty. Gives the oldest value, or nothing once the channel is closed and empty.
    /// When cancelling it and a value coincide, the value is given.
    recv_awaiter recv() noexcept { return recv_awaiter(*this); }

    /// Takes `value` unless the channel is full or closed; leaves it alone otherwise.
    bool try_send(T&& value) { return !closed_ && put(value); }

    /// The oldest value if there is one.
    std::optional<T> try_recv() {
        std::optional<T> oldest;
        if (size_ != 0) {
            oldest = std::exchange(ring_[first_], std::nullopt);
            first_ = first_ + 1 == ring_.size() ? 0 : first_ + 1;
            --size_;
        }
        if (!senders_.empty()) {
            auto& waiting = static_cast<sender&>(senders_.pop_front());
            if (oldest) {
                append(waiting.value);
            } else {
                oldest.emplace(std::move(waiting.value));  // capacity 0: straight from hand to hand
            }
            waiting.wake();
        }
        return oldest;
    }

    /// Refuses further values, also those of senders that wait. What the channel holds can still be received.
    void close() noexcept {
        closed_ = true;
        while (!receivers_.empty()) receivers_.pop_front().wake();
        while (!senders_.empty()) {
            auto& waiting = static_cast<sender&>(senders_.pop_front());
            waiting.refused = true;
            waiting.wake();
        }
    }

    bool is_closed() const noexcept { return closed_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return ring_.size(); }

  private:
    bool put(T& value) {
        if (!receivers_.empty()) {
            auto& waiting = static_cast<receiver&>(receivers_.pop_front());
            waiting.value.emplace(std::move(value));
            waiting.wake();
            return true;
        }
        if (size_ == ring_.size()) return false;
        append(value);
        return true;
    }

    void append(T& value) {
        const std::size_t last = first_ + size_;
        ring_[last < ring_.size() ? last : last - ring_.size()].emplace(std::move(value));
        ++size_;
    }

    std::vector<std::optional<T>> ring_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
    bool closed_ = false;
    detail::wait_list receivers_;
    detail::wait_list senders_;
};

}  // namespace sennit
