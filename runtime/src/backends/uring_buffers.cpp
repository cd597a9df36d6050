// The kernel's share of a loop's receive buffers. Its one hard idea: it is as small as it can be. The kernel goes
// through these buffers in a circle, so each of them becomes resident and cold in turn, while those in the pool are
// used again at once. So it begins with 16, and when the kernel has found none left, the share is doubled.
//
// - io_uring_register_buf_ring(3), Linux 5.19: whoever has it can also receive into it, so that registering is the
//   self-test. It is done for the first receive that needs it: the kernel pins the pages of the ring.
// - The tail shares its memory with the first entry, which has room for it.

#include "uring_buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace sennit {

namespace {

constexpr std::size_t most_entries = 1024;

std::size_t bytes_of(unsigned entries) noexcept {
    return entries * sizeof(io_uring_buf);
}

}  // namespace

uring_buffers::~uring_buffers() {
    if (shared_ == nullptr) return;
    for (; available_ != 0; --available_) {
        const unsigned slot = (shared_->tail - available_) & (entries_ - 1);
        pool_.give_back(pool_.at(shared_->bufs[slot].bid));
    }
    ::munmap(shared_, bytes_of(entries_));
}

void uring_buffers::try_to_open(uring_ring& ring) noexcept {
    state_ = state::absent;
    if (!ring.may_have_buffers()) return;
    entries_ = static_cast<unsigned>(std::bit_ceil(std::min(pool_.most(), most_entries)));
    wanted_ = std::min(wanted_, entries_);
    void* const memory =
        ::mmap(nullptr, bytes_of(entries_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    ::madvise(memory, bytes_of(entries_), MADV_DONTFORK);
    if (ring.register_buffers(memory, entries_, group) < 0) {
        ::munmap(memory, bytes_of(entries_));
        return;
    }
    shared_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_ring_init(shared_);
    state_ = state::open;
    refill();
}

void uring_buffers::add_buffers() noexcept {
    const int mask = io_uring_buf_ring_mask(entries_);
    const auto size = static_cast<unsigned>(pool_.buffer_size());
    if (std::exchange(ran_out_, false)) wanted_ = std::min(2 * wanted_, entries_);
    int added = 0;
    for (; available_ < wanted_; ++available_) {
        detail::pooled_buffer* const next = pool_.take();
        if (next == nullptr) break;
        io_uring_buf_ring_add(shared_, next->data, size, next->index, mask, added);
        ++added;
    }
    io_uring_buf_ring_advance(shared_, added);
}

}  // namespace sennit
