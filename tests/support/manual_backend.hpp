#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include <sennit/backend.hpp>
#include <sennit/detail/intrusive_list.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/request.hpp>
#include <sennit/run.hpp>

namespace sennit::testing {

/// A world in which nothing happens but what a test does, and time passes only when everybody waits for it: then
/// it jumps to the deadline. Polls (`wait_readable`) stay pending until `make_ready`; sockets there are none.
class manual_backend final : public backend {
  public:
    std::string_view name() const noexcept override { return "manual"; }
    time_point now() noexcept override { return now_; }

    void submit(operation& what) noexcept override {
        ++in_flight_;
        pending_.push_back(what);
        if (!std::holds_alternative<poll_request>(what.what())) end(what, -ENOTSUP);
    }

    void cancel(operation& what) noexcept override {
        if (!what.in_flight.result_known) end(what, std::exchange(answer_to_cancel_, -ECANCELED));
    }

    bool wait(time_point deadline) override {
        ++waits_;
        if (!ended_.empty()) {
            operation_list batch;
            batch.splice_back(ended_);
            while (!batch.empty()) deliver(batch.pop_front());
        } else if (!woken_.exchange(false) && deadline > now_) {
            if (deadline == no_deadline) {
                std::fputs("manual_backend: everybody waits and nothing can happen any more\n", stderr);
                std::abort();
            }
            now_ = deadline;
        }
        return deadline <= now_;
    }

    void wake() noexcept override { woken_ = true; }
    std::size_t in_flight() const noexcept override { return in_flight_; }
    int poll_descriptor() const noexcept override { return -ENOTSUP; }

    int open_socket(int, int, int) noexcept override { return -ENOTSUP; }
    int open_socket_pair(int, int, int, int (&)[2]) noexcept override { return -ENOTSUP; }
    int bind(int, const sockaddr*, std::uint32_t) noexcept override { return -ENOTSUP; }
    int listen(int, int) noexcept override { return -ENOTSUP; }
    int local_name(int, void*, std::uint32_t&) noexcept override { return -ENOTSUP; }
    int peer_name(int, void*, std::uint32_t&) noexcept override { return -ENOTSUP; }
    int set_option(int, int, int, const void*, std::uint32_t) noexcept override { return -ENOTSUP; }
    int get_option(int, int, int, void*, std::uint32_t&) noexcept override { return -ENOTSUP; }
    int shutdown(int, int) noexcept override { return -ENOTSUP; }
    void close(int) noexcept override {}

    // For tests.

    /// Ends the polls of `fd` with this mask of events.
    void make_ready(int fd, std::int32_t events) {
        operation_list others;
        while (!pending_.empty()) {
            operation& each = pending_.pop_front();
            others.push_back(each);
            if (descriptor_of(each.what()) == fd) end(each, events);
        }
        pending_.splice_back(others);
    }

    /// The next operation that is cancelled ends with this result all the same.
    void answer_cancel_with(std::int32_t result) { answer_to_cancel_ = result; }

    /// Time that passes while somebody computes.
    void spend(duration time) { now_ += time; }

    /// How often the loop has asked what has happened.
    std::size_t waits() const { return waits_; }

  private:
    using operation_list = detail::intrusive_list<operation, detail::backend_tag>;

    void end(operation& what, std::int32_t result) noexcept {
        static_cast<detail::list_hook<detail::backend_tag>&>(what).unlink();
        what.in_flight.result_known = true;
        what.keep_result(result);
        ended_.push_back(what);
    }

    void deliver(operation& what) noexcept {
        --in_flight_;
        what.complete({what.kept_result()});
    }

    time_point now_{std::chrono::hours(1)};
    std::atomic<bool> woken_{false};
    std::size_t in_flight_ = 0;
    std::size_t waits_ = 0;
    std::int32_t answer_to_cancel_ = -ECANCELED;
    operation_list pending_;
    operation_list ended_;
};

/// A test in which time is made up: what it says about time is exact, and no test waits for real.
class OnVirtualTime : public ::testing::Test {
  protected:
    void TearDown() override { EXPECT_EQ(loop_->describe(), "") << "something still waits"; }

    event_loop& loop() { return *loop_; }
    manual_backend& world() { return *world_; }

    /// How long the test has taken.
    duration elapsed() { return loop_->now() - start_; }

    template <class Body>
    auto run(Body body) {
        return loop_->run(body());
    }

  private:
    std::unique_ptr<manual_backend> made_ = std::make_unique<manual_backend>();
    manual_backend* world_ = made_.get();
    std::unique_ptr<event_loop> loop_ = std::make_unique<event_loop>(chosen_backend{std::move(made_), "for a test"});
    time_point start_ = loop_->now();
};

}  // namespace sennit::testing
