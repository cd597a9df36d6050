// The kernel of one simulated host.

#include "kernel.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "datagram_socket.hpp"
#include "network.hpp"
#include "tcp_socket.hpp"
#include "unix_stream.hpp"

namespace sennit::testing::sim {

kernel::kernel(network& net, std::size_t index, std::string name, std::vector<ip> addresses)
    : net_(&net), index_(index), name_(std::move(name)), addresses_(std::move(addresses)) {}

std::shared_ptr<sim_socket> kernel::make_socket(int domain, int type, int protocol, int& error) {
    type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    error = 0;
    const bool internet = domain == AF_INET || domain == AF_INET6;
    if (internet && type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) {
        return std::make_shared<tcp_socket>(*this, domain);
    }
    if (internet && type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)) {
        return std::make_shared<udp_socket>(*this, domain);
    }
    if (domain == AF_UNIX && protocol == 0) {
        if (type == SOCK_STREAM) return std::make_shared<unix_stream>(*this);
        if (type == SOCK_DGRAM) return std::make_shared<unix_datagram_socket>(*this);
    }
    error = internet || domain == AF_UNIX ? -EPROTONOSUPPORT : -EAFNOSUPPORT;
    return nullptr;
}

int kernel::open(std::shared_ptr<sim_socket> what) {
    if (!has_free_descriptor()) return -EMFILE;
    while (lowest_free_ < open_.size() && open_[lowest_free_] != nullptr) ++lowest_free_;
    if (lowest_free_ == open_.size()) {
        open_.push_back(std::move(what));
    } else {
        open_[lowest_free_] = std::move(what);
    }
    ++open_count_;
    return first_descriptor() + static_cast<int>(lowest_free_++);
}

sim_socket* kernel::find(int fd) const noexcept {
    const int position = fd - first_descriptor();
    if (position < 0 || static_cast<std::size_t>(position) >= open_.size()) return nullptr;
    return open_[static_cast<std::size_t>(position)].get();
}

void kernel::close(int fd) noexcept {
    if (find(fd) == nullptr) return;
    const auto position = static_cast<std::size_t>(fd - first_descriptor());
    const std::shared_ptr<sim_socket> closed = std::move(open_[position]);
    open_[position] = nullptr;
    lowest_free_ = std::min(lowest_free_, position);
    --open_count_;
    closed->close();
}

void kernel::close_all() noexcept {
    for (std::size_t i = 0; i < open_.size(); ++i) close(first_descriptor() + static_cast<int>(i));
}

port_table& kernel::ports(int type) noexcept {
    return type == SOCK_STREAM ? tcp_ports_ : udp_ports_;
}

std::string kernel::unused_name() {
    // unix(7), autobind: a NUL and five hexadecimal digits.
    constexpr char digits[] = "0123456789abcdef";
    std::string name(6, '\0');
    const std::uint32_t number = ++next_name_;
    for (std::size_t i = 1; i < name.size(); ++i) name[i] = digits[number >> 4 * (name.size() - 1 - i) & 15];
    return name;
}

bool kernel::source_for(const ip& destination, ip& source) const noexcept {
    if (destination.is_loopback() || destination.is_any()) {
        source = ip::loopback(destination.v6);
        return true;
    }
    const auto own =
        std::find_if(addresses_.begin(), addresses_.end(), [&](const ip& each) { return each.v6 == destination.v6; });
    if (own == addresses_.end()) return false;
    source = owns(destination) ? destination : *own;
    return true;
}

bool kernel::owns(const ip& where) const noexcept {
    return where.is_any() || where.is_loopback() ||
           std::find(addresses_.begin(), addresses_.end(), where) != addresses_.end();
}

}  // namespace sennit::testing::sim
