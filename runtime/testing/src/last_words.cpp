// What is said when the program aborts. Its one hard idea: abort(3) raises a signal on the thread that calls it, so the
// handler finds what to say in a thread-local variable; and it returns, after which abort ends the program as ever.

#include "last_words.hpp"

#include <utility>

#include <sennit/detail/misuse.hpp>

namespace sennit::testing::sim {

namespace {
thread_local constinit const char* doing_here = nullptr;
}

last_words::last_words(std::string doing)
    : doing_(std::move(doing)), around_(std::exchange(doing_here, doing_.c_str())) {
    struct sigaction ours {};
    ours.sa_handler = say;
    ::sigaction(SIGABRT, &ours, &before_);
}

last_words::~last_words() {
    ::sigaction(SIGABRT, &before_, nullptr);
    doing_here = around_;
}

void last_words::say(int) {
    if (doing_here != nullptr) sennit::detail::report(doing_here);
}

}  // namespace sennit::testing::sim
