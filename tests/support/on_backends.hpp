#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sennit/event_loop.hpp>
#include <sennit/run.hpp>
#include <sennit/testing/sim_backend.hpp>

namespace sennit::testing {

/// What a test runs on: a kernel backend or the simulated world.
class test_backend {
  public:
    constexpr test_backend(backend_kind kind) noexcept : kind_(kind) {}
    static constexpr test_backend simulated() noexcept {
        test_backend chosen(backend_kind::automatic);
        chosen.simulated_ = true;
        return chosen;
    }

    bool is_simulated() const noexcept { return simulated_; }
    bool is(backend_kind kind) const noexcept { return !simulated_ && kind_ == kind; }
    const char* label() const noexcept {
        if (simulated_) return "sim";
        return kind_ == backend_kind::epoll ? "epoll" : "io_uring";
    }
    /// Made as the options say, of which `backend` is not looked at.
    chosen_backend make(event_loop_options options) const {
        options.backend = kind_;
        if (!simulated_) return make_backend(options);
        sim_options world;
        world.receive_buffers = options.receive_buffers;
        return make_sim_backend(world);
    }

    /// For tests that make further loops. Such loops would each be alone in a world of its own.
    operator backend_kind() const {
        if (simulated_) throw std::logic_error("a test that makes loops of its own must say SENNIT_NEEDS_KERNEL");
        return kind_;
    }

  private:
    backend_kind kind_;
    bool simulated_ = false;
};

inline std::ostream& operator<<(std::ostream& out, const test_backend& what) {
    return out << what.label();
}

/// A test that runs once on each backend, from one source. A backend that this machine does not have is skipped, with
/// the reason.
class OnBackends : public ::testing::TestWithParam<test_backend> {
  protected:
    virtual event_loop_options loop_options() const { return {}; }

    void SetUp() override {
        try {
            loop_ = std::make_unique<event_loop>(GetParam().make(loop_options()));
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
    }

    /// Every operation of the test has come back; then the loop ends.
    void TearDown() override {
        if (loop_ == nullptr) return;
        EXPECT_EQ(loop_->describe(), "") << "something still waits";
        loop_.reset();
    }

    event_loop& loop() { return *loop_; }

    /// Runs the coroutine that `body` returns to its end.
    template <class Body>
    auto run(Body body) {
        return loop_->run(body());
    }

  private:
    std::unique_ptr<event_loop> loop_;
};

/// Tests of what the simulated world does not have, such as other threads; the reason is printed where they are
/// skipped.
class OnKernelBackends : public OnBackends {
  protected:
    explicit OnKernelBackends(const char* reason) : reason_(reason) {}
    void SetUp() override {
        if (GetParam().is_simulated()) GTEST_SKIP() << reason_;
        OnBackends::SetUp();
    }

  private:
    const char* reason_;
};

inline std::string backend_label(const ::testing::TestParamInfo<test_backend>& info) {
    return info.param.label();
}

}  // namespace sennit::testing

/// Skips the simulated world in one test, with the reason.
#define SENNIT_NEEDS_KERNEL(reason) \
    if (GetParam().is_simulated()) GTEST_SKIP() << reason

/// Skips the kernel's backends in one test, with the reason.
#define SENNIT_NEEDS_SIMULATION(reason) \
    if (!GetParam().is_simulated()) GTEST_SKIP() << reason

/// Runs the tests of a fixture derived from OnBackends on every backend.
#define SENNIT_ON_ALL_BACKENDS(Fixture)                                                                         \
    INSTANTIATE_TEST_SUITE_P(Backends, Fixture,                                                                 \
                             ::testing::Values(::sennit::backend_kind::epoll, ::sennit::backend_kind::io_uring, \
                                               ::sennit::testing::test_backend::simulated()),                   \
                             ::sennit::testing::backend_label)
