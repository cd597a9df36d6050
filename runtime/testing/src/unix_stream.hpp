#pragma once

#include <memory>
#include <vector>

#include "stream_socket.hpp"

namespace sennit::testing::sim {

/// A Unix stream socket (unix(7)): what is sent is at the other end at once, and counts against the sender's buffer
/// until it is read there.
class unix_stream final : public stream_socket {
  public:
    explicit unix_stream(kernel& host);
    ~unix_stream() override;

    int bind(const address& where) override;
    int connect(const address& where) override;
    int shutdown(int how) override;
    void close() override;

    /// socketpair(2).
    void connect_to(unix_stream& other) noexcept;

  private:
    std::size_t room_to_send() const noexcept override;
    void take(const parts& from, std::size_t size) override;
    void was_read() override;
    void backlog_shrank() override;

    unix_stream* other() const noexcept { return static_cast<unix_stream*>(peer_); }

    std::vector<std::weak_ptr<sim_socket>> knocking_;  // that wait for room in the backlog
};

}  // namespace sennit::testing::sim
