#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include <sennit/bytes.hpp>

namespace sennit::net::detail {

/// The search for a delimiter in text that grows at its end: what was looked at is not looked at again.
class delimiter_search {
  public:
    explicit delimiter_search(std::string_view delimiter) noexcept : delimiter_(delimiter) {}

    std::string_view delimiter() const noexcept { return delimiter_; }

    /// Where the delimiter begins, `npos` when it is not there yet. `text` begins with that of the last call.
    std::size_t find_in(std::string_view text) noexcept;

  private:
    std::string_view delimiter_;
    std::size_t looked_at_ = 0;
};

/// The bytes that a `line_reader` has received and not yet given away, and what it finds in them.
class line_buffer {
  public:
    /// No line, and no other delimited part, may be longer than `longest` without its end.
    explicit line_buffer(std::size_t longest) noexcept : longest_(longest) {}

    std::string_view unread() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }
    std::size_t capacity() const noexcept { return capacity_; }

    /// Where the next bytes go, at least one: allocates or moves the unread bytes when necessary, which ends the
    /// views given before. With a delimiter of this size the buffer never needs to be larger than the longest part.
    mutable_bytes room(std::size_t delimiter_size);
    /// That many bytes were put into the room.
    void filled(std::size_t count) noexcept;

    /// Takes the first `count` unread bytes out. The view stays valid until the next `room`.
    std::string_view take(std::size_t count) noexcept;
    /// Moves unread bytes to `to`, as many as there are and fit; gives their number.
    std::size_t take_into(mutable_bytes to) noexcept;

    /// Takes a line out and gives it without its end; nothing when its end has not arrived. Throws `message_size`
    /// when it is too long, and takes nothing then.
    std::optional<std::string_view> take_line(delimiter_search& line_end);
    /// The same for what ends with another delimiter, which is included.
    std::optional<std::string_view> take_part(delimiter_search& search);
    /// Takes out what is left at the end of the stream, if anything. Throws like the others.
    std::optional<std::string_view> take_rest();

  private:
    void check_length(std::size_t length) const;

    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t longest_;
    bool was_filled_up_ = false;  // the last receive could have brought more
};

/// Marks a reader as in use while this exists. Throws `device_or_resource_busy` when it is in use already.
class reading_mark {
  public:
    explicit reading_mark(bool& reading);
    reading_mark(const reading_mark&) = delete;
    reading_mark& operator=(const reading_mark&) = delete;
    ~reading_mark() { reading_ = false; }

  private:
    bool& reading_;
};

/// Throws `std::invalid_argument` for an empty delimiter, which would be found everywhere.
void check_delimiter(std::string_view delimiter);

}  // namespace sennit::net::detail
