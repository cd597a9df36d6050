// The buffer of a line reader. Its one hard idea: every byte is copied and looked at a bounded number of times,
// however small the pieces are in which a long line arrives. The search goes on where it stopped, and memory is moved
// only when at least half of it comes free, or grows to twice its size.

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sennit/net/detail/line_buffer.hpp>

namespace sennit::net::detail {

namespace {

// What a reader has while little arrives: room for a usual line, small beside the kernel's own cost of a socket.
constexpr std::size_t initial_capacity = 512;

// A stream that always fills the buffer up is read in larger pieces, up to this.
constexpr std::size_t large_piece = 16384;

/// The most a part and its delimiter can have, without overflow for those who want no limit.
std::size_t longest_whole(std::size_t longest, std::size_t delimiter_size) noexcept {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / 2;
    return std::min(longest, most) + std::min(delimiter_size, most);
}

}  // namespace

std::size_t delimiter_search::find_in(std::string_view text) noexcept {
    const std::size_t found = text.find(delimiter_, looked_at_);
    // The beginning of a delimiter may stand at the end.
    if (text.size() >= delimiter_.size()) looked_at_ = text.size() - delimiter_.size() + 1;
    return found;
}

mutable_bytes line_buffer::room(std::size_t delimiter_size) {
    if (begin_ == end_) begin_ = end_ = 0;
    const std::size_t size = end_ - begin_;
    const std::size_t most = std::max(longest_whole(longest_, delimiter_size), initial_capacity);
    assert(size < most);

    const bool wants_more = was_filled_up_ && capacity_ < large_piece;
    const bool nearly_full = capacity_ - end_ < capacity_ / 4 || capacity_ == 0;
    if (capacity_ < most && (wants_more || (nearly_full && begin_ < capacity_ / 2) || capacity_ == 0)) {
        const std::size_t larger = std::min(std::max(2 * capacity_, initial_capacity), most);
        auto memory = std::make_unique_for_overwrite<char[]>(larger);
        if (size != 0) std::memcpy(memory.get(), memory_.get() + begin_, size);
        memory_ = std::move(memory);
        capacity_ = larger;
        begin_ = 0;
        end_ = size;
    } else if (begin_ != 0 && nearly_full && (begin_ >= capacity_ / 2 || end_ == capacity_)) {
        std::memmove(memory_.get(), memory_.get() + begin_, size);
        begin_ = 0;
        end_ = size;
    }
    was_filled_up_ = false;
    return {memory_.get() + end_, capacity_ - end_};
}

void line_buffer::filled(std::size_t count) noexcept {
    end_ += count;
    was_filled_up_ = end_ == capacity_;
}

std::string_view line_buffer::take(std::size_t count) noexcept {
    const std::string_view taken = unread().substr(0, count);
    begin_ += count;
    return taken;
}

std::size_t line_buffer::take_into(mutable_bytes to) noexcept {
    const std::string_view taken = take(std::min(to.size(), unread().size()));
    if (!taken.empty()) std::memcpy(to.data(), taken.data(), taken.size());
    return taken.size();
}

void line_buffer::check_length(std::size_t length) const {
    if (length <= longest_) return;
    throw std::system_error(std::make_error_code(std::errc::message_size),
                            "line_reader: no end within the " + std::to_string(longest_) + " bytes allowed");
}

std::optional<std::string_view> line_buffer::take_line(delimiter_search& line_end) {
    const std::string_view text = unread();
    const std::size_t found = line_end.find_in(text);
    if (found == std::string_view::npos) {
        // One byte more may be the first of "\r\n".
        const bool may_end = text.size() > longest_ && text.size() - longest_ == 1 && text.back() == '\r';
        if (!may_end) check_length(text.size());
        return std::nullopt;
    }
    const std::size_t length = found != 0 && text[found - 1] == '\r' ? found - 1 : found;
    check_length(length);
    return take(found + 1).substr(0, length);
}

std::optional<std::string_view> line_buffer::take_part(delimiter_search& search) {
    const std::string_view text = unread();
    const std::size_t found = search.find_in(text);
    if (found == std::string_view::npos) {
        // The delimiter may have begun, at the very end.
        const std::size_t begun = search.delimiter().size() - 1;
        if (text.size() > begun) check_length(text.size() - begun);
        return std::nullopt;
    }
    check_length(found);
    return take(found + search.delimiter().size());
}

std::optional<std::string_view> line_buffer::take_rest() {
    const std::size_t size = unread().size();
    if (size == 0) return std::nullopt;
    check_length(size);
    return take(size);
}

reading_mark::reading_mark(bool& reading) : reading_(reading) {
    if (reading) {
        throw std::system_error(std::make_error_code(std::errc::device_or_resource_busy),
                                "line_reader: another task reads already");
    }
    reading = true;
}

void check_delimiter(std::string_view delimiter) {
    if (delimiter.empty()) throw std::invalid_argument("line_reader: an empty delimiter would be found everywhere");
}

}  // namespace sennit::net::detail
