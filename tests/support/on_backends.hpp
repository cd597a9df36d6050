#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <system_error>

#include <sennit/event_loop.hpp>
#include <sennit/run.hpp>

namespace sennit::testing {

/// A test that runs once on each backend, from one source. A backend that this machine does not have is skipped, with
/// the reason.
class OnBackends : public ::testing::TestWithParam<backend_kind> {
  protected:
    virtual event_loop_options loop_options() const { return event_loop_options{GetParam()}; }

    void SetUp() override {
        try {
            loop_ = std::make_unique<event_loop>(loop_options());
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

inline std::string backend_label(const ::testing::TestParamInfo<backend_kind>& info) {
    return info.param == backend_kind::epoll ? "epoll" : "io_uring";
}

}  // namespace sennit::testing

/// Runs the tests of a fixture derived from OnBackends on every backend.
#define SENNIT_ON_ALL_BACKENDS(Fixture)                                                                          \
    INSTANTIATE_TEST_SUITE_P(Backends, Fixture,                                                                  \
                             ::testing::Values(::sennit::backend_kind::epoll, ::sennit::backend_kind::io_uring), \
                             ::sennit::testing::backend_label)
