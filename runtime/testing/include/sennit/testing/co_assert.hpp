#pragma once

#include <gtest/gtest.h>

#include <sennit/result.hpp>

// GoogleTest's ASSERT_* leave a function with `return`, which no coroutine may. These leave a `task<>` with co_return.
// Await into a local first: `const auto n = co_await f(); CO_ASSERT_EQ(n, 3);`

#define SENNIT_CO_FAIL_(message) co_return GTEST_MESSAGE_(message, ::testing::TestPartResult::kFatalFailure)

#define CO_ASSERT_TRUE(condition) GTEST_TEST_BOOLEAN_(condition, #condition, false, true, SENNIT_CO_FAIL_)
#define CO_ASSERT_FALSE(condition) GTEST_TEST_BOOLEAN_(!(condition), #condition, true, false, SENNIT_CO_FAIL_)

#define CO_ASSERT_EQ(left, right) \
    GTEST_PRED_FORMAT2_(::testing::internal::EqHelper::Compare, left, right, SENNIT_CO_FAIL_)
#define CO_ASSERT_NE(left, right) GTEST_PRED_FORMAT2_(::testing::internal::CmpHelperNE, left, right, SENNIT_CO_FAIL_)
#define CO_ASSERT_LT(left, right) GTEST_PRED_FORMAT2_(::testing::internal::CmpHelperLT, left, right, SENNIT_CO_FAIL_)
#define CO_ASSERT_LE(left, right) GTEST_PRED_FORMAT2_(::testing::internal::CmpHelperLE, left, right, SENNIT_CO_FAIL_)
#define CO_ASSERT_GT(left, right) GTEST_PRED_FORMAT2_(::testing::internal::CmpHelperGT, left, right, SENNIT_CO_FAIL_)
#define CO_ASSERT_GE(left, right) GTEST_PRED_FORMAT2_(::testing::internal::CmpHelperGE, left, right, SENNIT_CO_FAIL_)

#define CO_FAIL() SENNIT_CO_FAIL_("Failed")

/// Awaits the operation, which must fail with a `std::system_error` whose code equals `condition`.
#define CO_ASSERT_ERROR(condition, operation)                                         \
    do {                                                                              \
        const auto sennit_outcome_ = co_await ::sennit::as_result(operation);         \
        CO_ASSERT_EQ(sennit_outcome_.error(), condition) << "outcome of " #operation; \
    } while (false)

// GoogleTest's EXPECT_* can be used as they are. These are the same, for tests that are written in pairs with
// CO_ASSERT_*.

#define CO_EXPECT_TRUE(condition) EXPECT_TRUE(condition)
#define CO_EXPECT_FALSE(condition) EXPECT_FALSE(condition)
#define CO_EXPECT_EQ(left, right) EXPECT_EQ(left, right)
#define CO_EXPECT_NE(left, right) EXPECT_NE(left, right)
#define CO_EXPECT_LT(left, right) EXPECT_LT(left, right)
#define CO_EXPECT_LE(left, right) EXPECT_LE(left, right)
#define CO_EXPECT_GT(left, right) EXPECT_GT(left, right)
#define CO_EXPECT_GE(left, right) EXPECT_GE(left, right)

#define CO_EXPECT_ERROR(condition, operation)                                      \
    do {                                                                           \
        const auto sennit_outcome_ = co_await ::sennit::as_result(operation);      \
        EXPECT_EQ(sennit_outcome_.error(), condition) << "outcome of " #operation; \
    } while (false)
