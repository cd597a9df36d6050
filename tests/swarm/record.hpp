#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <sennit/time.hpp>

namespace sennit::swarm {

/// Thrown when a run did what sennit promises not to do.
class disagreement : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

enum class outcome : std::uint8_t { done, cancelled, failed };

/// A moment, and the place within the order of everything that was recorded.
struct moment {
    duration at;  ///< since the start
    std::uint64_t order;
};

/// What was seen of one step or sequence.
struct observation {
    std::optional<moment> began;
    std::optional<moment> ended;
    outcome how = outcome::done;
    std::size_t error = 0;                ///< failed: the step that threw
    std::optional<std::size_t> received;  ///< the value that came out of a channel: the step that sent it
    bool refused = false;                 ///< a send into a closed channel
};

/// Everything that was seen in a run.
struct observations {
    std::vector<observation> of;                             ///< by the number of the step or sequence
    std::vector<std::vector<std::size_t>> left_in_channels;  ///< when all had ended
    std::optional<moment> waits_ended;                       ///< every event was set and every channel closed
    std::optional<moment> cancelled;                         ///< the root, from outside
};

}  // namespace sennit::swarm
