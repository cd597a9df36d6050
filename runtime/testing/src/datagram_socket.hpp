#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "network.hpp"
#include "socket.hpp"

namespace sennit::testing::sim {

/// What datagram sockets have in common: a bounded queue of whole messages.
class datagram_socket : public sim_socket {
  public:
    int receive(const parts& into, int flags, msghdr* message) override;
    int shutdown(int how) override;
    std::uint32_t ready() const override;
    int peer_name(address& peer) const override;

  protected:
    struct message {
        std::string bytes;
        address from;
    };

    using sim_socket::sim_socket;

    void put(message what);
    /// A message was taken out.
    virtual void was_read() {}
    virtual bool has_room_to_send() const noexcept = 0;

    std::deque<message> queue_;
    std::size_t queued_bytes_ = 0;
    address remote_;
    bool connected_ = false;
    bool receiving_shut_ = false;
    bool sending_shut_ = false;
};

class udp_socket final : public datagram_socket {
  public:
    udp_socket(kernel& host, int domain);
    ~udp_socket() override;

    int bind(const address& where) override;
    int connect(const address& where) override;
    int send(const parts& from, int flags, const address* to) override;
    void close() override;

  private:
    class packet;
    class refusal;

    bool has_room_to_send() const noexcept override { return true; }
    void arrive(message what, const address& to, kernel& there);
    void refused();

    bool bound_ = false;
};

/// A Unix datagram socket (unix(7)): reliable and in order; a full queue at the receiver makes the sender wait.
class unix_datagram_socket final : public datagram_socket {
  public:
    explicit unix_datagram_socket(kernel& host);

    int bind(const address& where) override;
    int connect(const address& where) override;
    int send(const parts& from, int flags, const address* to) override;
    void close() override;

    /// socketpair(2).
    void connect_to(unix_datagram_socket& other) noexcept;

  private:
    bool has_room_to_send() const noexcept override;
    void was_read() override;
    bool is_full() const noexcept;

    std::weak_ptr<unix_datagram_socket> peer_;
    std::vector<std::weak_ptr<sim_socket>> senders_;  // that wait for room here
};

}  // namespace sennit::testing::sim
