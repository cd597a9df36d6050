// Unix stream sockets. A connect that finds the backlog full waits at the listener, as a blocking one does.

#include "unix_stream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "kernel.hpp"
#include "unix_names.hpp"

namespace sennit::testing::sim {

unix_stream::unix_stream(kernel& host) : stream_socket(host, AF_UNIX, SOCK_STREAM) {
    local_.family = AF_UNIX;
    remote_.family = AF_UNIX;
}

unix_stream::~unix_stream() = default;

int unix_stream::bind(const address& where) {
    return bind_unix_name(*this, where, local_);
}

int unix_stream::connect(const address& where) {
    if (state_ == state::connected) return std::exchange(connect_reported_, true) ? -EISCONN : 0;
    if (state_ != state::idle) return -EINVAL;
    std::shared_ptr<sim_socket> found;
    const int error = find_unix_name(host(), where, SOCK_STREAM, found);
    if (error < 0) return error;
    auto& listener = static_cast<unix_stream&>(*found);
    if (!listener.is_listening()) return -ECONNREFUSED;
    if (listener.backlog_is_full()) {
        listener.knocking_.push_back(weak_from_this());
        return -EAGAIN;
    }
    auto accepted = std::make_shared<unix_stream>(host());
    accepted->local_ = listener.local_;
    connect_to(*accepted);
    connect_reported_ = true;
    remote_ = listener.local_;
    listener.join_backlog(std::move(accepted));
    return 0;
}

void unix_stream::connect_to(unix_stream& other) noexcept {
    pair_with(other);
    state_ = other.state_ = state::connected;
    connect_reported_ = other.connect_reported_ = true;
    other.remote_ = local_;
    remote_ = other.local_;
}

std::size_t unix_stream::room_to_send() const noexcept {
    const std::size_t used = peer_ == nullptr ? 0 : other()->received_.size();
    return used < send_room() ? send_room() - used : 0;
}

void unix_stream::take(const parts& from, std::size_t size) {
    std::size_t left = size;
    for (std::size_t i = 0; left != 0; ++i) {
        const std::size_t now = std::min(left, from.first[i].iov_len);
        other()->received_.append(from.first[i].iov_base, now);
        left -= now;
    }
    other()->wake_readers();
}

void unix_stream::was_read() {
    if (peer_ != nullptr && other()->room_to_send() >= other()->send_room() / 2) other()->wake_writers();
}

void unix_stream::backlog_shrank() {
    for (const auto& each : std::exchange(knocking_, {})) {
        if (const auto waiting = each.lock()) static_cast<unix_stream&>(*waiting).wake_writers();
    }
}

int unix_stream::shutdown(int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return -EINVAL;
    const bool reads = how != SHUT_WR;
    const bool writes = how != SHUT_RD;
    receiving_shut_ |= reads;
    sending_shut_ |= writes;
    if (state_ == state::listening && reads) state_ = state::idle;
    if (peer_ != nullptr) {
        other()->end_received_ |= writes;
        other()->sending_shut_ |= reads;
        other()->wake_all();
    }
    wake_all();
    return 0;
}

void unix_stream::close() {
    is_open_ = false;
    if (local_.is_abstract()) host().names().erase(local_.path);
    if (local_.path.size() != 0 && is_listening()) host().names().erase(local_.path);
    for (auto& each : std::exchange(backlog_, {})) each->close();
    if (unix_stream* const peer = other()) {
        peer->end_received_ = true;
        peer->sending_shut_ = true;
        if (!received_.empty()) peer->error_ = ECONNRESET;
        part();
        peer->wake_all();
    }
    state_ = state::ended;
    backlog_shrank();
    wake_all();
}

}  // namespace sennit::testing::sim
