// Waiting for descriptors of other owners.

#include <poll.h>

#include <sennit/poll.hpp>
#include <sennit/request.hpp>

namespace sennit {

request detail::poll_awaiter::what() const noexcept {
    return what_;
}

detail::poll_awaiter wait_readable(int fd) noexcept {
    return {fd, POLLIN};
}

detail::poll_awaiter wait_writable(int fd) noexcept {
    return {fd, POLLOUT};
}

}  // namespace sennit
