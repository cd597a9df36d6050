#pragma once

#include <coroutine>
#include <cstddef>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sennit/cancel.hpp>

namespace sennit::detail {

/// Something that is waited for, and where it stands in the tree of scopes.
struct listed_wait {
    const waiter* what;
    std::size_t depth;     ///< of its scope under the one that was asked
    std::string headings;  ///< the lines of the scopes that begin above it
};

/// The spawned task to which a waiting coroutine belongs: itself, or the last of those that await it.
std::coroutine_handle<> task_of(std::coroutine_handle<> waits) noexcept;

/// The source files that a report names. Each is called by as many of its last directories as it takes to tell it from
/// the others, mostly by none: so a report is the same wherever the program was built.
class file_names {
  public:
    void add(std::string_view path);
    std::string_view shortened(std::string_view path) const;

  private:
    std::vector<std::string_view> paths_;
};

/// Waits as people read of them: what, in which lines, who stands in the way. For a moment in which nothing goes on: it
/// reads the waits and the coroutines each time it is asked.
class wait_report {
  public:
    /// Takes in everything that is waited for under `scope`.
    void add(const cancel_scope& scope);

    std::size_t size() const noexcept { return waits_.size(); }
    const waiter& operator[](std::size_t index) const noexcept { return *waits_[index].what; }

    /// The wait in which this coroutine stands, or one that it awaits; `size()` if there is none.
    std::size_t wait_of(std::coroutine_handle<> coroutine) const;

    /// "mutex at a.cpp:12 -> b.cpp:30; locked at b.cpp:20, its holder waits at b.cpp:21": the coroutine that waits
    /// comes last, those that await it before.
    std::string describe(std::size_t index) const;

    /// Appends the headings and the indented line of a wait, with a note at its end.
    void append_line(std::string& text, std::size_t index, const std::string& note) const;

  private:
    std::string name_of(std::source_location place) const;

    std::vector<listed_wait> waits_;
    std::unordered_map<const void*, std::size_t> standing_in_;  // the wait by the frame of each coroutine
    file_names files_;
};

}  // namespace sennit::detail
