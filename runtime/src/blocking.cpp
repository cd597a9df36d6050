// Threads for calls that block. Its one hard idea: a call that nobody waits for any more cannot be stopped, and
// the end of the program must not wait for it either. So what the threads use is shared with them: idle ones are
// joined, a busy one is detached and keeps its share alive until its call returns.

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include <sennit/backend.hpp>
#include <sennit/blocking.hpp>

namespace sennit {

namespace {
constexpr std::size_t max_threads = 4;
}

struct blocking_pool::shared {
    struct worker {
        std::thread thread;
        bool busy = false;
    };

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<job>> waiting;
    std::list<worker> workers;
    std::size_t idle = 0;
    bool stopping = false;

    static void work(std::shared_ptr<shared> self, worker& me) {
        std::unique_lock lock(self->mutex);
        for (;;) {
            ++self->idle;
            self->changed.wait(lock, [&] { return self->stopping || !self->waiting.empty(); });
            --self->idle;
            if (self->stopping) return;
            auto next = std::move(self->waiting.front());
            self->waiting.pop_front();
            me.busy = true;
            lock.unlock();
            job& current = *next;
            current.run(std::move(next));
            lock.lock();
            me.busy = false;
        }
    }
};

blocking_pool::blocking_pool() : shared_(std::make_shared<shared>()) {}

blocking_pool::~blocking_pool() {
    std::list<shared::worker> to_join;
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->stopping = true;
        shared_->waiting.clear();
        auto& workers = shared_->workers;
        for (auto next = workers.begin(); next != workers.end();) {
            const auto each = next++;
            if (each->busy) {
                each->thread.detach();
            } else {
                to_join.splice(to_join.end(), workers, each);  // allocates nothing: there may be no memory
            }
        }
    }
    shared_->changed.notify_all();
    for (auto& each : to_join) each.thread.join();
}

void blocking_pool::submit(std::shared_ptr<job> work) {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->idle <= shared_->waiting.size() && shared_->workers.size() < max_threads) {
        auto& added = shared_->workers.emplace_back();
        // A new thread inherits the mask: signals are for the threads of the program, not for these.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            added.thread = std::thread(shared::work, shared_, std::ref(added));
        } catch (...) {  // no thread, or no memory for one
            shared_->workers.pop_back();
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            if (shared_->workers.empty()) throw;
            shared_->waiting.push_back(std::move(work));
            return;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    shared_->waiting.push_back(std::move(work));
    shared_->changed.notify_one();
}

std::size_t blocking_pool::unfinished() const {
    const std::lock_guard lock(shared_->mutex);
    std::size_t count = shared_->waiting.size();
    for (const auto& each : shared_->workers) count += each.busy ? 1 : 0;
    return count;
}

void detail::start_blocking(event_loop& loop, std::shared_ptr<blocking_pool::job> work) {
    if (loop.io().simulated() == nullptr) return loop.blocking().submit(std::move(work));
    blocking_pool::job& simulated = *work;
    simulated.run(std::move(work));
}

}  // namespace sennit
