// The event loop. It owns the order in which things happen; its one hard idea is that order, numbered below:
// everything that a turn produced goes to the backend together, in step 5, and nothing completes before that.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "loop_parts.hpp"

#include <sennit/blocking.hpp>
#include <sennit/detail/report.hpp>
#include <sennit/detail/timer.hpp>
#include <sennit/detail/wait_report.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/stop.hpp>
#include <sennit/task_group.hpp>

namespace sennit {

namespace {

/// The running loop of this thread: only to tell a loop that is run inside another what is wrong.
thread_local constinit const event_loop* running_here = nullptr;

class running_mark {
  public:
    explicit running_mark(const event_loop& loop) noexcept { running_here = &loop; }
    running_mark(const running_mark&) = delete;
    running_mark& operator=(const running_mark&) = delete;
    ~running_mark() { running_here = nullptr; }
};

/// One byte that is 1 here and 0 in a child after fork(2): asking it costs no system call.
const unsigned char* make_fork_witness() {
    const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw std::system_error(errno, std::system_category(), "event_loop: mmap");
    ::madvise(page, size, MADV_WIPEONFORK);
    auto* const witness = static_cast<unsigned char*>(page);
    *witness = 1;
    return witness;
}

void free_fork_witness(const unsigned char* witness) noexcept {
    ::munmap(const_cast<unsigned char*>(witness), static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

event_loop::event_loop(const event_loop_options& options) : event_loop(make_backend(options)) {
    spin_ = options.spin;
}

event_loop::event_loop(chosen_backend chosen)
    : io_(chosen.implementation.get()),
      machine_(io_->simulated()),
      parts_(std::make_unique<detail::loop_parts>(std::move(chosen), environment{this, &scope_})),
      wiped_on_fork_(make_fork_witness()) {
    timers_ = &parts_->timers;
    mailbox_ = parts_->mailbox.get();
    io_->runs(*this);
}

event_loop::~event_loop() {
    check_thread();
    if (*wiped_on_fork_ == 0) {
        // The ring, its operations and the threads belong to the parent; a child can only leave them alone.
        root().scope().unlink();
        while (!home_.resources.empty()) home_.resources.pop_front();
        static_cast<void>(parts_.release());
        return;
    }
    root().cancel();
    if (root().size() != 0) run_until_empty(root());
    while (!home_.resources.empty()) home_.resources.pop_front().loop_ends();
    // What was in flight for them still has to come back.
    while (io_->in_flight() != 0) run_once(no_deadline);
    mailbox_->close();
    parts_.reset();
    free_fork_witness(wiped_on_fork_);
}

void event_loop::check_usable() const {
    if (thread_ != detail::this_thread()) {
        throw std::logic_error("sennit::event_loop: used on a thread that did not make it; use post()");
    }
    if (running_here != nullptr) {
        throw std::logic_error(running_here == this ? "sennit::event_loop: run inside itself; co_await the task instead"
                                                    : "sennit::event_loop: another loop is running on this thread");
    }
    if (*wiped_on_fork_ == 0) {
        throw std::logic_error("sennit::event_loop: used after fork(); make the loop in the child, after the fork");
    }
}

void event_loop::run_once(time_point latest) {
    check_usable();
    const running_mark mark(*this);
    // A turn that had something to do does not sleep: it may have been what the caller waits for.
    run_due();
    if (run_mail_and_ready()) latest = time_point::min();
    // 4. How long there is nothing to do. 5. Submit, sleep and collect, in one call.
    wait(std::min(latest, next_deadline()));
}

bool event_loop::wait(time_point deadline) {
    if (spin_ > duration::zero() && deadline != time_point::min()) [[unlikely]] {
        if (spin(deadline)) return true;
    }
    return io_->wait(deadline);
}

/// Looks for completions over and over, until `deadline` at the latest. Whether there were any.
bool event_loop::spin(time_point deadline) {
    const time_point end = std::min(deadline, io_->now() + spin_);
    const std::size_t in_flight = io_->in_flight();
    do {
        io_->wait(time_point::min());
        // What has ended may have been what the caller waits for, also where it made nobody ready.
        if (!ready_.empty() || mailbox_->has_mail() || io_->in_flight() != in_flight) return true;
    } while (io_->now() < end);
    return false;
}

void event_loop::run_until_empty(const task_group& group) {
    check_usable();
    const running_mark mark(*this);
    for (bool may_be_due = true;;) {
        if (may_be_due) run_due();
        run_mail_and_ready();
        // The last task ends in the line above; after that nothing may come any more that would end a sleep.
        if (group.size() == 0) return;
        may_be_due = wait(next_deadline());
    }
}

void event_loop::run_due() {
    // 1. The clock, read when there are timers, unless the kernel will say when the next one is due. 2. What is due.
    if (timers_->size() != 0) timers_->advance(io_->now());
}

bool event_loop::run_mail_and_ready() {
    // 3. What other threads have sent, and what is ready.
    const bool has_mail = mailbox_->has_mail();
    if (has_mail) read_mail();
    if (ready_.empty()) return has_mail;
    if (machine_ == nullptr) [[likely]] {
        run_ready(budget_.resumptions());
    } else {
        run_ready_on_machine();
    }
    if (ready_.empty()) [[likely]] {
        budget_.not_used_up();
    } else {
        budget_.used_up(io_->now());
    }
    return true;
}

void event_loop::run_ready(int most) {
    resumptions_left_ = most;
    while (resumptions_left_ != 0 && !ready_.empty()) {
        --resumptions_left_;
        ready_.pop().handle.resume();
        while (transfer_) std::exchange(transfer_, nullptr).resume();
    }
}

void event_loop::run_ready_on_machine() {
    for (int left = budget_.resumptions(); left != 0 && !ready_.empty(); --left) {
        machine_->before_resumption();
        run_ready(1);
    }
}

void event_loop::read_mail() {
    // What arrives meanwhile waits for the next turn, or a thread that posts fast enough would hold the loop.
    auto mail = mailbox_->take();
    do {
        try {
            mail->run();
        } catch (...) {
            detail::report_exception("a posted function failed");
        }
        mail = mailbox_->take_rest();
    } while (mail != nullptr);
}

time_point event_loop::next_deadline() const noexcept {
    if (!ready_.empty() || mailbox_->has_mail()) return time_point::min();
    return timers_->next_deadline();
}

int event_loop::poll_descriptor() const {
    const int fd = io_->poll_descriptor();
    if (fd < 0) {
        throw std::logic_error("sennit::event_loop: nothing to poll; make the loop with event_loop_options::hosted");
    }
    return fd;
}

void event_loop::arm(detail::timer& timer, time_point deadline) noexcept {
    check_thread();
    timers_->arm(timer, deadline);
}

void event_loop::disarm(detail::timer& timer) noexcept {
    timers_->cancel(timer);
}

time_point event_loop::now() const noexcept {
    return io_->now();
}

std::string_view event_loop::backend_name() const noexcept {
    return io_->name();
}

const std::string& event_loop::backend_reason() const noexcept {
    return parts_->reason;
}

detail::mailbox& event_loop::mail() noexcept {
    return *mailbox_;
}

std::shared_ptr<detail::mailbox> event_loop::remote() const noexcept {
    return parts_->mailbox;
}

task_group& event_loop::root() noexcept {
    return parts_->root;
}

stop_state& event_loop::stop() noexcept {
    return parts_->stop;
}

blocking_pool& event_loop::blocking() {
    if (parts_->blocking == nullptr) parts_->blocking = std::make_unique<blocking_pool>();
    return *parts_->blocking;
}

std::size_t event_loop::unfinished_blocking_calls() const {
    return parts_->blocking == nullptr ? 0 : parts_->blocking->unfinished();
}

std::string event_loop::describe() const {
    detail::wait_report waits;
    waits.add(scope_);
    std::string text;
    for (std::size_t i = 0; i != waits.size(); ++i) {
        const int descriptor = waits[i].details().descriptor;
        waits.append_line(text, i, descriptor < 0 ? "" : " (descriptor " + std::to_string(descriptor) + ")");
    }
    return text;
}

void event_loop::wrong_thread() noexcept {
    detail::misuse("something of an event loop was used on another thread; hand it over with event_loop::post");
}

}  // namespace sennit
