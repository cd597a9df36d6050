// TCP between simulated hosts. Its one hard idea: acknowledgements are left out. The sender sees at once what has
// arrived and what was read there, and what is lost is sent again after the time that TCP would take to notice. So the
// bytes come in order and once, buffers fill and windows close as on a real connection, and half of the packets are
// saved. A connection is in the backlog as soon as its first packet has arrived.
//
// - RFC 6298 and tcp_input.c: the first retransmission comes after 200 ms at the least, each later one after twice
//   as long, 120 s at the most; tcp(7), tcp_retries2: given up after about 924 s.
// - tcp(7), tcp_syn_retries: six retries of a SYN, 1, 2, 4 ... s apart; ETIMEDOUT after 127 s.
// - RFC 9293, 3.10.7.1: data for a connection that is gone is answered by a reset; RFC 2525, 2.17: closing with unread
//   data resets. A reset is not sent again when it is lost.

#include "tcp_socket.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "kernel.hpp"

namespace sennit::testing::sim {

namespace {

constexpr std::size_t ip_and_tcp_headers = 40;
constexpr std::size_t usual_segment = 1460;
constexpr int connect_attempts = 7;
constexpr duration first_knock = std::chrono::seconds(1);
constexpr duration shortest_retry = std::chrono::milliseconds(200);
constexpr duration longest_retry = std::chrono::seconds(120);
constexpr duration patience = std::chrono::milliseconds(924'600);

}  // namespace

/// Bytes, or the end of the stream, on their way.
class tcp_socket::segment final : public event {
  public:
    segment(std::shared_ptr<tcp_socket> from, std::shared_ptr<tcp_socket> to, const char* data, std::size_t size,
            bool is_end)
        : from_(std::move(from)), to_(std::move(to)), data_(data, size), is_end_(is_end) {}

    void happen(std::unique_ptr<event> self) override {
        tcp_socket& from = *from_;
        if (from.state_ == state::ended) return;
        // What follows a lost segment is of no use before that has come.
        if (!from.lost_.empty() || from.net().loses(from.path())) return from.segment_lost(std::move(self));
        arrive();
    }

    void arrive() { from_->deliver(to_.get(), data_.data(), data_.size(), is_end_); }

  private:
    std::shared_ptr<tcp_socket> from_;
    std::shared_ptr<tcp_socket> to_;
    std::string data_;
    bool is_end_;
};

/// A SYN on its way, or its next try.
class tcp_socket::handshake final : public event {
  public:
    handshake(std::shared_ptr<tcp_socket> from, int attempt) : from_(std::move(from)), attempt_(attempt) {}

    void happen(std::unique_ptr<event>) override {
        tcp_socket& from = *from_;
        if (from.state_ != state::connecting) return;
        if (attempt_ == connect_attempts) return from.reset(ETIMEDOUT);
        if (from.remote_host_ == nullptr || from.net().loses(from.path())) return from.knock(attempt_ + 1);
        from.arrive_at_listener(*from.remote_host_, attempt_);
    }

  private:
    std::shared_ptr<tcp_socket> from_;
    int attempt_;
};

/// The listener's answer on its way back.
class tcp_socket::handshake_answer final : public event {
  public:
    handshake_answer(std::shared_ptr<tcp_socket> to, bool accepted) : to_(std::move(to)), accepted_(accepted) {}

    void happen(std::unique_ptr<event> self) override {
        tcp_socket& to = *to_;
        if (to.state_ != state::connecting) return;
        network& net = to.net();
        if (net.loses(net.between(*to.remote_host_, to.host()))) {
            if (++tries_ == connect_attempts) return to.reset(ETIMEDOUT);
            return net.at(net.now() + first_knock * (1 << (tries_ - 1)), std::move(self));
        }
        if (accepted_) {
            to.established();
        } else {
            to.reset(ECONNREFUSED);
        }
    }

  private:
    std::shared_ptr<tcp_socket> to_;
    bool accepted_;
    int tries_ = 0;
};

/// A reset on its way.
class tcp_socket::reset_packet final : public event {
  public:
    reset_packet(std::shared_ptr<tcp_socket> to, const kernel& from) : to_(std::move(to)), from_(&from) {}

    void happen(std::unique_ptr<event>) override {
        network& net = to_->net();
        if (net.loses(net.between(*from_, to_->host()))) return;
        to_->reset(to_->end_received_ ? EPIPE : ECONNRESET);
    }

  private:
    std::shared_ptr<tcp_socket> to_;
    const kernel* from_;
};

/// The time at which what was lost is sent again. Where something is lost there is one of these in the queue.
class tcp_socket::retransmission final : public event {
  public:
    explicit retransmission(std::shared_ptr<tcp_socket> from) : from_(std::move(from)) {}
    retransmission(const retransmission&) = delete;
    retransmission& operator=(const retransmission&) = delete;
    ~retransmission() override {
        // The world has ended before. What was lost keeps the socket alive that keeps it.
        if (!happened_) from_->lost_.clear();
    }

    void happen(std::unique_ptr<event>) override {
        happened_ = true;
        from_->try_lost_again();
    }

  private:
    std::shared_ptr<tcp_socket> from_;
    bool happened_ = false;
};

tcp_socket::tcp_socket(kernel& host, int domain) : stream_socket(host, domain, SOCK_STREAM) {
    local_.family = domain;
    local_.host = ip::any(domain == AF_INET6);
}

tcp_socket::~tcp_socket() {
    if (bound_) host().ports(SOCK_STREAM).release(*this, local_);
}

link& tcp_socket::path() {
    if (path_ == nullptr) path_ = &net().between(host(), *remote_host_);
    return *path_;
}

int tcp_socket::bind(const address& where) {
    if (where.family != domain()) return -EAFNOSUPPORT;
    if (bound_ || state_ != state::idle) return -EINVAL;
    if (!host().owns(where.host)) return -EADDRNOTAVAIL;
    address wanted = where;
    const int done = host().ports(SOCK_STREAM).bind(*this, wanted);
    if (done < 0) return done;
    local_ = wanted;
    bound_ = true;
    return 0;
}

int tcp_socket::listen(int backlog) {
    if (!bound_) {
        const int done = bind(local_);
        if (done < 0) return done;
    }
    return stream_socket::listen(backlog);
}

int tcp_socket::connect(const address& where) {
    if (state_ == state::connecting) return -EAGAIN;
    if (error_ != 0) return take_error();
    if (state_ == state::connected) return std::exchange(connect_reported_, true) ? -EISCONN : 0;
    if (state_ == state::listening) return -EISCONN;
    if (where.family != domain()) return -EAFNOSUPPORT;
    ip source;
    if (!host().source_for(where.host, source)) return -ENETUNREACH;
    if (!bound_) {
        address own = local_;
        own.port = 0;
        const int done = bind(own);
        if (done < 0) return done == -EADDRINUSE ? -EADDRNOTAVAIL : done;
    }
    if (local_.host.is_any()) local_.host = source;
    remote_ = where;
    if (remote_.host.is_any()) remote_.host = source;
    remote_host_ = net().owner_of(remote_.host, host());
    path_ = nullptr;
    state_ = state::connecting;
    connect_reported_ = false;
    sending_shut_ = receiving_shut_ = end_received_ = false;
    knock(0);
    return state_ == state::connecting ? -EAGAIN : connect(where);
}

/// Sends a SYN: the first, or after a time another one.
void tcp_socket::knock(int attempt) {
    if (attempt == 0 && remote_host_ != nullptr && path().is_ideal()) return arrive_at_listener(*remote_host_, 0);
    const duration wait = attempt == 0 ? duration::zero() : first_knock * (1 << (attempt - 1));
    // Where nobody has the address there is no path, and nobody answers.
    const time_point arrives = remote_host_ == nullptr ? net().now() : net().arrival(path(), ip_and_tcp_headers);
    net().at(arrives + wait, std::make_unique<handshake>(self(), attempt));
}

void tcp_socket::arrive_at_listener(kernel& there, int attempt) {
    decisions& choose = net().choose();
    std::vector<sim_socket*> listeners = there.ports(SOCK_STREAM).at(remote_.host, remote_.port);
    std::erase_if(listeners, [](const sim_socket* each) { return !each->is_listening(); });
    link& back = net().between(there, host());
    const auto answer = [&](bool accepted) {
        if (back.is_ideal()) return accepted ? established() : reset(ECONNREFUSED);
        net().at(net().arrival(back, ip_and_tcp_headers), std::make_unique<handshake_answer>(self(), accepted));
    };
    if (listeners.empty() || choose.chance(path().options.refuse, "connect: ECONNREFUSED")) return answer(false);
    const std::size_t chosen = listeners.size() == 1 ? 0 : choose.below(listeners.size(), "listener");
    auto& listener = static_cast<tcp_socket&>(*listeners[chosen]);
    if (listener.backlog_is_full()) return knock(attempt + 1);

    auto accepted = std::make_shared<tcp_socket>(there, domain());
    accepted->local_ = remote_;
    accepted->remote_ = local_;
    accepted->remote_host_ = &host();
    accepted->state_ = state::connected;
    accepted->receive_buffer_ = listener.receive_buffer_;
    accepted->send_buffer_ = listener.send_buffer_;
    accepted->no_delay_ = listener.no_delay_;
    accepted->keep_alive_ = listener.keep_alive_;
    pair_with(*accepted);
    listener.join_backlog(std::move(accepted));
    answer(true);
}

void tcp_socket::established() {
    // Its peer may be gone already; what that sent is on its way.
    state_ = state::connected;
    wake_all();
    if (sending_shut_) transmit();
}

std::size_t tcp_socket::room_to_send() const noexcept {
    const std::size_t used = unsent_.size() + under_way_;
    return used < send_room() ? send_room() - used : 0;
}

void tcp_socket::take(const parts& from, std::size_t size) {
    std::size_t left = size;
    for (std::size_t i = 0; left != 0; ++i) {
        const std::size_t now = std::min(left, from.first[i].iov_len);
        unsent_.append(from.first[i].iov_base, now);
        left -= now;
    }
    transmit();
}

void tcp_socket::was_read() {
    if (peer_ != nullptr) other()->transmit();
}

/// How much more may be under way to the peer.
std::size_t tcp_socket::window() const noexcept {
    // What is sent to nobody is answered by a reset.
    if (peer_ == nullptr || !other()->is_open_) return send_room();
    const tcp_socket& to = *other();
    const std::size_t used = to.received_.size() + under_way_;
    const std::size_t room = used < to.receive_room() ? to.receive_room() - used : 0;
    // RFC 1122, 4.2.3.3: a window that is hardly open is kept shut.
    const bool silly = !to.received_.empty() && room < std::min(to.receive_room() / 2, usual_segment);
    return silly ? 0 : room;
}

/// Sends what the window allows, and the end of the stream after everything else.
void tcp_socket::transmit() {
    if (state_ != state::connected) return;
    while (!unsent_.empty()) {
        const std::size_t mtu = std::max<std::size_t>(path().options.mtu, ip_and_tcp_headers + 1);
        const std::size_t size = std::min({unsent_.size(), window(), mtu - ip_and_tcp_headers});
        if (size == 0) return;
        if (net().choose().chance(path().options.reset, "reset")) {
            if (peer_ != nullptr) other()->reset(ECONNRESET);
            return reset(ECONNRESET);
        }
        send_segment(size, false);
        if (state_ != state::connected) return;
    }
    if (sending_shut_ && !end_sent_) {
        end_sent_ = true;
        send_segment(0, true);
    }
}

void tcp_socket::send_segment(std::size_t size, bool is_end) {
    const bool at_once = under_way_ == 0 && lost_.empty() && path().is_ideal() && last_arrival_ <= net().now();
    if (at_once && !is_end && peer_ != nullptr && other()->is_open_) {
        // Without a packet of its own: this is what a test on one host does millions of times.
        other()->received_.append(unsent_.data(), size);
        unsent_.consume(size);
        other()->wake_readers();
        return wake_writers_if_roomy();
    }
    under_way_ += size;
    auto to = peer_ == nullptr ? nullptr : other()->self();
    auto packet = std::make_unique<segment>(self(), std::move(to), unsent_.data(), size, is_end);
    unsent_.consume(size);
    if (at_once) return packet->arrive();
    last_arrival_ = std::max(last_arrival_, net().arrival(path(), size + ip_and_tcp_headers));
    net().at(last_arrival_, std::move(packet));
}

void tcp_socket::segment_lost(std::unique_ptr<event> what) {
    lost_.push_back(std::move(what));
    if (lost_.size() != 1) return;
    lost_since_ = net().now();
    retry_after_ = shortest_retry;
    net().at(net().now() + retry_after_, std::make_unique<retransmission>(self()));
}

void tcp_socket::try_lost_again() {
    while (!lost_.empty() && state_ != state::ended) {
        if (net().loses(path())) {
            if (net().now() - lost_since_ >= patience) return reset(ETIMEDOUT);
            retry_after_ = std::min(2 * retry_after_, longest_retry);
            net().at(net().now() + retry_after_, std::make_unique<retransmission>(self()));
            return;
        }
        const std::unique_ptr<event> next = std::move(lost_.front());
        lost_.pop_front();
        lost_since_ = net().now();
        static_cast<segment&>(*next).arrive();
    }
}

/// A segment has reached the other host.
void tcp_socket::deliver(tcp_socket* to, const char* data, std::size_t size, bool is_end) {
    under_way_ -= size;
    if (is_end) end_arrived_ = true;
    const bool known = to != nullptr && to->state_ != state::ended;
    if (!known || (!to->is_open_ && size != 0)) {
        if (size != 0) refuse_segment();
        if (known) to->abort();
    } else {
        to->received_.append(data, size);
        if (is_end) to->end_received_ = true;
        if (size != 0 || is_end) to->wake_readers();
    }
    if (state_ == state::connected) wake_writers_if_roomy();
    forget_if_done();
    if (to != nullptr) to->forget_if_done();
}

/// A sender goes on when a third of its buffer is free (sk_stream_is_writeable).
void tcp_socket::wake_writers_if_roomy() noexcept {
    if (room_to_send() >= send_room() / 3) wake_writers();
}

/// Nobody is there for what we have sent: a reset comes back.
void tcp_socket::refuse_segment() {
    link& back = net().between(*remote_host_, host());
    if (back.is_ideal()) return reset(end_received_ ? EPIPE : ECONNRESET);
    net().at(net().arrival(back, ip_and_tcp_headers), std::make_unique<reset_packet>(self(), *remote_host_));
}

void tcp_socket::reset(int error) {
    if (state_ == state::ended || state_ == state::idle || state_ == state::listening) return;
    // A socket that could not connect may try again.
    const bool was_connecting = state_ == state::connecting;
    state_ = was_connecting ? state::idle : state::ended;
    error_ = error;
    sending_shut_ = receiving_shut_ = true;
    unsent_.clear();
    lost_.clear();
    part();
    wake_all();
    forget_if_done();
}

int tcp_socket::shutdown(int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return -EINVAL;
    if (state_ == state::listening) {
        if (how == SHUT_WR) return 0;
        state_ = state::idle;
        for (auto& each : std::exchange(backlog_, {})) static_cast<tcp_socket&>(*each).abort();
        wake_all();
        return 0;
    }
    if (state_ != state::connected) return -ENOTCONN;
    if (how != SHUT_WR) receiving_shut_ = true;
    if (how != SHUT_RD && !sending_shut_) {
        sending_shut_ = true;
        transmit();
    }
    wake_all();
    return 0;
}

/// Ends the connection with a reset for the peer.
void tcp_socket::abort() {
    tcp_socket* const peer = other();
    const bool tells = state_ == state::connected && peer != nullptr;
    if (tells) {
        const auto to = peer->self();
        part();
        link& way = path();
        if (way.is_ideal()) {
            to->reset(to->end_received_ ? EPIPE : ECONNRESET);
        } else {
            net().at(net().arrival(way, ip_and_tcp_headers), std::make_unique<reset_packet>(to, host()));
        }
    }
    reset(ECONNRESET);
}

void tcp_socket::close() {
    const auto keeps_alive = self();
    is_open_ = false;
    for (auto& each : std::exchange(backlog_, {})) {
        auto& unaccepted = static_cast<tcp_socket&>(*each);
        unaccepted.is_open_ = false;
        unaccepted.abort();
    }
    if (bound_) {
        host().ports(SOCK_STREAM).release(*this, local_);
        bound_ = false;
    }
    if (state_ == state::connected && (!received_.empty() || resets_on_close_)) return abort();
    if (state_ != state::connected) {
        state_ = state::ended;
        return part();
    }
    // What was sent still arrives, and the end of the stream after it.
    sending_shut_ = true;
    kept_ = true;
    net().keep(keeps_alive);
    transmit();
    forget_if_done();
}

void tcp_socket::forget_if_done() noexcept {
    if (!kept_ || !(end_arrived_ || state_ == state::ended)) return;
    kept_ = false;
    net().release(*this);
}

}  // namespace sennit::testing::sim
