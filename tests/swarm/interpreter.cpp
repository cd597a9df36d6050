// Programs as tasks. The one hard idea: it takes no decision and judges nothing. It does what the program says with
// sennit's own means and writes down when each step began and how it ended; the model judges that afterwards.

#include "interpreter.hpp"

#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>

namespace sennit::swarm {

namespace {

/// What a step throws; `id` is the step that threw it.
class failure final : public std::exception {
  public:
    explicit failure(std::size_t step) noexcept : id(step) {}
    std::size_t id;
};

class returned_permit {
  public:
    explicit returned_permit(semaphore& owner) noexcept : owner_(owner) {}
    returned_permit(const returned_permit&) = delete;
    returned_permit& operator=(const returned_permit&) = delete;
    ~returned_permit() { owner_.release(); }

  private:
    semaphore& owner_;
};

}  // namespace

interpreter::interpreter(surroundings& where, streams& connections, datagrams& letters, const program& plan)
    : where_(&where),
      streams_(&connections),
      datagrams_(&letters),
      plan_(&plan),
      start_(where.now()),
      events_(plan.events),
      mutexes_(plan.mutexes) {
    seen_.of.resize(plan.ids);
    for (const std::size_t permits : plan.semaphores) semaphores_.emplace_back(permits);
    for (const std::size_t capacity : plan.channels) channels_.emplace_back(capacity);
    where.after(plan.waits_end, [this] {
        seen_.waits_ended = now();
        for (event& each : events_) each.set();
        for (auto& each : channels_) each.close();
    });
}

void interpreter::begin(std::size_t id) {
    if (seen_.of[id].began) throw disagreement("step " + std::to_string(id) + " began twice");
    seen_.of[id].began = now();
}

void interpreter::end(std::size_t id, outcome how, std::size_t error) {
    observation& seen = seen_.of[id];
    if (seen.ended) throw disagreement("step " + std::to_string(id) + " ended twice");
    seen.ended = now();
    seen.how = how;
    seen.error = error;
}

task<> interpreter::run() {
    const auto body = [&](task_group& group) -> task<> {
        if (plan_->cancelled_at) {
            where_->after(*plan_->cancelled_at, [&] {
                seen_.cancelled = now();
                group.cancel();
                was_cancelled_.set();
            });
        }
        try {
            co_await run_step(plan_->root, place());
        } catch (const failure&) {
            // Its end has been written down.
        }
        // The group must be there when its cancel comes.
        if (plan_->cancelled_at) co_await shield(was_cancelled_.wait());
    };
    co_await with_task_group(body);
}

void interpreter::empty_channels() {
    for (auto& each : channels_) {
        auto& left = seen_.left_in_channels.emplace_back();
        while (const auto value = each.try_recv()) left.push_back(*value);
    }
}

task<> interpreter::run_sequence(const sequence& what, const place& where) {
    begin(what.id);
    try {
        for (const step& each : what.steps) co_await run_step(each, where);
    } catch (const cancelled&) {
        end(what.id, outcome::cancelled);
        throw;
    } catch (const failure& thrown) {
        end(what.id, outcome::failed, thrown.id);
        throw;
    }
    end(what.id, outcome::done);
}

task<> interpreter::run_step(const step& what, const place& where) {
    begin(what.id);
    try {
        co_await act(what, where);
    } catch (const cancelled&) {
        end(what.id, outcome::cancelled);
        throw;
    } catch (const failure& thrown) {
        end(what.id, outcome::failed, thrown.id);
        throw;
    }
    end(what.id, outcome::done);
}

task<> interpreter::act(const step& what, const place& where) {
    switch (what.what) {
        case action::sleep: co_await sleep_for(what.time); break;
        case action::yield: co_await yield(); break;
        case action::fail: throw failure(what.id);
        case action::set: events_[what.object].set(); break;
        case action::wait: co_await events_[what.object].wait(); break;
        case action::send: co_await send(what); break;
        case action::receive: co_await receive(what); break;
        case action::close: channels_[what.object].close(); break;
        case action::transfer: co_await streams_->transfer(what.id, what.object); break;
        case action::exchange: co_await datagrams_->exchange(what.object); break;
        case action::spawn: where.group->spawn(run_sequence(what.parts[0], where)); break;
        case action::cancel: where.group->cancel(); break;
        case action::lock: co_await run_locked(what, where); break;
        case action::acquire: co_await run_with_permit(what, where); break;
        case action::group: co_await run_group(what); break;
        case action::with_timeout: co_await run_with_timeout(what, where); break;
        case action::move_on: co_await move_on_after(what.time, run_sequence(what.parts[0], where)); break;
        case action::shield: co_await shield(run_sequence(what.parts[0], where)); break;
        case action::attempt: co_await run_attempt(what, where); break;
        case action::clean_up: co_await run_and_clean_up(what, where); break;
        case action::all: co_await run_all(what, where); break;
        case action::any:
            co_await when_any(run_sequence(what.parts[0], where), run_sequence(what.parts[1], where));
            break;
    }
}

task<> interpreter::send(const step& what) {
    const auto sent = co_await as_result(channels_[what.object].send(what.id));
    seen_.of[what.id].refused = !sent;
}

task<> interpreter::receive(const step& what) {
    seen_.of[what.id].received = co_await channels_[what.object].recv();
}

task<> interpreter::run_locked(const step& what, const place& where) {
    const mutex_lock held = co_await mutexes_[what.object].lock();
    co_await run_sequence(what.parts[0], where);
}

task<> interpreter::run_with_permit(const step& what, const place& where) {
    semaphore& permits = semaphores_[what.object];
    co_await permits.acquire();
    const returned_permit later(permits);
    co_await run_sequence(what.parts[0], where);
}

task<> interpreter::run_group(const step& what) {
    place inside;
    const auto body = [&](task_group& group) -> task<> {
        inside.group = &group;
        co_await run_sequence(what.parts[0], inside);
    };
    co_await with_task_group(body);
}

task<> interpreter::run_with_timeout(const step& what, const place& where) {
    bool timed_out = false;
    try {
        if (what.object == 0) {
            co_await with_timeout(what.time, run_sequence(what.parts[0], where));
        } else {
            co_await with_deadline(where_->now() + what.time, run_sequence(what.parts[0], where));
        }
    } catch (const std::system_error& thrown) {
        if (thrown.code() != std::errc::timed_out) throw;
        timed_out = true;
    }
    if (timed_out) throw failure(what.id);
}

task<> interpreter::run_attempt(const step& what, const place& where) {
    try {
        co_await run_sequence(what.parts[0], where);
    } catch (const failure&) {
        // That is the purpose.
    }
}

task<> interpreter::run_and_clean_up(const step& what, const place& where) {
    bool was_cancelled = false;
    try {
        co_await run_sequence(what.parts[0], where);
    } catch (const cancelled&) {
        was_cancelled = true;
    }
    if (!was_cancelled) co_return;
    co_await shield(sleep_for(what.time));
    throw cancelled();
}

task<> interpreter::run_all(const step& what, const place& where) {
    std::vector<task<>> tasks;
    for (const sequence& each : what.parts) tasks.push_back(run_sequence(each, where));
    co_await when_all(std::move(tasks));
}

}  // namespace sennit::swarm
