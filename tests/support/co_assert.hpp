#pragma once

#include <gtest/gtest.h>

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
