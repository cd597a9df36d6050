#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <sennit/cancel.hpp>
#include <sennit/detail/awaitable.hpp>
#include <sennit/detail/mailbox.hpp>
#include <sennit/detail/scope_entry.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/task.hpp>

namespace sennit {

/// A few threads for calls that block, such as getaddrinfo(3). Threads start when they are needed, four at the
/// most, with all signals blocked. Belongs to an event loop.
class blocking_pool {
  public:
    /// A call on its way to a thread and back.
    class job {
      public:
        virtual ~job() = default;
        /// `self` is the pool's share of the job, to be handed on: so that what the call owns is not left for the
        /// thread to destroy.
        virtual void run(std::shared_ptr<job> self) noexcept = 0;
    };

    blocking_pool();
    blocking_pool(const blocking_pool&) = delete;
    blocking_pool& operator=(const blocking_pool&) = delete;
    /// Drops what has not begun. Calls that were abandoned while they blocked are left to end by themselves.
    ~blocking_pool();

    /// Queues a job. Throws `std::system_error` when no thread can be started at all, and `std::bad_alloc`.
    void submit(std::shared_ptr<job> work);

    /// Calls that have not returned, the abandoned ones included. One that has returned has posted its reply.
    std::size_t unfinished() const;

  private:
    struct shared;
    std::shared_ptr<shared> shared_;
};

namespace detail {

/// Has the job run on a thread of the loop's pool; in a simulated world at once, and its answer comes by mail all the
/// same. Throws `std::system_error` when no thread can be started at all.
void start_blocking(event_loop& loop, std::shared_ptr<blocking_pool::job> work);

template <class Function>
class blocking_call final : public blocking_pool::job {
  public:
    using value_type = std::invoke_result_t<Function&>;

    blocking_call(Function function, std::shared_ptr<mailbox> reply_to)
        : function_(std::move(function)), reply_to_(std::move(reply_to)), reply_(std::make_unique<reply>()) {}

    void run(std::shared_ptr<job> self) noexcept override {
        try {
            if constexpr (std::is_void_v<value_type>) {
                function_();
                value.emplace();
            } else {
                value.emplace(function_());
            }
        } catch (...) {
            error = std::current_exception();
        }
        // The reply may be read, and this object gone, before `post` returns.
        const std::shared_ptr<mailbox> reply_to = reply_to_;
        std::unique_ptr<reply> answer = std::move(reply_);
        answer->call = std::static_pointer_cast<blocking_call>(std::move(self));
        reply_to->post(std::move(answer));
    }

    /// Whom the reply finds waiting; nobody when the wait was cancelled. For the loop's thread.
    class listener : public waiter {
      public:
        virtual void answered() noexcept = 0;

      protected:
        ~listener() = default;
    };
    listener* waiting = nullptr;
    optional_value<value_type> value;
    std::exception_ptr error;

  private:
    class reply final : public letter {
      public:
        void run() override {
            if (call->waiting != nullptr) call->waiting->answered();
        }

        std::shared_ptr<blocking_call> call;
    };

    Function function_;
    std::shared_ptr<mailbox> reply_to_;
    std::unique_ptr<reply> reply_;  // made before the call, as there may be no memory after it
};

template <class Function>
class [[nodiscard]] blocking_awaiter final : public blocking_call<Function>::listener {
    using call_type = blocking_call<Function>;

  public:
    explicit blocking_awaiter(Function function) : function_(std::move(function)) {}
    blocking_awaiter(blocking_awaiter&& other) : function_(std::move(other.function_)) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(awaiting coroutine) {
        const environment where = coroutine.where();
        if (where.scope->is_cancelled()) return false;
        call_ = std::make_shared<call_type>(std::move(function_), where.loop->remote());
        start_blocking(*where.loop, call_);
        this->enroll(coroutine);
        call_->waiting = this;
        return true;
    }
    typename call_type::value_type await_resume() {
        if (call_ == nullptr) throw cancelled();
        if (call_->error != nullptr) std::rethrow_exception(std::move(call_->error));
        return std::move(call_->value).take();
    }

    const char* waiting_for() const noexcept override { return "blocking call"; }
    void answered() noexcept override { this->resume_later(); }
    void cancel_wait() noexcept override {
        call_->waiting = nullptr;
        call_ = nullptr;
        this->resume_later();
    }

  private:
    Function function_;
    std::shared_ptr<call_type> call_;
};

}  // namespace detail

/// Runs `function()` on another thread; suspends until it has returned, and gives its result or throws what it
/// threw. Cancelling it goes on at once: the call itself cannot be stopped, its result is dropped when it ends. So
/// whatever `function` uses must belong to it or be shared with it. In a simulated world it runs on the loop's thread.
/// Name a lambda with captures first and move it in: g++ before 13 destroys such a temporary twice inside co_await.
template <class Function>
requires std::invocable < std::decay_t<Function>
& > auto run_blocking(Function&& function) {
    static_assert(!std::is_reference_v<std::invoke_result_t<std::decay_t<Function>&>>,
                  "a reference would outlive what it refers to");
    return detail::blocking_awaiter<std::decay_t<Function>>(std::forward<Function>(function));
}

}  // namespace sennit
