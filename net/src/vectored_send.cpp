// Sending many parts. Its one hard idea: a short transfer may end in the middle of any part, so the position is a
// part and an offset into it, and the kernel's table is made anew from there each time.

#include <sennit/net/detail/vectored_send.hpp>

namespace sennit::net::detail {

std::size_t vectored_send_awaiter::fill() noexcept {
    std::size_t covered = 0;
    std::size_t count = 0;
    std::size_t offset = sent_of_first_;
    for (const const_bytes& part : parts_) {
        if (count == parts_at_a_time) break;
        // The kernel only reads from it; iovec has no const form.
        table_[count] = {const_cast<std::byte*>(part.data()) + offset, part.size() - offset};
        covered += table_[count++].size;
        offset = 0;
    }
    message_.describe(table_.data(), count, nullptr, 0);
    request_.message = message_.get();
    return covered;
}

void vectored_send_awaiter::complete(completion done) noexcept {
    if (done.result < 0) {
        finish_on_socket(done.result);
        return;
    }
    auto sent = static_cast<std::size_t>(done.result);
    while (!parts_.empty() && sent >= parts_.front().size() - sent_of_first_) {
        sent -= parts_.front().size() - sent_of_first_;
        sent_of_first_ = 0;
        parts_ = parts_.subspan(1);
    }
    sent_of_first_ += sent;
    if (fill() == 0) {
        finish_on_socket(0);
    } else {
        continue_or_finish();
    }
}

}  // namespace sennit::net::detail
