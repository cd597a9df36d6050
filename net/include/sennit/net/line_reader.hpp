#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <sennit/bytes.hpp>
#include <sennit/net/byte_stream.hpp>
#include <sennit/net/detail/line_buffer.hpp>
#include <sennit/task.hpp>

namespace sennit::net {

/// How a `line_reader` is set up.
struct line_reader_options {
    /// The most bytes a line, or a part read by `read_until`, may have without its end. What a peer can make this
    /// reader hold is bounded by it.
    std::size_t max_length = 65536;
};

static_assert(std::is_trivially_destructible_v<line_reader_options>);

/// Reads a stream line by line, or up to any delimiter. It keeps a reference to the stream, which must outlive it,
/// and bytes that were received ahead: from now on receive through the reader, not from the stream itself. The
/// memory for them grows with what arrives, up to the longest line allowed.
///
///     net::line_reader lines(stream);
///     while (auto line = co_await lines.read_line()) { ... }
///
/// One task reads at a time; a second gets `std::errc::device_or_resource_busy` at once. Reading throws what the
/// stream's `recv` throws. Cancelling a read loses nothing: what has arrived stays for the next one.
template <byte_stream Stream>
class line_reader {
  public:
    explicit line_reader(Stream& stream, line_reader_options options = {}) noexcept
        : stream_(stream), buffer_(options.max_length) {}
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;

    /// The next line, without its end: "\n", or "\r\n". The view is valid until the next read. Suspends until the
    /// line is there. At the end of the stream gives what is left without a line end, if anything, and then nothing;
    /// where a line that was cut short could do harm use `read_until("\n")`, which shows the difference.
    ///
    /// Throws `std::system_error` (`message_size`) as soon as the line is longer than allowed. Nothing is lost then: it
    /// is thrown again until the bytes are taken (`take_buffered`, `recv`) or skipped (`discard_line`).
    task<std::optional<std::string_view>> read_line() {
        const detail::reading_mark mark(reading_);
        detail::delimiter_search search("\n");
        for (;;) {
            const auto line = buffer_.take_line(search);
            if (line) co_return line;
            const std::size_t received = co_await stream_.recv(buffer_.room(2));
            if (received == 0) co_return buffer_.take_rest();
            buffer_.filled(received);
        }
    }

    /// What comes up to the delimiter, and the delimiter itself at its end. At the end of the stream gives what is
    /// left, which then does not end with the delimiter, and after that nothing. Otherwise like `read_line`;
    /// `discard_line` skips a line, not a part. The text of `delimiter` must stay until this has ended. Throws
    /// `std::invalid_argument` when it is empty.
    task<std::optional<std::string_view>> read_until(std::string_view delimiter) {
        const detail::reading_mark mark(reading_);
        detail::check_delimiter(delimiter);
        detail::delimiter_search search(delimiter);
        for (;;) {
            const auto part = buffer_.take_part(search);
            if (part) co_return part;
            const std::size_t received = co_await stream_.recv(buffer_.room(delimiter.size()));
            if (received == 0) co_return buffer_.take_rest();
            buffer_.filled(received);
        }
    }

    /// Skips up to and with the next line end, however far it is, or to the end of the stream; gives the number of
    /// bytes skipped. Cancelled on the way, what was skipped is gone, and the rest of the line comes next.
    task<std::size_t> discard_line() {
        const detail::reading_mark mark(reading_);
        std::size_t skipped = 0;
        for (;;) {
            const std::size_t line_end = buffer_.unread().find('\n');
            const bool found = line_end != std::string_view::npos;
            skipped += buffer_.take(found ? line_end + 1 : buffer_.unread().size()).size();
            if (found) co_return skipped;
            const std::size_t received = co_await stream_.recv(buffer_.room(2));
            if (received == 0) co_return skipped;
            buffer_.filled(received);
        }
    }

    /// Like the stream's own `recv`, but what was received ahead comes first: for the part of a protocol that does not
    /// consist of lines. Suspends only when nothing was.
    task<std::size_t> recv(mutable_bytes buffer) {
        const detail::reading_mark mark(reading_);
        if (buffer_.unread().empty()) {
            const std::size_t received = co_await stream_.recv(buffer);
            co_return received;
        }
        co_return buffer_.take_into(buffer);
    }

    /// What was received and not yet read. The view is valid until the next read.
    std::string_view buffered() const noexcept { return buffer_.unread(); }

    /// Takes out what was received and not yet read. Throws `device_or_resource_busy` while a task reads.
    std::string take_buffered() {
        const detail::reading_mark mark(reading_);
        std::string taken(buffer_.unread());
        buffer_.take(taken.size());
        return taken;
    }

    Stream& stream() const noexcept { return stream_; }

  private:
    Stream& stream_;
    detail::line_buffer buffer_;
    bool reading_ = false;
};

}  // namespace sennit::net
