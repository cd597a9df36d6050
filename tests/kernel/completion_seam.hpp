#pragma once

#include <liburing.h>

#include <functional>

namespace sennit::testing {

/// Sits between the library and the kernel's rings in this program: it takes the place of two functions of liburing, so
/// that a test sees each entry before the kernel does, and each completion before the library does.
struct completion_seam {
    std::function<void(io_uring_sqe&)> on_submission;
    std::function<void(io_uring_cqe&)> on_completion;

    completion_seam();
    completion_seam(const completion_seam&) = delete;
    completion_seam& operator=(const completion_seam&) = delete;
    ~completion_seam();
};

}  // namespace sennit::testing
