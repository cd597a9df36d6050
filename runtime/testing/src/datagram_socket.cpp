// Datagrams: whole messages (udp(7), unix(7)).
//
// - udp(7): a message that finds the receive buffer full is dropped silently.
// - ip(7): a port that nobody has gives ECONNREFUSED on a connected socket, once.
// - recvmsg(2): what does not fit is cut off, and MSG_TRUNC says so.

#include "datagram_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "kernel.hpp"
#include "unix_names.hpp"

namespace sennit::testing::sim {

namespace {

constexpr std::size_t ip_and_udp_headers = 28;
constexpr std::size_t largest_datagram = 65507;
constexpr std::size_t overhead = 256;           // what a message costs the kernel beside its bytes
constexpr std::size_t longest_unix_queue = 10;  // net.unix.max_dgram_qlen

std::string joined(const parts& from) {
    std::string bytes;
    bytes.reserve(from.size());
    for (std::size_t i = 0; i < from.count; ++i) {
        bytes.append(static_cast<const char*>(from.first[i].iov_base), from.first[i].iov_len);
    }
    return bytes;
}

}  // namespace

void datagram_socket::put(message what) {
    queued_bytes_ += what.bytes.size() + overhead;
    queue_.push_back(std::move(what));
    wake_readers();
}

int datagram_socket::receive(const parts& into, int flags, msghdr* header) {
    if (error_ != 0) return take_error();
    if (queue_.empty()) return receiving_shut_ ? 0 : -EAGAIN;
    const message& next = queue_.front();
    const std::size_t copied = into.write(next.bytes.data(), next.bytes.size());
    const bool truncated = copied < next.bytes.size();
    if (header != nullptr) {
        header->msg_flags = truncated ? MSG_TRUNC : 0;
        header->msg_controllen = 0;
        if (header->msg_name != nullptr) {
            header->msg_namelen = next.from.write(header->msg_name, header->msg_namelen);
        }
    }
    const std::size_t given = (flags & MSG_TRUNC) != 0 ? next.bytes.size() : copied;
    if ((flags & MSG_PEEK) == 0) {
        queued_bytes_ -= next.bytes.size() + overhead;
        queue_.pop_front();
        was_read();
    }
    return static_cast<int>(given);
}

int datagram_socket::shutdown(int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return -EINVAL;
    if (!connected_) return -ENOTCONN;
    receiving_shut_ |= how != SHUT_WR;
    sending_shut_ |= how != SHUT_RD;
    wake_all();
    return 0;
}

std::uint32_t datagram_socket::ready() const {
    std::uint32_t events = 0;
    if (!queue_.empty() || receiving_shut_ || error_ != 0) events |= POLLIN | POLLRDNORM;
    if (error_ != 0) events |= POLLERR;
    if (has_room_to_send()) events |= POLLOUT | POLLWRNORM;
    return events;
}

int datagram_socket::peer_name(address& peer) const {
    if (!connected_) return -ENOTCONN;
    peer = remote_;
    return 0;
}

/// A datagram on its way.
class udp_socket::packet final : public event {
  public:
    packet(std::shared_ptr<udp_socket> from, kernel& there, const address& to, message what)
        : from_(std::move(from)), there_(&there), to_(to), what_(std::move(what)) {}

    void happen(std::unique_ptr<event>) override {
        if (from_->net().between(from_->host(), *there_).cut) return;
        from_->arrive(std::move(what_), to_, *there_);
    }

  private:
    std::shared_ptr<udp_socket> from_;
    kernel* there_;
    address to_;
    message what_;
};

/// The news that nobody has the port, on its way back.
class udp_socket::refusal final : public event {
  public:
    refusal(std::shared_ptr<udp_socket> to, const kernel& from) : to_(std::move(to)), from_(&from) {}

    void happen(std::unique_ptr<event>) override {
        if (!to_->net().between(*from_, to_->host()).cut) to_->refused();
    }

  private:
    std::shared_ptr<udp_socket> to_;
    const kernel* from_;
};

udp_socket::udp_socket(kernel& host, int domain) : datagram_socket(host, domain, SOCK_DGRAM) {
    local_.family = domain;
    local_.host = ip::any(domain == AF_INET6);
}

udp_socket::~udp_socket() {
    close();
}

int udp_socket::bind(const address& where) {
    if (where.family != domain()) return -EAFNOSUPPORT;
    if (bound_) return -EINVAL;
    if (!host().owns(where.host)) return -EADDRNOTAVAIL;
    address wanted = where;
    const int done = host().ports(SOCK_DGRAM).bind(*this, wanted);
    if (done < 0) return done;
    local_ = wanted;
    bound_ = true;
    return 0;
}

int udp_socket::connect(const address& where) {
    if (where.family != domain()) return -EAFNOSUPPORT;
    ip source;
    if (!host().source_for(where.host, source)) return -ENETUNREACH;
    if (!bound_) {
        const int done = bind(local_);
        if (done < 0) return done;
    }
    if (local_.host.is_any()) local_.host = source;
    remote_ = where;
    if (remote_.host.is_any()) remote_.host = source;
    connected_ = true;
    return 0;
}

int udp_socket::send(const parts& from, int, const address* to) {
    if (error_ != 0) return take_error();
    if (sending_shut_) return -EPIPE;
    if (to == nullptr && !connected_) return -EDESTADDRREQ;
    address destination = to == nullptr ? remote_ : *to;
    if (destination.family != domain()) return domain() == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
    if (destination.port == 0) return -EINVAL;
    const std::size_t size = from.size();
    if (size > largest_datagram) return -EMSGSIZE;
    ip source;
    if (!host().source_for(destination.host, source)) return -ENETUNREACH;
    decisions& choose = net().choose();
    if (choose.chance(host().faults().send_no_buffers, "send: ENOBUFS")) return -ENOBUFS;
    if (!bound_) {
        const int done = bind(local_);
        if (done < 0) return -EAGAIN;
    }
    if (destination.host.is_any()) destination.host = source;
    message what{joined(from), local_};
    if (what.from.host.is_any()) what.from.host = source;

    kernel* const there = net().owner_of(destination.host, host());
    if (there == nullptr) return static_cast<int>(size);  // it goes out, and nobody hears of it
    link& path = net().between(host(), *there);
    const link_options& options = path.options;
    const std::size_t largest_part = std::max<std::size_t>(options.mtu, ip_and_udp_headers + 8) - ip_and_udp_headers;
    bool lost = path.cut;
    for (std::size_t done = 0; done == 0 || done < size; done += largest_part) lost |= net().loses(path);
    if (lost) return static_cast<int>(size);
    const int copies = choose.chance(options.duplicate, "duplicate") ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        if (path.is_ideal() && options.reorder == 0) {
            arrive(what, destination, *there);
            continue;
        }
        duration later{};
        if (choose.chance(options.reorder, "reorder")) later = options.reorder_by;
        const auto self = std::static_pointer_cast<udp_socket>(shared_from_this());
        net().at(net().arrival(path, size + ip_and_udp_headers) + later,
                 std::make_unique<packet>(self, *there, destination, what));
    }
    return static_cast<int>(size);
}

/// This socket's message has reached the host it was for.
void udp_socket::arrive(message what, const address& to, kernel& there) {
    std::vector<sim_socket*> candidates = there.ports(SOCK_DGRAM).at(to.host, to.port);
    // A connected socket hears its peer only, and is preferred for what that sends.
    const auto is_peer = [&](const udp_socket& each) {
        return each.remote_.host == what.from.host && each.remote_.port == what.from.port;
    };
    std::vector<udp_socket*> willing;
    bool any_connected = false;
    for (sim_socket* each : candidates) {
        auto& socket = static_cast<udp_socket&>(*each);
        if (socket.connected_ && !is_peer(socket)) continue;
        if (socket.connected_ && !std::exchange(any_connected, true)) willing.clear();
        if (socket.connected_ || !any_connected) willing.push_back(&socket);
    }
    if (willing.empty()) {
        if (!connected_) return;
        link& back = net().between(there, host());
        if (back.is_ideal()) return refused();
        const auto self = std::static_pointer_cast<udp_socket>(shared_from_this());
        return net().at(net().arrival(back, ip_and_udp_headers), std::make_unique<refusal>(self, there));
    }
    const std::size_t chosen = willing.size() == 1 ? 0 : net().choose().below(willing.size(), "receiver");
    udp_socket& receiver = *willing[chosen];
    const bool has_room =
        receiver.queue_.empty() || receiver.queued_bytes_ + what.bytes.size() + overhead <= receiver.receive_buffer_;
    if (has_room) receiver.put(std::move(what));
}

void udp_socket::refused() {
    if (!connected_) return;
    error_ = ECONNREFUSED;
    wake_all();
}

void udp_socket::close() {
    if (bound_) host().ports(SOCK_DGRAM).release(*this, local_);
    bound_ = false;
    connected_ = false;
}

unix_datagram_socket::unix_datagram_socket(kernel& host) : datagram_socket(host, AF_UNIX, SOCK_DGRAM) {
    local_.family = AF_UNIX;
    remote_.family = AF_UNIX;
}

int unix_datagram_socket::bind(const address& where) {
    return bind_unix_name(*this, where, local_);
}

int unix_datagram_socket::connect(const address& where) {
    std::shared_ptr<sim_socket> found;
    const int error = find_unix_name(host(), where, SOCK_DGRAM, found);
    if (error < 0) return error;
    peer_ = std::static_pointer_cast<unix_datagram_socket>(found);
    remote_ = where;
    connected_ = true;
    return 0;
}

void unix_datagram_socket::connect_to(unix_datagram_socket& other) noexcept {
    peer_ = std::static_pointer_cast<unix_datagram_socket>(other.shared_from_this());
    other.peer_ = std::static_pointer_cast<unix_datagram_socket>(shared_from_this());
    connected_ = other.connected_ = true;
}

bool unix_datagram_socket::is_full() const noexcept {
    return queue_.size() > longest_unix_queue;
}

bool unix_datagram_socket::has_room_to_send() const noexcept {
    const auto peer = peer_.lock();
    return peer == nullptr || !peer->is_full();
}

int unix_datagram_socket::send(const parts& from, int, const address* to) {
    if (error_ != 0) return take_error();
    if (sending_shut_) return -EPIPE;
    std::shared_ptr<unix_datagram_socket> target = peer_.lock();
    if (to != nullptr) {
        std::shared_ptr<sim_socket> found;
        const int error = find_unix_name(host(), *to, SOCK_DGRAM, found);
        if (error < 0) return error;
        target = std::static_pointer_cast<unix_datagram_socket>(found);
    } else if (!connected_) {
        return -ENOTCONN;
    } else if (target == nullptr) {
        connected_ = false;
        return -ECONNREFUSED;
    }
    const auto its_peer = target->peer_.lock();
    if (target->connected_ && its_peer.get() != this) return -EPERM;
    if (target->receiving_shut_) return -EPIPE;
    const std::size_t size = from.size();
    if (size > send_buffer_ - 32) return -EMSGSIZE;
    if (net().choose().chance(host().faults().send_no_buffers, "send: ENOBUFS")) return -ENOBUFS;
    if (target->is_full()) {
        target->senders_.push_back(weak_from_this());
        return -EAGAIN;
    }
    target->put({joined(from), local_});
    return static_cast<int>(size);
}

void unix_datagram_socket::was_read() {
    for (const auto& each : std::exchange(senders_, {})) {
        if (const auto sender = each.lock()) static_cast<unix_datagram_socket&>(*sender).wake_writers();
    }
}

void unix_datagram_socket::close() {
    if (local_.is_abstract()) host().names().erase(local_.path);
    was_read();
    if (const auto peer = peer_.lock()) peer->wake_all();
}

}  // namespace sennit::testing::sim
