#pragma once

#include <cstdint>

#include <sennit/cancel.hpp>
#include <sennit/environment.hpp>

namespace sennit {

class request;

namespace detail {
struct backend_tag;
struct pooled_buffer;
}  // namespace detail

/// One answer of a backend to a submitted operation.
struct completion {
    std::int32_t result;  ///< A non-negative number or a negated errno value.
    bool more = false;    ///< A multishot operation goes on: further completions will follow.
    /// Where a `recv_lease_request` has put its bytes; null when the result is no number of bytes above zero. Whoever
    /// completes the operation gives it back to its pool.
    detail::pooled_buffer* buffer = nullptr;
};

/// A request on its way through a backend. It lives in the awaiter, hence in the frame of the waiting coroutine,
/// and stays there until the backend has delivered its last completion.
///
/// The path is always the same: `start` -> `backend::submit` -> (kernel) -> `backend::wait` -> `complete` -> the
/// loop resumes the coroutine. A cancelled scope only adds `backend::cancel`; the last completion still comes.
class operation : public detail::waiter, public detail::list_hook<detail::backend_tag> {
    using backend_hook = detail::list_hook<detail::backend_tag>;

  public:
    /// For backends: delivers a completion. Called from `backend::wait` only. After a completion without `more`
    /// nothing of the backend names this operation any longer, and the operation may be gone when this returns.
    virtual void complete(completion done) noexcept;

    /// For backends: what is to be done. Made when it is asked for, so that what waits keeps no more than it needs: ask
    /// once.
    virtual request what() const noexcept = 0;
    /// For backends: the descriptor that `what` is about.
    virtual int descriptor() const noexcept;
    /// For backends: whether this receive is one of many small ones on its stream, so that what arrives before the next
    /// one may be received as well, and kept for it.
    bool may_receive_ahead() const noexcept { return patience_ == patience::receives_ahead; }
    /// For backends: whether this is known, without a look at the request, to be a receive that waits.
    bool waits_to_receive() const noexcept { return patience_ >= patience::waits; }

    const char* waiting_for() const noexcept override;
    detail::wait_details details() const noexcept override;

    // For backends: what a completion is to say, for as long as it cannot be delivered.

    void keep_result(std::int32_t result) noexcept { result_ = result; }
    std::int32_t kept_result() const noexcept { return result_; }
    /// The operation must be in no list of the backend's until the buffer is taken.
    void keep_buffer(detail::pooled_buffer* buffer) noexcept { backend_hook::set_spare(buffer); }
    detail::pooled_buffer* take_buffer() noexcept {
        void* const buffer = backend_hook::spare();
        backend_hook::set_spare(nullptr);
        return static_cast<detail::pooled_buffer*>(buffer);
    }

  protected:
    operation() noexcept = default;
    /// An operation can be moved until it is started: so awaitables can be handed to `as_result` or `with_timeout`.
    operation(operation&&) noexcept : operation() {}
    ~operation() = default;

    /// Submits the request on behalf of `coroutine`. False when the scope is cancelled: nothing was submitted, the
    /// coroutine goes on at once and finds `cancelled`.
    bool start(detail::awaiting coroutine) noexcept {
        const bool enrolled = enroll(coroutine);
        if (enrolled) [[likely]] {
            submit_to(*coroutine.where().loop);
        } else {
            result_ = cancelled_result;
        }
        return enrolled;
    }

    /// Submits the operation to the backend of `loop`, for operations outside any scope.
    void submit_to(event_loop& loop) noexcept;

    /// Submits the operation again inside the scope it joined: for the rest after a short transfer.
    void submit_again() noexcept { submit_to(*where().loop); }

    void cancel_wait() noexcept override;

    /// Ends the wait with this result.
    void finish(std::int32_t result) noexcept {
        result_ = result;
        resume_later();
    }

    /// Throws `cancelled` when the wait ended because of its scope.
    void throw_if_cancelled() const {
        if (result_ == cancelled_result) [[unlikely]]
            throw_cancelled();
    }

    static const std::int32_t cancelled_result;  ///< -ECANCELED

    // An operation is part of the frame of whoever waits, and most of what an idle connection takes. So the members
    // that are smaller than a word share one, with the first of a derived class.

    std::int32_t result_ = 0;

  public:
    /// For backends: their own bookkeeping while the operation is in flight.
    struct in_flight_state {
        std::uint8_t outstanding = 0;       ///< completions that still name the operation
        bool cancel_requested : 1 = false;  ///< `backend::cancel` was called
        bool result_known : 1 = false;      ///< the last completion is `kept_result`
        bool waits_to_write : 1 = false;    ///< and not for anything else
    };
    in_flight_state in_flight;

  protected:
    /// How a receive takes it that nothing has arrived.
    enum class patience : std::uint8_t {
        unsaid,  ///< or it is none
        none,    ///< it fails with EAGAIN
        waits,
        receives_ahead,  ///< waits, and what comes after that may be received with it
    };
    patience patience_ = patience::unsaid;

  private:
    void throw_cancelled() const;
};

}  // namespace sennit
