// The receive buffers of a loop. Its one hard idea: memory is asked for by address space and paid for by use. Buffers
// are made 64 at a time, a page of one becomes resident when it is first written to, and what came back last is lent
// first; so a loop in which five connections receive at a time has touched five buffers.
//
// - mmap(2) and madvise(2): MADV_NOHUGEPAGE, or the first byte in a buffer could make 2 MiB resident.

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <new>

#include <sennit/detail/buffer_pool.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define SENNIT_POISON_BUFFERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SENNIT_POISON_BUFFERS 1
#endif
#endif
#ifdef SENNIT_POISON_BUFFERS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace sennit::detail {

namespace {

constexpr std::size_t most_numbers = std::size_t{std::numeric_limits<std::uint16_t>::max()} + 1;
constexpr std::size_t largest_buffer = std::size_t{1} << 30;

}  // namespace

buffer_pool::buffer_pool(const receive_buffer_options& options)
    : size_(std::clamp<std::size_t>(options.size, 1, largest_buffer)),
      most_(std::clamp<std::size_t>(options.most, 1, most_numbers)) {
    if (!grow()) throw std::bad_alloc();
}

buffer_pool::~buffer_pool() {
    for (const chunk& each : chunks_) {
        ASAN_UNPOISON_MEMORY_REGION(each.memory, each.length);  // the addresses may be used again
        ::munmap(each.memory, each.length);
    }
}

pooled_buffer* buffer_pool::take() noexcept {
    if (free_ == nullptr && !grow()) return nullptr;
    pooled_buffer* const first = free_;
    free_ = first->next_free;
    ++references_;
    return first;
}

void buffer_pool::give_back(pooled_buffer& buffer) noexcept {
    ASAN_POISON_MEMORY_REGION(buffer.data, size_);
    buffer.next_free = free_;
    free_ = &buffer;
    drop_reference();
}

bool buffer_pool::grow() noexcept {
    const std::size_t more = std::min(chunk_buffers, most_ - count_);
    if (more == 0) return false;
    const std::size_t length = more * size_;
    void* const memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    try {
        if (memory == MAP_FAILED) throw std::bad_alloc();
        chunks_.push_back({static_cast<std::byte*>(memory), length, std::make_unique<pooled_buffer[]>(more)});
    } catch (const std::bad_alloc&) {
        if (memory != MAP_FAILED) ::munmap(memory, length);
        most_ = count_;  // from now on, what there is must do
        return false;
    }
    ::madvise(memory, length, MADV_NOHUGEPAGE);

    ASAN_POISON_MEMORY_REGION(memory, length);
    chunk& made = chunks_.back();
    for (std::size_t i = more; i-- != 0;) {
        pooled_buffer& each = made.buffers[i];
        each.pool = this;
        each.data = made.memory + i * size_;
        each.index = static_cast<std::uint16_t>(count_ + i);
        each.next_free = free_;
        free_ = &each;
    }
    count_ += more;
    return true;
}

void pooled_buffer::give_back() noexcept {
    pool->give_back(*this);
}

void buffer_pool::unseal(const pooled_buffer& buffer) const noexcept {
    ASAN_UNPOISON_MEMORY_REGION(buffer.data, size_);
}

void buffer_pool::lend(pooled_buffer& buffer, std::int32_t filled) const noexcept {
    buffer.filled = static_cast<std::uint32_t>(filled);
    ASAN_POISON_MEMORY_REGION(buffer.data, size_);
    ASAN_UNPOISON_MEMORY_REGION(buffer.data, buffer.filled);
}

}  // namespace sennit::detail
