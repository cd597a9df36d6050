// Each completion of a conversation says something else once than what the kernel said: then the conversation goes on,
// or it ends with that error; no operation ends twice or never, and nothing is left behind.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

#include "backends/uring_tag.hpp"
#include "completion_seam.hpp"
#include "conversation.hpp"
#include "kernel_test.hpp"

namespace sennit::testing::rewritten_completions_test {

/// What else the kernel might have said, given what it did say. Nothing that has the library wait for what has already
/// happened: no ENOBUFS for a receive that has brought bytes.
std::vector<int> other_answers(const io_uring_cqe& entry) {
    switch (static_cast<uring_tag>(entry.user_data & uring_tag_mask)) {
        case uring_tag::single: return {-EINTR, -ENOMEM, -ECANCELED, -EAGAIN};
        case uring_tag::accept: return {-EINTR, -EMFILE, -ENOMEM, -ECANCELED, -ECONNABORTED};
        case uring_tag::cancel: return entry.res == 0 ? std::vector<int>{-ENOENT, -EALREADY} : std::vector<int>{0};
        // The end of a stream can hide behind the lack of a buffer.
        case uring_tag::standing:
            return entry.res == 0 ? std::vector<int>{-ENOBUFS, -ECANCELED} : std::vector<int>{-ENOMEM};
        case uring_tag::lease: return entry.res == 0 ? std::vector<int>{-ENOBUFS} : std::vector<int>{-ENOMEM, -EINTR};
        default: return {};
    }
}

/// One completion is rewritten, in one of its ways; or one transfer is cut down to a byte.
struct plan {
    std::size_t completion = 0;  // 0: none
    std::size_t way = 0;
    std::size_t transfer = 0;  // 0: none
};

struct outcome {
    std::size_t completions = 0;
    std::size_t transfers = 0;
    std::string rewritten;  // empty when nothing was
    bool must_go_on = false;
    bool surfaced = false;
    bool timed_out = false;
    bool left_behind = false;
};

outcome run_once(plan wanted) {
    outcome result;
    completion_seam seam;
    seam.on_submission = [&](io_uring_sqe& entry) {
        // An error of a multishot operation ends it. The kernel must think so too: so each completes once.
        if (entry.opcode == IORING_OP_ACCEPT) entry.ioprio &= static_cast<std::uint16_t>(~IORING_ACCEPT_MULTISHOT);
        if (entry.opcode == IORING_OP_RECV) entry.ioprio &= static_cast<std::uint16_t>(~IORING_RECV_MULTISHOT);
        const bool transfers = entry.opcode == IORING_OP_SEND || entry.opcode == IORING_OP_RECV;
        if (!transfers || entry.len < 2 || ++result.transfers != wanted.transfer) return;
        entry.len = 1;
        result.rewritten = "one byte";
    };
    seam.on_completion = [&](io_uring_cqe& entry) {
        const bool is_own = static_cast<uring_tag>(entry.user_data & uring_tag_mask) == uring_tag::own;
        if (entry.user_data == 0 || is_own || ++result.completions != wanted.completion) return;
        const std::vector<int> answers = other_answers(entry);
        if (wanted.way >= answers.size()) return;
        const bool has_descriptor = (entry.user_data & uring_tag_mask) == static_cast<std::uint64_t>(uring_tag::accept);
        if (has_descriptor && entry.res >= 0) ::close(entry.res);
        result.rewritten = std::to_string(entry.res) + " as " + std::to_string(answers[wanted.way]);
        // Nobody is to hear of how a cancellation went, and of a buffer that was missing.
        const auto tag = static_cast<uring_tag>(entry.user_data & uring_tag_mask);
        result.must_go_on = tag == uring_tag::cancel || answers[wanted.way] == -ENOBUFS;
        result.must_go_on = result.must_go_on || (tag == uring_tag::standing && answers[wanted.way] == -ECANCELED);
        entry.res = answers[wanted.way];
    };
    event_loop_options options;
    options.backend = backend_kind::io_uring;
    event_loop loop(options);
    try {
        loop.run(with_timeout(patience, conversation()));
    } catch (const std::system_error& error) {
        result.surfaced = true;
        result.timed_out = error.code() == std::errc::timed_out;
    } catch (const cancelled&) {
        result.surfaced = true;
    }
    loop.run(settle());
    result.left_behind = loop.io().in_flight() != 0 || !loop.describe().empty();
    return result;
}

class RewrittenCompletions : public ::testing::Test {
  protected:
    void SetUp() override {
        try {
            const outcome undisturbed = run_once(plan());
            if (undisturbed.completions == 0) GTEST_SKIP() << "liburing is a part of the library: nothing gets between";
        } catch (const std::system_error& error) {
            GTEST_SKIP() << error.what();
        }
        descriptors_ = open_descriptors();
    }

    void expect_clean(const outcome& result) const {
        EXPECT_FALSE(result.timed_out) << "it hung";
        EXPECT_FALSE(result.left_behind);
        ASSERT_EQ(open_descriptors(), descriptors_);
    }

  private:
    std::size_t descriptors_ = 0;
};

TEST_F(RewrittenCompletions, EndTheConversationOrAreOvercome) {
    int rewritten = 0;
    int overcome = 0;
    for (plan next{1, 0, 0};;) {
        const outcome result = run_once(next);
        if (result.completions < next.completion) break;
        if (result.rewritten.empty()) {
            next = {next.completion + 1, 0, 0};
            continue;
        }
        SCOPED_TRACE("completion " + std::to_string(next.completion) + ": " + result.rewritten);
        ++rewritten;
        overcome += result.surfaced ? 0 : 1;
        if (result.must_go_on) {
            EXPECT_FALSE(result.surfaced);
        }
        expect_clean(result);
        ++next.way;
    }
    EXPECT_GT(rewritten, overcome) << "some must be seen";
    EXPECT_GT(overcome, 0);
    RecordProperty("rewritten_completions", rewritten);
}

TEST_F(RewrittenCompletions, ShortTransfersAreGoneOnWith) {
    int shortened = 0;
    for (plan next{0, 0, 1};; ++next.transfer) {
        const outcome result = run_once(next);
        if (result.rewritten.empty()) break;
        SCOPED_TRACE("transfer " + std::to_string(next.transfer));
        ++shortened;
        EXPECT_FALSE(result.surfaced);
        expect_clean(result);
    }
    EXPECT_GT(shortened, 0);
    RecordProperty("rewritten_completions", shortened);
}

}  // namespace sennit::testing::rewritten_completions_test
