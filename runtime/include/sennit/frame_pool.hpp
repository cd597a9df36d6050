#pragma once

#include <cstddef>

// Sanitizers must see each frame come and go, or a use of a destroyed coroutine would read recycled memory unnoticed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SENNIT_FRAME_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SENNIT_FRAME_POOL 0
#endif
#endif
#ifndef SENNIT_FRAME_POOL
#define SENNIT_FRAME_POOL 1
#endif

namespace sennit::detail {

/// Per-thread free lists of coroutine frames, one for each size of heap block up to 8 KiB: a heap that keeps a word in
/// front of each block and aligns them to 16 bytes, as glibc's does, has nothing left over then. A frame's memory is
/// an ordinary heap block, so a frame may be freed on another thread than the one that made it. The lists are
/// bounded: what comes back above the bound goes to the heap at once.
class frame_pool {
  public:
    static void* allocate(std::size_t size) {
#if SENNIT_FRAME_POOL
        const std::size_t size_class = class_of(size);
        if (size_class < classes) [[likely]] {
            free_list& list = lists_[size_class];
            if (block* first = list.first; first != nullptr) [[likely]] {
                list.first = first->next;
                --list.count;
                return first;
            }
        }
#endif
        return allocate_slow(size);
    }

    static void deallocate(void* frame, std::size_t size) noexcept {
#if SENNIT_FRAME_POOL
        const std::size_t size_class = class_of(size);
        if (size_class < classes) [[likely]] {
            free_list& list = lists_[size_class];
            if (list.count < list.limit) [[likely]] {
                list.first = new (frame) block{list.first};
                ++list.count;
                return;
            }
        }
#endif
        deallocate_slow(frame, size);
    }

    /// Frames of this thread that are in use. It counts what this thread frees against what it allocated, so it is of
    /// use where frames stay on one thread, as in a test. For reports of leaks: it looks through all lists.
    static std::ptrdiff_t live() noexcept;

    /// While it exists, each frame of this thread comes from `operator new` and goes back to `operator delete`: for
    /// tests in which allocations fail. The lists are empty meanwhile, so the fast path knows nothing of it.
    class bypass {
      public:
        bypass() noexcept;
        bypass(const bypass&) = delete;
        bypass& operator=(const bypass&) = delete;
        ~bypass();
    };

  private:
    struct block {
        block* next;
        static void* operator new(std::size_t, void* where) noexcept { return where; }
    };
    struct free_list {
        block* first;
        std::size_t count;
        std::size_t limit;  // 0 until the thread's clean-up is registered
    };

    static constexpr std::size_t granule = 16;
    static constexpr std::size_t heap_word = 8;
    static constexpr std::size_t classes = 514;
    static constexpr std::size_t bytes_per_class = std::size_t{1} << 20;

    static constexpr std::size_t class_of(std::size_t size) noexcept {
        return (size + heap_word + granule - 1) / granule;
    }
    static constexpr std::size_t size_of(std::size_t size_class) noexcept {
        return size_class * granule - heap_word;
    }

    struct thread_cleanup;
    static thread_cleanup& cleanup_of_this_thread() noexcept;
    static void* allocate_slow(std::size_t size);
    static void deallocate_slow(void* frame, std::size_t size) noexcept;

    // Constant-initialised and trivially destructible: reading it costs no guard. `thread_cleanup` empties it.
    static thread_local constinit free_list lists_[classes];
    // Blocks from the heap that have not gone back there, so the fast path counts nothing.
    static thread_local constinit std::ptrdiff_t blocks_;
};

}  // namespace sennit::detail
