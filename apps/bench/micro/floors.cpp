// What each operation could cost at the least: the same, by the shortest code that does it, without cancellation,
// reports, ownership or errors. Its one hard idea: these are no alternatives to the library, they are what its figures
// are held against, on whatever machine.

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <sennit/frame_pool.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "operations.hpp"
#include "use.hpp"

namespace micro {

namespace {

using sennit::detail::frame_pool;  // a floor with a slower pool would be none

struct bare_promise {
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { frame_pool::deallocate(frame, size); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    void unhandled_exception() const noexcept { std::terminate(); }
};

/// A coroutine that is awaited, and its result.
class bare_task {
  public:
    struct promise_type : bare_promise {
        struct resume_awaiting {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
                return ended.promise().awaiting;
            }
            void await_resume() const noexcept {}
        };
        bare_task get_return_object() noexcept {
            return bare_task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        resume_awaiting final_suspend() const noexcept { return {}; }
        void return_value(int result) noexcept { value = result; }

        std::coroutine_handle<> awaiting;
        int value = 0;
    };

    bare_task(const bare_task&) = delete;
    bare_task& operator=(const bare_task&) = delete;
    ~bare_task() { coroutine_.destroy(); }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        coroutine_.promise().awaiting = awaiting;
        return coroutine_;
    }
    int await_resume() const noexcept { return coroutine_.promise().value; }

  private:
    explicit bare_task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}

    std::coroutine_handle<promise_type> coroutine_;
};

/// A coroutine that runs when it is resumed, and frees itself at its end.
struct bare_job {
    struct promise_type : bare_promise {
        bare_job get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
    };
    std::coroutine_handle<> coroutine;
};

/// Coroutines that take turns: a ring of handles, since a bare one has no link.
class bare_queue {
  public:
    struct turn {
        bare_queue& queue;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> coroutine) const noexcept { queue.push(coroutine); }
        void await_resume() const noexcept {}
    };

    void push(std::coroutine_handle<> coroutine) noexcept { places_[end_++ % places_.size()] = coroutine; }
    turn next_turn() noexcept { return {*this}; }
    void run() {
        while (begin_ != end_) places_[begin_++ % places_.size()].resume();
    }

  private:
    std::array<std::coroutine_handle<>, 256> places_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

bare_task give(int value) {
    co_return value;
}
bare_job finish() {
    co_return;
}
bare_job take_turns(bare_queue& queue, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) co_await queue.next_turn();
}

class bare_await final : public operation {
    void run(std::size_t count) override { await(count).coroutine.resume(); }
    static bare_job await(std::size_t count) {
        int sum = 0;
        for (std::size_t i = 0; i < count; ++i) sum += co_await give(1);
        use(sum);
    }
};

class bare_spawn final : public operation {
    static constexpr std::size_t at_once = 64;

    void run(std::size_t count) override {
        bare_queue queue;
        for (std::size_t i = 0; i < count; ++i) {
            queue.push(finish().coroutine);
            if (i % at_once == at_once - 1) queue.run();
        }
        queue.run();
    }
};

template <std::size_t Coroutines>
class bare_turns final : public operation {
    void run(std::size_t count) override {
        bare_queue queue;
        for (std::size_t i = 0; i < Coroutines; ++i) queue.push(take_turns(queue, count / Coroutines).coroutine);
        queue.run();
    }
};

/// Two coroutines of which one has a value for the other each time, by way of the queue: one turn of each.
class bare_hop final : public operation {
    void run(std::size_t count) override {
        bare_queue queue;
        int value = 0;
        queue.push(send(queue, value, count).coroutine);
        queue.push(receive(queue, value, count).coroutine);
        queue.run();
    }
    static bare_job send(bare_queue& queue, int& value, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            value = 1;
            co_await queue.next_turn();
        }
    }
    static bare_job receive(bare_queue& queue, int& value, std::size_t count) {
        int sum = 0;
        for (std::size_t i = 0; i < count; ++i) {
            sum += std::exchange(value, 0);
            co_await queue.next_turn();
        }
        use(sum);
    }
};

/// A list for each of many moments, as in a wheel with one level, in which a million timers are armed.
class bare_timer final : public operation {
    struct link {
        link* next = this;
        link* previous = this;

        void insert_before(link& other) noexcept {
            next = &other;
            previous = other.previous;
            previous->next = other.previous = this;
        }
        void unlink() noexcept {
            previous->next = next;
            next->previous = previous;
        }
    };

  public:
    bare_timer() : slots_(4096), armed_(1'000'000) {
        for (link& timer : armed_) timer.insert_before(some_slot());
    }

  private:
    void run(std::size_t count) override {
        link timer;
        for (std::size_t i = 0; i < count; ++i) {
            timer.insert_before(some_slot());
            use(timer);
            timer.unlink();
        }
    }
    link& some_slot() {
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        return slots_[random_ >> 52];
    }

    std::uint64_t random_ = 1;
    std::vector<link> slots_;
    std::vector<link> armed_;
};

/// A node of the heap that one thread makes and another one frees, by way of a stack: nobody sleeps or is woken.
class bare_hand_over final : public operation {
    struct node {
        node* next;
        std::array<void*, 2> content;  // as much as a posted function has
    };

  public:
    ~bare_hand_over() override {
        ordered_.store(stop);
        ordered_.notify_one();
    }

  private:
    static constexpr std::size_t stop = static_cast<std::size_t>(-1);

    void run(std::size_t count) override {
        ordered_.store(count);
        ordered_.notify_one();
        for (std::size_t arrived = 0; arrived < count;) {
            for (node* first = newest_.exchange(nullptr, std::memory_order_acquire); first != nullptr; ++arrived) {
                delete std::exchange(first, first->next);
            }
        }
        while (ordered_.load() != 0) std::this_thread::yield();
    }

    void hand_over_as_ordered() {
        for (;;) {
            ordered_.wait(0);
            const std::size_t count = ordered_.load();
            if (count == stop) return;
            for (std::size_t i = 0; i < count; ++i) {
                auto* const made = new node{newest_.load(std::memory_order_relaxed), {}};
                while (!newest_.compare_exchange_weak(made->next, made, std::memory_order_release,
                                                      std::memory_order_relaxed)) {
                }
            }
            ordered_.store(0);
        }
    }

    std::atomic<std::size_t> ordered_ = 0;
    std::atomic<node*> newest_ = nullptr;
    std::jthread thread_{[this] { hand_over_as_ordered(); }};
};

/// One look at an epoll instance that has nothing to tell.
class bare_look final : public operation {
  public:
    bare_look() {
        epoll_event interest{.events = EPOLLIN | EPOLLET, .data = {}};
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &interest);
    }
    ~bare_look() override {
        ::close(epoll_);
        ::close(wake_);
    }

  private:
    void run(std::size_t count) override {
        epoll_event ready;
        for (std::size_t i = 0; i < count; ++i) ::epoll_wait(epoll_, &ready, 1, 0);
    }

    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    int wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
};

constexpr entry all[] = {
    {"await_ready_task", make<bare_await>, true},
    {"spawn_and_finish", make<bare_spawn>, true},
    {"yield", make<bare_turns<1>>, true},
    {"yield_to_another", make<bare_turns<2>>, true},
    {"channel_hop", make<bare_hop>, true},
    {"mutex_hand_over", make<bare_turns<2>>, true},
    {"timer_arm_and_cancel", make<bare_timer>, true},
    {"post_from_other_thread", make<bare_hand_over>, false},
    {"empty_iteration", make<bare_look>, true},
};

}  // namespace

std::span<const entry> floors() {
    return all;
}

}  // namespace micro
