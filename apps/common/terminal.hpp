#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <sennit/bytes.hpp>
#include <sennit/task.hpp>

namespace app {

// Standard input and output for clients: a person who thinks, or a pipe that is slow, must not stop the event loop.

/// Suspends until there is input; gives the number of bytes read, 0 at the end of the input.
sennit::task<std::size_t> read_input(sennit::mutable_bytes buffer);

/// Suspends until all bytes are written.
sennit::task<> print(sennit::const_bytes bytes);

/// Standard input by lines.
class input_lines {
  public:
    /// Suspends until there is a line; gives it without its newline, or nothing at the end of the input. A last line
    /// need not have a newline. Throws when a line is longer than a megabyte.
    sennit::task<std::optional<std::string>> next();

  private:
    std::string waiting_;  // read and not yet given
    bool at_end_ = false;
};

}  // namespace app
