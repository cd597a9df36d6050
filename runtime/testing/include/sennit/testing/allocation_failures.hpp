#pragma once

// Include this header in exactly one source file of a test program that uses `for_each_allocation_failure`. It replaces
// the program's operator new and delete, which only the program may do ([replacement.functions]), so that allocations
// of the tested tasks can be counted and made to fail. All others are served by malloc(3) as before.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <sennit/testing/explore.hpp>

namespace sennit::testing::detail {

inline void* allocate(std::size_t size) noexcept {
    return allocation_fails() ? nullptr : std::malloc(std::max<std::size_t>(size, 1));
}

inline void* allocate(std::size_t size, std::align_val_t alignment) noexcept {
    const auto step = static_cast<std::size_t>(alignment);
    // aligned_alloc(3) wants a multiple of the alignment.
    const std::size_t whole = (std::max<std::size_t>(size, 1) + step - 1) / step * step;
    return allocation_fails() ? nullptr : std::aligned_alloc(step, whole);
}

inline void* or_throw(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace sennit::testing::detail

void* operator new(std::size_t size) {
    return sennit::testing::detail::or_throw(sennit::testing::detail::allocate(size));
}
void* operator new[](std::size_t size) {
    return sennit::testing::detail::or_throw(sennit::testing::detail::allocate(size));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return sennit::testing::detail::or_throw(sennit::testing::detail::allocate(size, alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return sennit::testing::detail::or_throw(sennit::testing::detail::allocate(size, alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return sennit::testing::detail::allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return sennit::testing::detail::allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return sennit::testing::detail::allocate(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return sennit::testing::detail::allocate(size, alignment);
}

void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(memory);
}
