#pragma once

#include <string>
#include <system_error>

#include <sennit/backend.hpp>

namespace sennit {

/// How the ring is set up. The rungs are the ways a kernel can run completions, best first.
struct uring_options {
    enum class rung {
        automatic,  ///< the best one that the kernel accepts
        defer,      ///< SINGLE_ISSUER and DEFER_TASKRUN, Linux 6.1
        coop,       ///< COOP_TASKRUN, Linux 5.19
        plain,      ///< no such flag
    };
    rung wanted = rung::automatic;
    unsigned entries = 1024;  ///< of the submission queue, rounded up to a power of two
    unsigned cq_entries = 0;  ///< of the completion queue; 0: four times `entries`
    bool pollable = false;    ///< leaves out `defer`, with which the ring's descriptor tells nobody of completions
};

/// There can be no io_uring in this process, through no fault of the process: the kernel has none, forbids
/// it, or has one that fails the self-test.
class uring_unavailable : public std::system_error {
  public:
    /// `reason` in the words of `chosen_backend::reason`: "io_uring_setup ENOSYS (kernel without io_uring)".
    uring_unavailable(int error, const std::string& reason)
        : std::system_error(error, std::system_category(), reason), reason_(reason) {}
    const std::string& reason() const noexcept { return reason_; }

  private:
    std::string reason_;
};

/// The backend on io_uring, set up for the calling thread: only that thread may use it. The reason says which
/// kernel and which rung. Throws `uring_unavailable`, and `std::system_error` when descriptors have run out.
chosen_backend make_uring_backend(const uring_options& options = {}, const receive_buffer_options& buffers = {});

}  // namespace sennit
