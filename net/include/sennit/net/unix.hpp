#pragma once

#include <utility>

#include <sennit/net/datagram_socket.hpp>
#include <sennit/net/endpoint.hpp>
#include <sennit/net/listener.hpp>
#include <sennit/net/stream_socket.hpp>
#include <sennit/task.hpp>

namespace sennit::net {

/// A Unix domain stream connection. Source: unix(7).
class unix_stream final : public stream_socket {
  public:
    /// For the library.
    explicit unix_stream(detail::socket_ref core) noexcept : stream_socket(std::move(core)) {}

    /// Connects to a Unix endpoint; suspends while the listener's backlog is full. Throws `std::system_error` whose
    /// text names the endpoint. Cancelling it gives up the attempt.
    static task<unix_stream> connect(endpoint peer);

    /// Two streams connected to each other. Does not suspend. Source: socketpair(2).
    static task<std::pair<unix_stream, unix_stream>> pair();
};

/// A listening Unix domain socket.
class unix_listener final : public basic_listener<unix_stream> {
  public:
    /// Listens on a Unix endpoint. A path is created, and removed again when the listener closes; one left behind by a
    /// process that is gone (nobody accepts there any more) is replaced. Suspends only while the listener of a process
    /// that has ended is still being taken down, a second at the most. Throws `std::system_error` whose text names the
    /// endpoint: `address_in_use` when a listener lives there or the file is no socket; `std::invalid_argument` for
    /// `endpoint::unix_unnamed()`, where nobody would find it. Source: unix(7).
    static task<unix_listener> bind(endpoint where, int backlog = 4096);

  private:
    explicit unix_listener(detail::acceptor_core* core) noexcept : basic_listener(core) {}
};

/// A Unix domain datagram socket: reliable and in order; a sender waits while the receiver's queue is full.
class unix_datagram_socket final : public datagram_socket {
  public:
    /// Receives at a Unix endpoint; a path stays in the file system and is the caller's to remove. Does not suspend.
    static task<unix_datagram_socket> bind(endpoint where);

    /// Sends to `peer`; to be answered it needs a name of its own, which the kernel chooses (unix(7), autobind).
    static task<unix_datagram_socket> connect(endpoint peer);

    /// Two sockets connected to each other. Does not suspend. Source: socketpair(2).
    static task<std::pair<unix_datagram_socket, unix_datagram_socket>> pair();

  private:
    explicit unix_datagram_socket(detail::socket_ref core) noexcept : datagram_socket(std::move(core)) {}
};

}  // namespace sennit::net
