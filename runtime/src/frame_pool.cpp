// The slow path of the frame pool. Its one hard idea: the fast path must not pay for a thread-local object with a
// destructor, so the lists are plain data whose limit is zero at first. The first block that comes back lands
// here, registers a clean-up for the end of the thread and opens the lists.

#include <new>

#include <sennit/frame_pool.hpp>

namespace sennit::detail {

thread_local constinit frame_pool::free_list frame_pool::lists_[frame_pool::classes] = {};
thread_local constinit std::ptrdiff_t frame_pool::blocks_ = 0;

struct frame_pool::thread_cleanup {
    bool open = false;
    bool over = false;
    std::size_t bypasses = 0;

    void open_lists() noexcept {
        if (open || over || bypasses != 0) return;
        open = true;
        for (std::size_t size_class = 1; size_class < classes; ++size_class) {
            lists_[size_class].limit = bytes_per_class / size_of(size_class);
        }
    }

    /// Until they are opened again, every block goes to the heap.
    void close_lists() noexcept {
        open = false;
        for (free_list& list : lists_) {
            list.limit = 0;
            while (block* first = list.first) {
                list.first = first->next;
                --blocks_;
                ::operator delete(first);
            }
            list.count = 0;
        }
    }

    ~thread_cleanup() {
        over = true;
        close_lists();
    }
};

frame_pool::thread_cleanup& frame_pool::cleanup_of_this_thread() noexcept {
    thread_local thread_cleanup cleanup;
    return cleanup;
}

void* frame_pool::allocate_slow(std::size_t size) {
    void* const frame = ::operator new(size_of(class_of(size)));
    ++blocks_;
    return frame;
}

void frame_pool::deallocate_slow(void* frame, std::size_t) noexcept {
#if SENNIT_FRAME_POOL
    cleanup_of_this_thread().open_lists();
#endif
    --blocks_;
    ::operator delete(frame);
}

std::ptrdiff_t frame_pool::live() noexcept {
    std::ptrdiff_t waiting = 0;
    for (const free_list& list : lists_) waiting += static_cast<std::ptrdiff_t>(list.count);
    return blocks_ - waiting;
}

frame_pool::bypass::bypass() noexcept {
    thread_cleanup& cleanup = cleanup_of_this_thread();
    ++cleanup.bypasses;
    cleanup.close_lists();
}

frame_pool::bypass::~bypass() {
    --cleanup_of_this_thread().bypasses;
}

}  // namespace sennit::detail
