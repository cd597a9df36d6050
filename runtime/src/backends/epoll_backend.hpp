#pragma once

#include <memory>

#include <sennit/backend.hpp>

namespace sennit {

/// The backend for kernels and containers without io_uring: tries each call at once and waits with epoll(7)
/// for what cannot be done yet. Of the options it obeys `hosted` and `receive_buffers`. Throws `std::system_error` when
/// there is no descriptor left.
std::unique_ptr<backend> make_epoll_backend(const event_loop_options& options);

}  // namespace sennit
