// Operations on sockets, from the await to the result. Its one hard idea: a receive that has been told not to wait any
// more still takes what has arrived, so it is asked back and tried once more without waiting.

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <type_traits>

#include <sennit/detail/misuse.hpp>
#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/detail/socket_operation.hpp>
#include <sennit/request.hpp>

namespace sennit::net::detail {

template <typename Prepare>
bool socket_operation::start_with(sennit::detail::awaiting coroutine, Prepare prepare) noexcept {
    const environment& where = coroutine.where();
    // The errors of misuse are results, the same on every backend; the coroutine goes on at once and throws them.
    if (core_ == nullptr || !core_->claim(half_, *this)) [[unlikely]] {
        result_ = core_ == nullptr || core_->fd() < 0 ? -EBADF : -EBUSY;
        return false;
    }
    if (&core_->loop() != where.loop) [[unlikely]]
        sennit::detail::misuse("a socket was used on another event loop than the one it was opened on");

    bool nothing_to_do = !prepare();
    if (half_ == direction::receiving) {
        patience_ = core_->may_receive_ahead() ? patience::receives_ahead : patience::waits;
        if (core_->receiving_ended()) [[unlikely]] {
            do_not_wait();
            nothing_to_do |= core_->all_received();
        }
    }
    const bool over_at_once = nothing_to_do && !where.scope->is_cancelled();
    if (!over_at_once && start(coroutine)) [[likely]]
        return true;
    core_->give_back(half_);
    return false;
}

bool socket_operation::start_on_socket(sennit::detail::awaiting coroutine) noexcept {
    return start_with(coroutine, [] { return true; });
}

void socket_operation::finish_on_socket(std::int32_t result) noexcept {
    if (half_ == direction::receiving && core_->receiving_ended() && !scope_cancelled() && core_->fd() >= 0) {
        if (result == -ECANCELED) {
            // `end_receiving` ended the wait, but something may have arrived at the same moment.
            do_not_wait();
            submit_again();
            return;
        }
        if (result == -EAGAIN) result = 0;
        if (result > 0) core_->count_received(static_cast<std::size_t>(result));
    }
    if (result >= 0) {
        core_->mark_moved(half_);
        if (half_ == direction::receiving) core_->note_received(result);
    } else if (result == -ECANCELED && core_->has_timed_out(half_) && !scope_cancelled() && core_->fd() >= 0) {
        result = -ETIMEDOUT;
    }
    core_->give_back(half_);
    finish(result);
}

void socket_operation::continue_or_finish() noexcept {
    core_->mark_moved(half_);
    const bool receives = half_ == direction::receiving;
    if (receives && core_->receiving_ended()) do_not_wait();
    if (scope_cancelled() || core_->fd() < 0) {
        finish_on_socket(cancelled_result);
    } else if (receives && core_->all_received()) {
        finish_on_socket(0);
    } else {
        submit_again();
    }
}

std::error_code socket_operation::outcome() const {
    throw_if_cancelled();
    return result_ < 0 ? std::error_code(-result_, std::system_category()) : std::error_code();
}

void socket_operation::throw_if_failed() const {
    if (const auto error = outcome()) throw std::system_error(error, waiting_for());
}

template <typename Request>
request request_on_socket<Request>::what() const noexcept {
    return request_;
}

template <typename Request>
bool request_on_socket<Request>::await_suspend(sennit::detail::awaiting coroutine) noexcept {
    // The two that nearly every wait is one of need no preparation that only a derived class knows.
    if constexpr (std::is_same_v<Request, send_request>) {
        return start_on_socket(coroutine);
    } else if constexpr (std::is_same_v<Request, recv_request>) {
        // Without room for a byte the kernel would wait until there is one all the same.
        return start_with(coroutine, [this] { return request_.size != 0; });
    } else {
        return start_with(coroutine, [this] { return prepare(); });
    }
}

template <typename Request>
void request_on_socket<Request>::do_not_wait() noexcept {
    socket_operation::do_not_wait();
    if constexpr (requires { request_.flags; }) request_.flags |= MSG_DONTWAIT;
}

template class request_on_socket<connect_request>;
template class request_on_socket<recv_request>;
template class request_on_socket<send_request>;
template class request_on_socket<recvmsg_request>;
template class request_on_socket<sendmsg_request>;
template class request_on_socket<recvmmsg_request>;
template class request_on_socket<sendmmsg_request>;
template class request_on_socket<splice_in_request>;
template class request_on_socket<splice_out_request>;
template class request_on_socket<shutdown_request>;

void send_all_awaiter::complete(completion done) noexcept {
    send_request& rest = request_;
    const auto sent = static_cast<std::size_t>(done.result);
    if (done.result < 0 || sent == rest.size) {
        finish_on_socket(done.result);
        return;
    }
    rest.data = static_cast<const std::byte*>(rest.data) + sent;
    rest.size -= sent;
    continue_or_finish();
}

void recv_exactly_awaiter::complete(completion done) noexcept {
    recv_request& rest = request_;
    if (done.result < 0) {
        finish_on_socket(done.result);
        return;
    }
    const auto got = static_cast<std::size_t>(done.result);
    received_ += got;
    if (core()->receiving_ended()) core()->count_received(got);
    if (got == 0 || got == rest.size) {
        finish_on_socket(0);
        return;
    }
    rest.data = static_cast<std::byte*>(rest.data) + got;
    rest.size -= got;
    continue_or_finish();
}

}  // namespace sennit::net::detail
