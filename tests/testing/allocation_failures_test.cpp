// Allocations that fail, one after the other, in everything that the library does. This file replaces operator new for
// the whole test program, as the exploration asks for.

#include <gtest/gtest.h>

#include <sennit/testing/allocation_failures.hpp>
#include <sennit/testing/explore.hpp>

namespace sennit::testing {
namespace {

}  // namespace
}  // namespace sennit::testing
