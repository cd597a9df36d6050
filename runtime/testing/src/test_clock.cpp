// A backend around another one, with a clock of its own. Its one hard idea is when to move that clock: a loop that
// asks to sleep has nothing to do, but its sockets may have. So the first time it asks, the backend below is given some
// real time, with nothing to end that but what happens; and only if the loop, having nothing to do still, asks again
// has everything come to rest.

#include <algorithm>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <sennit/event.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/testing/test_clock.hpp>

namespace sennit::testing {

struct test_clock::state {
    state(pace idle, duration real) : when_idle(idle), patience(real) {}

    const pace when_idle;
    const duration patience;
    bool used = false;
    time_point now{};
    std::optional<time_point> goal;  // of `advance`
    event reached;                   // the goal, and all is at rest
};

namespace {

class clocked_backend final : public backend {
  public:
    clocked_backend(std::unique_ptr<backend> real, std::shared_ptr<test_clock::state> clock)
        : real_(std::move(real)), clock_(std::move(clock)) {}

    std::string_view name() const noexcept override { return real_->name(); }
    void runs(const event_loop& loop) noexcept override {
        loop_ = &loop;
        real_->runs(loop);
    }
    time_point now() noexcept override { return clock_->now; }
    void submit(operation& what) noexcept override {
        at_rest_ = false;
        real_->submit(what);
    }
    void cancel(operation& what) noexcept override {
        at_rest_ = false;
        real_->cancel(what);
    }
    bool wait(time_point deadline) override;
    void wake() noexcept override {
        woken_.store(true, std::memory_order_release);
        real_->wake();
    }
    std::size_t in_flight() const noexcept override { return real_->in_flight(); }
    int poll_descriptor() const noexcept override { return real_->poll_descriptor(); }

    int open_socket(int domain, int type, int protocol) noexcept override {
        return real_->open_socket(domain, type, protocol);
    }
    int open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept override {
        return real_->open_socket_pair(domain, type, protocol, pair);
    }
    int bind(int fd, const sockaddr* address, std::uint32_t length) noexcept override {
        return real_->bind(fd, address, length);
    }
    int listen(int fd, int backlog) noexcept override { return real_->listen(fd, backlog); }
    int local_name(int fd, void* address, std::uint32_t& length) noexcept override {
        return real_->local_name(fd, address, length);
    }
    int peer_name(int fd, void* address, std::uint32_t& length) noexcept override {
        return real_->peer_name(fd, address, length);
    }
    int set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept override {
        return real_->set_option(fd, level, name, value, size);
    }
    int get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept override {
        return real_->get_option(fd, level, name, value, size);
    }
    int shutdown(int fd, int how) noexcept override {
        at_rest_ = false;
        return real_->shutdown(fd, how);
    }
    void close(int fd) noexcept override {
        at_rest_ = false;
        real_->close(fd);
    }

    simulated_machine* simulated() noexcept override { return real_->simulated(); }

  private:
    void wait_or_jump(time_point deadline);
    void come_to_rest();
    void move(time_point deadline);

    std::unique_ptr<backend> real_;
    std::shared_ptr<test_clock::state> clock_;
    const event_loop* loop_ = nullptr;
    std::atomic<bool> woken_{false};
    bool at_rest_ = false;  // the kernel had its time, and the loop has done nothing since
};

bool clocked_backend::wait(time_point deadline) {
    wait_or_jump(deadline);
    return deadline <= clock_->now;
}

void clocked_backend::wait_or_jump(time_point deadline) {
    if (woken_.exchange(false, std::memory_order_acquire)) at_rest_ = false;
    if (deadline <= clock_->now) {
        at_rest_ = false;
        real_->wait(time_point::min());
        return;
    }
    const bool jumps = clock_->when_idle == test_clock::pace::jumps && deadline != no_deadline;
    if (!(clock_->goal || jumps) || loop_->unfinished_blocking_calls() != 0) {
        at_rest_ = false;
        real_->wait(no_deadline);
        return;
    }
    if (std::exchange(at_rest_, false)) return move(deadline);
    come_to_rest();
}

/// Gives the kernel its time. Whatever it delivers gives the loop something to do, or is of no consequence.
void clocked_backend::come_to_rest() {
    const bool waits_for_kernel = real_->in_flight() != 0;
    const time_point end = waits_for_kernel ? real_->now() + clock_->patience : time_point::min();
    real_->wait(end);
    at_rest_ = real_->now() >= end;
}

/// To the next timer, or to the goal if that comes first.
void clocked_backend::move(time_point deadline) {
    if (clock_->goal && *clock_->goal < deadline) {
        clock_->now = *clock_->goal;
        clock_->reached.set();
    } else {
        clock_->now = deadline;
    }
}

}  // namespace

test_clock::test_clock(pace when_idle, duration patience) : state_(std::make_shared<state>(when_idle, patience)) {}

test_clock::~test_clock() = default;

chosen_backend test_clock::on(chosen_backend real) {
    if (std::exchange(state_->used, true))
        throw std::logic_error("test_clock: it is the clock of one loop; make another");
    state_->now = real.implementation->now();
    return {std::make_unique<clocked_backend>(std::move(real.implementation), state_), std::move(real.reason)};
}

time_point test_clock::now() const noexcept {
    return state_->now;
}

task<> test_clock::advance(duration by) {
    if (by < duration::zero()) throw std::invalid_argument("test_clock: time goes forwards only");
    const std::shared_ptr<state> clock = state_;
    if (!clock->used)
        throw std::logic_error("test_clock: no loop has this clock; make one by event_loop(clock.on(...))");
    if (clock->goal) throw std::logic_error("test_clock: somebody else is advancing it");
    struct goal_mark {
        state& clock;
        ~goal_mark() {
            clock.goal.reset();
            clock.reached.reset();
        }
    };
    clock->goal = clock->now + by;
    const goal_mark mark{*clock};
    co_await clock->reached.wait();
}

}  // namespace sennit::testing
