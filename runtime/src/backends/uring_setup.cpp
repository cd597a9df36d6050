// How a ring comes into being: the ladder of set-up flags and the self-test. Its one hard idea: what a kernel can
// do is found out by doing it. Version numbers lie in patched kernels and containers, and IORING_REGISTER_PROBE
// knows operations but not their flags. So the test submits what the backend will submit and looks at the answer.
//
// - EINVAL for unknown set-up flags: one rung down. EPERM: kernel.io_uring_disabled (Linux 6.6) or a seccomp
//   filter, which no other flags would please. EMFILE and ENFILE are the program's own trouble, not io_uring's.
// - Some seccomp filters let io_uring_setup pass and stop io_uring_enter: only a round trip tells.
// - Imitations of Linux may drop completions when the queue is full (no NODROP) or lack the timeout of enter (no
//   EXT_ARG). RSRC_TAGS came with Linux 5.13, as did the multishot poll.
// - A receive that stays armed takes bytes and an end of stream that come before it is looked at for one event, and
//   never tells of the end (CVE-2026-23473, mended in March 2026). That needs no race, so it is tried.
// - With SINGLE_ISSUER, and with a registered ring, only the thread that set the ring up may use it. An event
//   loop belongs to its thread anyway, so there is no detour by way of R_DISABLED.
// - The memory of the ring stays out of a child after fork(2): the kernel refuses what the child submits
//   but would let it garble the parent's queues.
// - With DEFER_TASKRUN the ring's descriptor does not poll readable when something has happened: what would post the
//   completion is the very thread that sleeps in poll(2). An eventfd registered with the ring is told of it, but where
//   the completion comes from an eventfd as well the kernel (seen on Linux 6.18, io_uring/eventfd.c) tells it
//   once and never again. So a ring that a host loop polls stays off that rung.
// - A thread that sleeps in enter counts as waiting for a disk, and its processor as busy, without NO_IOWAIT.

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "uring_buffers.hpp"
#include "uring_constants.hpp"
#include "uring_ring.hpp"

namespace sennit {

namespace {

using rung = uring_options::rung;

constexpr std::chrono::seconds test_patience{5};
constexpr int test_attempts = 1000;  // for signals may interrupt them

struct rung_traits {
    rung which;
    unsigned flags;
    const char* name;
};

constexpr rung_traits ladder[] = {
    {rung::defer, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL, "DEFER_TASKRUN"},
    {rung::coop, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL, "COOP_TASKRUN"},
    {rung::plain, 0, "no TASKRUN flags"},
};

std::string error_name(int error) {
    switch (error) {
        case EPERM: return "EPERM";
        case EACCES: return "EACCES";
        case ENOSYS: return "ENOSYS";
        case ENOMEM: return "ENOMEM";
        case EINVAL: return "EINVAL";
        default: return std::system_category().message(error);
    }
}

const char* explain_setup(int error) {
    switch (error) {
        case EPERM:
        case EACCES: return " (seccomp or kernel.io_uring_disabled)";
        case ENOSYS: return " (kernel without io_uring)";
        case ENOMEM: return " (limit on memory or on locked memory)";
        case EINVAL: return " (kernel too old)";
        default: return "";
    }
}

[[noreturn]] void fail_setup(int error) {
    if (error == EMFILE || error == ENFILE) throw std::system_error(error, std::system_category(), "io_uring_setup");
    throw uring_unavailable(error, "io_uring_setup " + error_name(error) + explain_setup(error));
}

[[noreturn]] void fail_test(const char* what) {
    throw uring_unavailable(ENOTSUP, std::string("io_uring self-test: ") + what);
}

std::string kernel_version() {
    utsname names;
    if (::uname(&names) != 0) return "unknown";
    const std::string_view release = names.release;
    const auto dot = release.find('.');
    if (dot == release.npos) return std::string(release);
    return std::string(release.substr(0, release.find_first_not_of("0123456789", dot + 1)));
}

}  // namespace

uring_ring::uring_ring(const uring_options& options) : pollable_(options.pollable) {
    const rung wanted = options.pollable && options.wanted == rung::defer ? rung::automatic : options.wanted;
    for (const rung_traits& step : ladder) {
        if (wanted != rung::automatic && wanted != step.which) continue;
        if (options.pollable && step.which == rung::defer) continue;
        io_uring_params parameters{};
        parameters.flags = step.flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        parameters.cq_entries = options.cq_entries != 0 ? options.cq_entries : 4 * options.entries;
        const int error = -io_uring_queue_init_params(options.entries, &ring_, &parameters);
        if (error == 0) {
            rung_ = step.which;
            return;
        }
        const bool last = step.which == rung::plain || wanted != rung::automatic;
        if (error != EINVAL || last) fail_setup(error);
    }
}

uring_ring::uring_ring(const uring_options& options, int wake_descriptor) : uring_ring(options) {
    constexpr unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;
    if ((ring_.features & needed) != needed) {
        throw uring_unavailable(ENOTSUP, "io_uring lacks NODROP, EXT_ARG or RSRC_TAGS (kernel before 5.13)");
    }
    if ((ring_.features & IORING_FEAT_CQE_SKIP) != 0) skip_success_ = IOSQE_CQE_SKIP_SUCCESS;
    if ((ring_.features & uring_constants::feature_no_iowait) != 0) {
        base_flags_ |= uring_constants::enter_no_iowait;
    }
    // Saves looking the descriptor up in each enter, from Linux 5.18 on.
    if (io_uring_register_ring_fd(&ring_) == 1) base_flags_ |= IORING_ENTER_REGISTERED_RING;
    io_uring_ring_dontfork(&ring_);

    const answer nothing = ask([](io_uring_sqe& entry) { io_uring_prep_nop(&entry); });
    if (nothing.result != 0) fail_test("a NOP fails");

    // An event descriptor is no socket; but the flags of an accept and a receive are looked at before that.
    const answer accepted =
        ask([&](io_uring_sqe& entry) { io_uring_prep_multishot_accept(&entry, wake_descriptor, nullptr, nullptr, 0); });
    // Kernels of the last rung have no multishot accept; forcing the rung shows what they do.
    multishot_accept_ = rung_ != rung::plain && accepted.result == -ENOTSOCK;
    const answer received = ask([&](io_uring_sqe& entry) {
        io_uring_prep_recv_multishot(&entry, wake_descriptor, nullptr, 0, 0);
        entry.flags |= IOSQE_BUFFER_SELECT;
    });
    // On other rungs the kernel may look between the two system calls of the test.
    multishot_receive_ = rung_ == rung::defer && received.result == -ENOTSOCK && hears_of_the_end();

    ::eventfd_write(wake_descriptor, 1);
    const answer woken = ask([&](io_uring_sqe& entry) { prepare_poll(entry, uring_errand::wake, wake_descriptor); });
    if (woken.result < 0 || (woken.flags & IORING_CQE_F_MORE) == 0) fail_test("no multishot poll");
}

/// Whether a receive that stays armed hears of the end of a stream when that comes at once after bytes.
bool uring_ring::hears_of_the_end() {
    constexpr std::size_t page = 4096;
    constexpr std::uint16_t group = uring_buffers::group + 1;
    const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(page, page), &std::free);
    int ends[2];
    if (memory == nullptr || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;

    bool heard = false;
    if (register_buffers(memory.get(), 2, group) == 0) {
        auto* const shared = static_cast<io_uring_buf_ring*>(memory.get());
        char room[2];
        io_uring_buf_ring_init(shared);
        for (std::uint16_t i = 0; i != 2; ++i) io_uring_buf_ring_add(shared, &room[i], 1, i, 1, i);
        io_uring_buf_ring_advance(shared, 2);

        io_uring_sqe& entry = *next_entry();
        io_uring_prep_recv_multishot(&entry, ends[0], nullptr, 0, 0);
        entry.flags |= IOSQE_BUFFER_SELECT;
        entry.buf_group = group;
        entry.user_data = tagged(uring_errand::nobody);
        bool over = false;
        const auto look = [&] {
            submit_and_wait(time_point::min());
            reap([&](std::uint64_t, std::int32_t result, std::uint32_t flags) {
                over = (flags & IORING_CQE_F_MORE) == 0;
                heard = over && result == 0;
            });
        };
        look();
        ::send(ends[1], "", 1, MSG_NOSIGNAL);
        ::shutdown(ends[1], SHUT_WR);
        for (int i = 0; i != 3 && !over; ++i) look();
        const bool in_time = heard;
        ::shutdown(ends[0], SHUT_RDWR);  // ends a receive that has missed the end
        for (int i = 0; i != test_attempts && !over; ++i) look();
        heard = in_time;
        io_uring_unregister_buf_ring(&ring_, group);
    }
    ::close(ends[0]);
    ::close(ends[1]);
    return heard;
}

/// Submits one entry and waits for its first completion.
template <class Prepare>
uring_ring::answer uring_ring::ask(Prepare prepare) {
    prepare(*next_entry());
    const time_point deadline = time_point(std::chrono::steady_clock::now().time_since_epoch()) + test_patience;
    for (int attempt = 0; attempt != test_attempts; ++attempt) {
        const int done = submit_and_wait(deadline);
        if (done == -ETIME) break;
        if (done == -EINVAL && absolute_timeout_) {
            absolute_timeout_ = false;  // before Linux 6.12
            continue;
        }
        if (!may_enter_again(done)) {
            const char* const why = done == -EPERM ? " (seccomp)" : "";
            throw uring_unavailable(-done, "io_uring_enter " + error_name(-done) + why);
        }
        bool answered = false;
        answer got{};
        reap([&](std::uint64_t, std::int32_t result, std::uint32_t flags) {
            answered = true;
            got = {result, flags};
        });
        if (answered) return got;
    }
    fail_test("no completion");
}

void uring_ring::fail(int outcome) {
    const char* text = "io_uring_enter";
    if (outcome == -EBADR) text = "io_uring_enter: the kernel lost a completion";
    if (outcome == -EEXIST || outcome == -EINVAL) {
        text = "io_uring_enter (only the thread that set the ring up may use it)";
    }
    throw std::system_error(-outcome, std::system_category(), text);
}

int uring_ring::register_buffers(void* memory, unsigned entries, std::uint16_t group) noexcept {
    io_uring_buf_reg where{};
    where.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
    where.ring_entries = entries;
    where.bgid = group;
    return io_uring_register_buf_ring(&ring_, &where, 0);
}

void uring_ring::prepare_poll(io_uring_sqe& entry, uring_errand what, int fd) noexcept {
    io_uring_prep_poll_multishot(&entry, fd, POLLIN);
    entry.user_data = tagged(what);
}

std::string uring_ring::describe() const {
    for (const rung_traits& step : ladder) {
        if (step.which == rung_) return "kernel " + kernel_version() + ", " + step.name;
    }
    return {};
}

}  // namespace sennit
