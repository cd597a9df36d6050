#pragma once

#include <deque>
#include <memory>

#include "byte_queue.hpp"
#include "socket.hpp"

namespace sennit::testing::sim {

/// What TCP and Unix streams have in common: the states, the queue of what has arrived, the backlog of a listener.
class stream_socket : public sim_socket {
  public:
    int listen(int backlog) override;
    int accept(std::shared_ptr<sim_socket>& accepted) override;
    int receive(const parts& into, int flags, msghdr* message) override;
    int send(const parts& from, int flags, const address* to) override;
    std::uint32_t ready() const override;
    int peer_name(address& peer) const override;
    int get_option(int level, int name, void* value, std::uint32_t& size) override;
    bool is_listening() const noexcept override { return state_ == state::listening; }

    /// For reports: the other end, null when it has gone.
    stream_socket* peer() const noexcept { return peer_; }
    bool wants_to_connect() const noexcept { return state_ == state::connecting; }
    const address& remote_name() const noexcept { return remote_; }

  protected:
    enum class state { idle, connecting, connected, listening, ended };

    using sim_socket::sim_socket;
    ~stream_socket() override;

    /// Room for bytes that are to be sent.
    virtual std::size_t room_to_send() const noexcept = 0;
    /// Takes bytes over, no more than there was room for.
    virtual void take(const parts& from, std::size_t size) = 0;
    /// Some of what had arrived was read.
    virtual void was_read() = 0;
    /// An accepted connection was taken out of the backlog.
    virtual void backlog_shrank() {}

    void pair_with(stream_socket& other) noexcept;
    void part() noexcept;
    bool backlog_is_full() const noexcept { return backlog_.size() > backlog_limit_; }
    void join_backlog(std::shared_ptr<stream_socket> connection);

    state state_ = state::idle;
    stream_socket* peer_ = nullptr;
    address remote_;
    byte_queue received_;
    bool end_received_ = false;  // the peer's end of stream has arrived
    bool receiving_shut_ = false;
    bool sending_shut_ = false;
    bool is_open_ = true;
    bool connect_reported_ = false;
    std::deque<std::shared_ptr<stream_socket>> backlog_;
    std::size_t backlog_limit_ = 0;
};

}  // namespace sennit::testing::sim
