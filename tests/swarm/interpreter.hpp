#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/mutex.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>

#include "datagrams.hpp"
#include "program.hpp"
#include "record.hpp"
#include "streams.hpp"
#include "surroundings.hpp"

namespace sennit::swarm {

/// Runs a program as tasks of one loop and writes down what happens.
class interpreter {
  public:
    interpreter(surroundings& where, streams& connections, datagrams& letters, const program& plan);
    interpreter(const interpreter&) = delete;
    interpreter& operator=(const interpreter&) = delete;

    /// The whole program.
    task<> run();

    const observations& seen() const noexcept { return seen_; }
    /// Takes what nobody has received. To be called when all have ended.
    void empty_channels();

  private:
    /// Where a step stands: the group around it.
    struct place {
        task_group* group = nullptr;
    };

    moment now() { return {where_->now() - start_, ++order_}; }
    void begin(std::size_t id);
    void end(std::size_t id, outcome how, std::size_t error = 0);

    task<> run_sequence(const sequence& what, const place& where);
    task<> run_step(const step& what, const place& where);
    task<> act(const step& what, const place& where);
    task<> send(const step& what);
    task<> receive(const step& what);
    task<> run_locked(const step& what, const place& where);
    task<> run_with_permit(const step& what, const place& where);
    task<> run_group(const step& what);
    task<> run_with_timeout(const step& what, const place& where);
    task<> run_attempt(const step& what, const place& where);
    task<> run_and_clean_up(const step& what, const place& where);
    task<> run_all(const step& what, const place& where);

    surroundings* where_;
    streams* streams_;
    datagrams* datagrams_;
    const program* plan_;
    time_point start_;
    std::uint64_t order_ = 0;
    observations seen_;
    event was_cancelled_;  // from outside
    std::deque<event> events_;
    std::deque<mutex> mutexes_;
    std::deque<semaphore> semaphores_;
    std::deque<channel<std::size_t>> channels_;
};

}  // namespace sennit::swarm
