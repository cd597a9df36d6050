// What the scheduler does between two system calls, each as a loop inside one task. Its one hard idea: a loop is
// measured in batches of thousands, so that starting it costs nothing that would be seen.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <sennit/channel.hpp>
#include <sennit/detail/timer.hpp>
#include <sennit/event.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/frame_pool.hpp>
#include <sennit/mutex.hpp>
#include <sennit/run.hpp>
#include <sennit/task_group.hpp>
#include <sennit/yield.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "operations.hpp"
#include "use.hpp"

namespace micro {

namespace {

using namespace sennit;

/// Runs on a loop of its own. epoll, because valgrind knows its system calls; none of these operations makes one, but
/// for the empty iteration.
class on_loop : public operation {
  protected:
    event_loop loop_{event_loop_options{backend_kind::epoll}};
};

task<int> give(int value) {
    co_return value;
}
task<> finish() {
    co_return;
}

class await_ready_task final : public on_loop {
    void run(std::size_t count) override { loop_.run(await(count)); }
    static task<> await(std::size_t count) {
        int sum = 0;
        for (std::size_t i = 0; i < count; ++i) sum += co_await give(1);
        use(sum);
    }
};

class spawn_and_finish final : public on_loop {
    // So many live at the same time: with one, the yield below would be half of what is measured.
    static constexpr std::size_t at_once = 64;

    void run(std::size_t count) override { loop_.run(spawn(count)); }
    static task<> spawn(std::size_t count) {
        co_await with_task_group([&](task_group& group) -> task<> {
            for (std::size_t i = 0; i < count; ++i) {
                group.spawn(finish());
                if (i % at_once == at_once - 1) co_await yield();
            }
        });
    }
};

class yield_turn final : public on_loop {
    void run(std::size_t count) override { loop_.run(repeat(count)); }
    static task<> repeat(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) co_await yield();
    }
};

class yield_to_another final : public on_loop {
    void run(std::size_t count) override { loop_.run(take_turns(count)); }
    static task<> repeat(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) co_await yield();
    }
    static task<> take_turns(std::size_t count) {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(repeat(count / 2));
            group.spawn(repeat(count - count / 2));
            co_return;
        });
    }
};

class channel_hop final : public on_loop {
    void run(std::size_t count) override { loop_.run(transfer(count)); }
    static task<> send(channel<int>& target, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) co_await target.send(1);
    }
    static task<> transfer(std::size_t count) {
        channel<int> values(0);
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn(send(values, count));
            int sum = 0;
            for (std::size_t i = 0; i < count; ++i) {
                const std::optional<int> value = co_await values.recv();
                sum += *value;
            }
            use(sum);
        });
    }
};

class mutex_hand_over final : public on_loop {
    void run(std::size_t count) override { loop_.run(contend(count)); }
    static task<> take(mutex& shared, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const mutex_lock lock = co_await shared.lock();
            use(lock);
        }
    }
    static task<> contend(std::size_t count) {
        mutex shared;
        co_await with_task_group([&](task_group& group) -> task<> {
            // Both wait before the first lock is given up; from then on whoever unlocks finds the other waiting.
            const mutex_lock first = co_await shared.lock();
            group.spawn(take(shared, count / 2));
            group.spawn(take(shared, count - count / 2));
            co_await yield();
        });
    }
};

class idle_timer final : public detail::timer {
    void expire() noexcept override {}
};

class timer_arm_and_cancel final : public on_loop {
  public:
    timer_arm_and_cancel() : armed_(1'000'000) {
        for (idle_timer& timer : armed_) loop_.arm(timer, some_time());
    }
    ~timer_arm_and_cancel() override {
        for (idle_timer& timer : armed_) loop_.disarm(timer);
    }

  private:
    void run(std::size_t count) override {
        idle_timer timer;
        for (std::size_t i = 0; i < count; ++i) {
            loop_.arm(timer, some_time());
            loop_.disarm(timer);
        }
    }
    /// From a second to a little over an hour from the start: timeouts as servers have them.
    time_point some_time() {
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        return start_ + std::chrono::seconds(1) + std::chrono::microseconds(random_ >> 32);
    }

    time_point start_ = loop_.now();
    std::uint64_t random_ = 1;
    std::vector<idle_timer> armed_;
};

class post_from_same_thread final : public on_loop {
    static constexpr std::size_t at_once = 64;

    void run(std::size_t count) override {
        std::size_t arrived = 0;
        for (std::size_t posted = 0; posted < count;) {
            for (std::size_t i = 0; i < at_once && posted < count; ++i, ++posted) {
                loop_.post([&arrived] { ++arrived; });
            }
            while (arrived < posted) loop_.run_once();
        }
    }
};

class post_from_other_thread final : public on_loop {
  public:
    ~post_from_other_thread() override {
        ordered_.store(stop);
        ordered_.notify_one();
    }

  private:
    static constexpr std::size_t stop = static_cast<std::size_t>(-1);

    void run(std::size_t count) override {
        missing_ = count;
        all_arrived_.reset();
        ordered_.store(count);
        ordered_.notify_one();
        loop_.run(wait_for_all());
        while (ordered_.load() != 0) std::this_thread::yield();
    }

    task<> wait_for_all() { co_await all_arrived_.wait(); }

    void arrive() {
        if (--missing_ == 0) all_arrived_.set();
    }

    void post_as_ordered() {
        for (;;) {
            ordered_.wait(0);
            const std::size_t count = ordered_.load();
            if (count == stop) return;
            for (std::size_t i = 0; i < count; ++i) loop_.post([this] { arrive(); });
            ordered_.store(0);
        }
    }

    std::atomic<std::size_t> ordered_ = 0;
    std::size_t missing_ = 0;
    event all_arrived_;
    std::jthread thread_{[this] { post_as_ordered(); }};
};

class empty_iteration final : public on_loop {
    void run(std::size_t count) override {
        for (std::size_t i = 0; i < count; ++i) loop_.run_once();
    }
};

class frame_allocation final : public operation {
    void run(std::size_t count) override {
        constexpr std::size_t size = 192;  // a coroutine with a few locals and one operation
        for (std::size_t i = 0; i < count; ++i) {
            void* const frame = detail::frame_pool::allocate(size);
            use(frame);
            detail::frame_pool::deallocate(frame, size);
        }
    }
};

constexpr entry all[] = {
    {"await_ready_task", make<await_ready_task>, true},
    {"spawn_and_finish", make<spawn_and_finish>, true},
    {"yield", make<yield_turn>, true},
    {"yield_to_another", make<yield_to_another>, true},
    {"channel_hop", make<channel_hop>, true},
    {"mutex_hand_over", make<mutex_hand_over>, true},
    {"timer_arm_and_cancel", make<timer_arm_and_cancel>, true},
    {"post_from_same_thread", make<post_from_same_thread>, true},
    {"post_from_other_thread", make<post_from_other_thread>, false},
    {"empty_iteration", make<empty_iteration>, true},
    {"frame_allocation", make<frame_allocation>, true},
};

}  // namespace

std::span<const entry> operations() {
    return all;
}

}  // namespace micro
