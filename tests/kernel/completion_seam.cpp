// The two functions of liburing that this program brings itself: the linker prefers them to the library's. Its one hard
// idea: completions are memory that we share with the kernel, and it never reads them again. So what `io_uring_enter`
// has brought can be rewritten before anybody reads it.

#include "completion_seam.hpp"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace sennit::testing {

namespace {

completion_seam* current = nullptr;
io_uring* ring = nullptr;  // the last one that was made
unsigned sent = 0;         // up to here the submissions have been shown
unsigned seen = 0;         // up to here the completions have been shown

void show_submissions() {
    if (ring == nullptr || current == nullptr || !current->on_submission) return;
    const unsigned tail = *ring->sq.ktail;
    for (; sent != tail; ++sent) current->on_submission(ring->sq.sqes[sent & ring->sq.ring_mask]);
}

void show_completions() {
    if (ring == nullptr || current == nullptr || !current->on_completion) return;
    const unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
    for (; seen != tail; ++seen) current->on_completion(ring->cq.cqes[seen & ring->cq.ring_mask]);
}

}  // namespace

completion_seam::completion_seam() {
    current = this;
    ring = nullptr;
}

completion_seam::~completion_seam() {
    current = nullptr;
}

}  // namespace sennit::testing

using namespace sennit::testing;

extern "C" int io_uring_queue_init_params(unsigned entries, io_uring* made, io_uring_params* parameters) {
    static const auto original =
        reinterpret_cast<decltype(&io_uring_queue_init_params)>(::dlsym(RTLD_NEXT, "io_uring_queue_init_params"));
    if (original == nullptr) return -ENOSYS;
    const int error = original(entries, made, parameters);
    if (error == 0) ring = made;
    sent = seen = 0;
    return error;
}

extern "C" int io_uring_enter2(unsigned fd, unsigned count, unsigned wanted, unsigned flags, sigset_t* argument,
                               std::size_t size) {
    show_submissions();
    const long result = ::syscall(SYS_io_uring_enter, fd, count, wanted, flags, argument, size);
    const int outcome = result < 0 ? -errno : static_cast<int>(result);
    show_completions();
    return outcome;
}
