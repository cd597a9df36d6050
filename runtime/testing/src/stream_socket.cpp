// Byte streams as the socket calls show them. The order of the questions in `receive` and `send` is the kernel's
// (tcp_recvmsg, tcp_sendmsg, unix_stream_read_generic): what has arrived comes before an error, an error once.

#include "stream_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "kernel.hpp"
#include "network.hpp"

namespace sennit::testing::sim {

stream_socket::~stream_socket() {
    part();
}

void stream_socket::pair_with(stream_socket& other) noexcept {
    peer_ = &other;
    other.peer_ = this;
}

void stream_socket::part() noexcept {
    if (peer_ != nullptr) peer_->peer_ = nullptr;
    peer_ = nullptr;
}

int stream_socket::listen(int backlog) {
    if (state_ != state::idle && state_ != state::listening) return -EINVAL;
    constexpr int longest = 4096;  // listen(2), somaxconn
    backlog_limit_ = static_cast<std::size_t>(std::clamp(backlog, 0, longest));
    state_ = state::listening;
    return 0;
}

void stream_socket::join_backlog(std::shared_ptr<stream_socket> connection) {
    backlog_.push_back(std::move(connection));
    wake_readers();
}

int stream_socket::accept(std::shared_ptr<sim_socket>& accepted) {
    if (state_ != state::listening) return -EINVAL;
    if (backlog_.empty()) return -EAGAIN;
    if (!host().has_free_descriptor()) return -EMFILE;
    decisions& choose = net().choose();
    if (choose.chance(host().faults().accept_out_of_files, "accept: EMFILE")) return -EMFILE;
    accepted = std::move(backlog_.front());
    backlog_.pop_front();
    backlog_shrank();
    if (choose.chance(host().faults().accept_aborted, "accept: ECONNABORTED")) {
        accepted->close();
        accepted.reset();
        return -ECONNABORTED;
    }
    return 0;
}

int stream_socket::receive(const parts& into, int flags, msghdr* message) {
    if (message != nullptr) {
        message->msg_flags = 0;
        message->msg_namelen = 0;
        message->msg_controllen = 0;
    }
    if (!received_.empty()) {
        std::size_t size = std::min(into.size(), received_.size());
        if (size > 1 && net().choose().chance(host().faults().short_receive, "short receive")) {
            size = 1 + net().choose().below(size, "receive");
        }
        into.write(received_.data(), size);
        if ((flags & MSG_PEEK) == 0) {
            received_.consume(size);
            was_read();
        }
        return static_cast<int>(size);
    }
    const bool tcp = domain() != AF_UNIX;
    if (tcp && end_received_) return 0;
    if (error_ != 0) return take_error();
    if (end_received_ || receiving_shut_) return 0;
    switch (state_) {
        case state::idle:
        case state::listening: return tcp ? -ENOTCONN : -EINVAL;
        case state::ended: return 0;
        default: return -EAGAIN;
    }
}

int stream_socket::send(const parts& from, int, const address*) {
    const bool tcp = domain() != AF_UNIX;
    if (!tcp && sending_shut_) return -EPIPE;
    if (error_ != 0 && state_ != state::connecting) return take_error();
    if (sending_shut_ || state_ == state::ended) return -EPIPE;
    if (state_ == state::connecting) return -EAGAIN;
    if (state_ != state::connected) return tcp ? -EPIPE : -ENOTCONN;
    std::size_t size = from.size();
    if (size == 0) return 0;
    if (room_to_send() == 0) return -EAGAIN;
    decisions& choose = net().choose();
    if (choose.chance(host().faults().send_no_buffers, "send: ENOBUFS")) return -ENOBUFS;
    size = std::min(size, room_to_send());
    if (size > 1 && choose.chance(host().faults().short_send, "short send")) size = 1 + choose.below(size, "send");
    take(from, size);
    return static_cast<int>(size);
}

std::uint32_t stream_socket::ready() const {
    std::uint32_t events = 0;
    const bool at_end = end_received_ || receiving_shut_ || state_ == state::ended;
    if (!received_.empty() || !backlog_.empty() || at_end || error_ != 0) events |= POLLIN | POLLRDNORM;
    if (at_end) events |= POLLRDHUP;
    if (error_ != 0) events |= POLLERR;
    if (state_ == state::idle || state_ == state::ended || (at_end && sending_shut_)) events |= POLLHUP;
    if ((state_ == state::connected && room_to_send() != 0) || sending_shut_ || error_ != 0) {
        events |= POLLOUT | POLLWRNORM;
    }
    return events;
}

int stream_socket::peer_name(address& peer) const {
    if (state_ != state::connected) return -ENOTCONN;
    peer = remote_;
    return 0;
}

int stream_socket::get_option(int level, int name, void* value, std::uint32_t& size) {
    if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
        int listens = is_listening();
        size = std::min<std::uint32_t>(size, sizeof listens);
        std::memcpy(value, &listens, size);
        return 0;
    }
    return sim_socket::get_option(level, name, value, size);
}

}  // namespace sennit::testing::sim
