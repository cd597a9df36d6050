#pragma once

#include <deque>
#include <memory>

#include "network.hpp"
#include "stream_socket.hpp"

namespace sennit::testing::sim {

/// A TCP socket, or the kernel's rest of one whose descriptor is closed.
class tcp_socket final : public stream_socket {
  public:
    tcp_socket(kernel& host, int domain);
    ~tcp_socket() override;

    int bind(const address& where) override;
    int listen(int backlog) override;
    int connect(const address& where) override;
    int shutdown(int how) override;
    void close() override;

    /// Ends the connection on this side as a reset from the peer does.
    void reset(int error);

    /// The host at the other end; null while there is none.
    kernel* remote_host() const noexcept { return remote_host_; }

  private:
    class segment;
    class handshake;
    class handshake_answer;
    class reset_packet;
    class retransmission;

    std::size_t room_to_send() const noexcept override;
    void take(const parts& from, std::size_t size) override;
    void was_read() override;

    std::shared_ptr<tcp_socket> self() { return std::static_pointer_cast<tcp_socket>(shared_from_this()); }
    tcp_socket* other() const noexcept { return static_cast<tcp_socket*>(peer_); }
    link& path();

    void knock(int attempt);
    void arrive_at_listener(kernel& there, int attempt);
    void established();
    void transmit();
    std::size_t window() const noexcept;
    void send_segment(std::size_t size, bool is_end);
    void segment_lost(std::unique_ptr<event> what);
    void try_lost_again();
    void deliver(tcp_socket* to, const char* data, std::size_t size, bool is_end);
    void wake_writers_if_roomy() noexcept;
    void refuse_segment();
    void abort();
    void forget_if_done() noexcept;

    kernel* remote_host_ = nullptr;
    link* path_ = nullptr;
    bool bound_ = false;
    bool kept_ = false;
    bool end_sent_ = false;
    bool end_arrived_ = false;
    byte_queue unsent_;
    std::size_t under_way_ = 0;  // sent and not arrived
    time_point last_arrival_{};  // what is sent later does not arrive earlier
    std::deque<std::unique_ptr<event>> lost_;
    duration retry_after_{};
    time_point lost_since_{};
};

}  // namespace sennit::testing::sim
