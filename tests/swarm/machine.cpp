// A program on a real backend. The one hard idea: its peer is a task of the same loop, so what goes over the loopback
// interface needs no thread, and the record of a run has one order.

#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <sennit/event_loop.hpp>
#include <sennit/frame_pool.hpp>
#include <sennit/run.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>

#include "interpreter.hpp"
#include "model.hpp"
#include "run_seed.hpp"

namespace sennit::swarm {

namespace {

/// Far more than a program takes that takes milliseconds.
constexpr duration patience = std::chrono::minutes(2);

const net::endpoint any_port("127.0.0.1", 0);

class machine final : public surroundings {
  public:
    explicit machine(event_loop& loop) noexcept : loop_(&loop) {}

    /// Where what is to come later waits.
    void use(task_group& helpers) noexcept { helpers_ = &helpers; }

    time_point now() override { return loop_->now(); }
    void after(duration delay, std::function<void()> what) override {
        helpers_->spawn(call_after(delay, std::move(what)));
    }
    bool is_quiet() const override { return true; }
    bool may_double() const override { return false; }

  private:
    static task<> call_after(duration delay, std::function<void()> what) {
        co_await sleep_for(delay);
        what();
    }

    event_loop* loop_;
    task_group* helpers_ = nullptr;
};

/// One run, with all that it needs.
class machine_run {
  public:
    machine_run(event_loop& loop, const program& plan)
        : loop_(loop), plan_(plan), where_(loop), streams_(where_, found_), datagrams_(where_, found_, any_port) {}
    machine_run(const machine_run&) = delete;
    machine_run& operator=(const machine_run&) = delete;

    task<> run() {
        co_await with_task_group([this](task_group& helpers) -> task<> {
            co_await run_with(helpers);
            helpers.cancel();
        });
    }

    verdict result() const {
        verdict made;
        made.complaint = found_.first();
        made.story = describe(plan_, tasks_->seen());
        made.seen = tasks_->seen();
        made.connections = streams_.connections();
        made.bytes = streams_.bytes();
        made.datagrams = datagrams_.arrived();
        return made;
    }

  private:
    task<> run_with(task_group& helpers) {
        where_.use(helpers);
        co_await streams_.listen(any_port);
        co_await datagrams_.listen(any_port, any_port);
        helpers.spawn(streams_.serve());
        helpers.spawn(datagrams_.serve());
        where_.after(patience, [&] {
            found_.note("did not come to an end\n" + loop_.describe());
            helpers.cancel();
        });
        tasks_.emplace(where_, streams_, datagrams_, plan_);
        try {
            co_await tasks_->run();
            co_await streams_.all_ended();
            tasks_->empty_channels();
            check_order(plan_, tasks_->seen());
            check_shared(plan_, tasks_->seen(), timing::late);
        } catch (const std::exception& what) {
            found_.note(what.what());
        } catch (const cancelled&) {
            // It was given up, which has been noted.
        }
    }

    event_loop& loop_;
    const program& plan_;
    machine where_;
    complaints found_;
    streams streams_;
    datagrams datagrams_;
    std::optional<interpreter> tasks_;
};

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
}

}  // namespace

verdict run_on_machine(std::uint64_t seed, backend_kind backend) {
    verdict result;
    const program plan = for_the_machine(generate(seed));
    const std::ptrdiff_t frames_before = sennit::detail::frame_pool::live();
    const std::ptrdiff_t descriptors_before = open_descriptors();
    std::string waits;
    {
        event_loop loop(event_loop_options{.backend = backend});
        machine_run all(loop, plan);
        loop.run(all.run());
        result = all.result();
        waits = loop.describe();
    }
    const std::ptrdiff_t frames = sennit::detail::frame_pool::live() - frames_before;
    const std::ptrdiff_t descriptors = open_descriptors() - descriptors_before;
    if (!result.complaint.empty()) return result;
    if (!waits.empty()) result.complaint = "something still waits\n" + waits;
    if (frames != 0) result.complaint = std::to_string(frames) + " coroutine frames left";
    if (descriptors != 0) result.complaint = std::to_string(descriptors) + " descriptors left";
    return result;
}

}  // namespace sennit::swarm
