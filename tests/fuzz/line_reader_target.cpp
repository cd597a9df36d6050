// The line reader, against splitting the whole text by hand: whatever the pieces are in which the bytes arrive, it
// gives the same parts, refuses the same ones, holds no more than it may and loses no byte.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <sennit/event_loop.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/run.hpp>
#include <sennit/testing/sim_backend.hpp>

#include "target.hpp"

namespace sennit::fuzz {

namespace {

/// A stream that brings a text in pieces of sizes that the fuzzer chose.
class piecewise_stream {
  public:
    piecewise_stream(std::string_view text, std::string_view sizes) noexcept : text_(text), sizes_(sizes) {}

    task<std::size_t> recv(mutable_bytes buffer) {
        require(!buffer.empty(), "there is room for what comes next");
        std::size_t wanted = 1;
        if (!sizes_.empty()) wanted += static_cast<unsigned char>(sizes_[next_size_++ % sizes_.size()]);
        const std::size_t count = std::min({wanted, buffer.size(), text_.size()});
        text_.copy(reinterpret_cast<char*>(buffer.data()), count);
        text_.remove_prefix(count);
        co_return count;
    }
    task<> send(const_bytes) { co_return; }
    task<> shutdown_send() { co_return; }
    void close() noexcept {}

  private:
    std::string_view text_;
    std::string_view sizes_;
    std::size_t next_size_ = 0;
};

/// What a read came to: a part, the end of the stream, or that the part is too long.
struct outcome {
    std::optional<std::string> part;
    bool too_long = false;
    bool operator==(const outcome&) const = default;
};

/// The naive way: all the text is there.
class naive_reader {
  public:
    naive_reader(std::string_view text, std::size_t longest) noexcept : left_(text), longest_(longest) {}

    outcome line() {
        const std::size_t end = left_.find('\n');
        if (end == left_.npos) return rest();
        const std::size_t length = end != 0 && left_[end - 1] == '\r' ? end - 1 : end;
        if (length > longest_) return {std::nullopt, true};
        return {take(end + 1).substr(0, length)};
    }
    outcome until(std::string_view delimiter) {
        const std::size_t end = left_.find(delimiter);
        if (end == left_.npos) return rest();
        if (end > longest_) return {std::nullopt, true};
        return {take(end + delimiter.size())};
    }
    std::string take(std::size_t count) {
        const std::string taken(left_.substr(0, count));
        left_.remove_prefix(taken.size());
        return taken;
    }
    std::size_t discard_line() {
        const std::size_t end = left_.find('\n');
        return take(end == left_.npos ? end : end + 1).size();
    }
    bool at_end() const noexcept { return left_.empty(); }

  private:
    outcome rest() {
        if (left_.empty()) return {};
        if (left_.size() > longest_) return {std::nullopt, true};
        return {take(left_.npos)};
    }

    std::string_view left_;
    std::size_t longest_;
};

template <class Read>
task<outcome> outcome_of(Read read) {
    outcome got;
    try {
        const auto part = co_await std::move(read);
        if (part) got.part = std::string(*part);
    } catch (const std::system_error& error) {
        require(error.code() == std::errc::message_size, "the only error is that of the length");
        got.too_long = true;
    }
    co_return got;
}

using reader = net::line_reader<piecewise_stream>;

/// Does one thing with both and compares. True when there was something left to do it with.
task<bool> step(reader& lines, naive_reader& expected, std::uint8_t choice, std::string_view delimiter) {
    if (expected.at_end()) {
        const outcome got = co_await outcome_of(lines.read_line());
        require(got == outcome(), "after the end comes nothing");
        co_return false;
    }
    outcome got;
    switch (choice % 5) {
        case 0:
            got = co_await outcome_of(lines.read_line());
            require(got == expected.line(), "a line is what stands before its end");
            break;
        case 1:
            got = co_await outcome_of(lines.read_until(delimiter));
            require(got == expected.until(delimiter), "a part goes up to its delimiter");
            break;
        case 2: {
            const std::size_t skipped = co_await lines.discard_line();
            require(skipped == expected.discard_line(), "a line is skipped with its end");
            break;
        }
        case 3: {
            std::string buffer(1 + choice / 5u, '\0');
            const std::size_t count = co_await lines.recv(buffer);
            require(count != 0 && buffer.substr(0, count) == expected.take(count), "what is received comes next");
            break;
        }
        default: {
            const std::string buffered = lines.take_buffered();
            require(buffered == expected.take(buffered.size()), "what was received ahead comes next");
        }
    }
    // Refused twice is refused for ever: somebody must take it.
    if (got.too_long) {
        const std::size_t skipped = co_await lines.discard_line();
        require(skipped == expected.discard_line(), "a line that is too long can be skipped");
    }
    co_return true;
}

task<> compare(std::size_t longest, std::string_view delimiter, std::string_view sizes, std::string_view choices,
               std::string_view text) {
    piecewise_stream stream(text, sizes);
    reader lines(stream, net::line_reader_options{longest});
    naive_reader expected(text, longest);
    // What comes with a small limit all the same: the first memory.
    const std::size_t most = std::max<std::size_t>(longest + std::max<std::size_t>(delimiter.size(), 2), 512);
    for (std::size_t i = 0; i != 2 * text.size() + 1; ++i) {
        const auto choice = static_cast<std::uint8_t>(choices.empty() ? 0 : choices[i % choices.size()]);
        const bool goes_on = co_await step(lines, expected, choice, delimiter);
        require(lines.buffered().size() <= most, "no more is held than may be");
        if (!goes_on) co_return;
    }
}

}  // namespace

/// The limit, the delimiter, the sizes of the pieces and what is read, each with its length; then the text.
void line_reader(input from) {
    const std::size_t longest = from.byte() * 4u;
    std::string_view delimiter = from.bytes(1 + from.byte() % 4);
    if (delimiter.empty()) delimiter = "\n";
    const std::string_view sizes = from.bytes(from.byte() % 8);
    const std::string_view choices = from.bytes(from.byte() % 16);
    event_loop loop(testing::make_sim_backend());
    loop.run(compare(longest, delimiter, sizes, choices, from.rest()));
}

}  // namespace sennit::fuzz
