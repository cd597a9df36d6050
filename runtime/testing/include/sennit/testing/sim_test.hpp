#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include <sennit/frame_pool.hpp>
#include <sennit/testing/sim_world.hpp>

namespace sennit::testing {

/// A GoogleTest fixture with a world in it. At the end of each test every task is cancelled and waited for; then no
/// descriptor may be open, no operation in flight and no coroutine frame left.
class SimTest : public ::testing::Test {
  protected:
    explicit SimTest(const sim_options& options = {}) : world(options) {}

    void TearDown() override {
        world.end_tasks();
        EXPECT_EQ(world.leaks(), "");
        EXPECT_EQ(sennit::detail::frame_pool::live(), frames_before_) << "coroutine frames";
        if (HasFailure()) RecordProperty("sim_seed", std::to_string(world.seed()));
    }

  private:
    std::ptrdiff_t frames_before_ = sennit::detail::frame_pool::live();  // before `world` is made

  protected:
    sim_world world;
};

}  // namespace sennit::testing
