#pragma once

#include <memory>

#include <sennit/backend.hpp>

namespace sennit {

/// The backend for kernels and containers without io_uring: tries each call at once and waits with epoll(7)
/// for what cannot be done yet. `pollable`: it has a `poll_descriptor`. Throws `std::system_error` when there is no
/// descriptor left.
std::unique_ptr<backend> make_epoll_backend(bool pollable);

}  // namespace sennit
