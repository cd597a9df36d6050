#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include <sennit/event.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/task.hpp>

#include "ledger.hpp"
#include "surroundings.hpp"

namespace sennit::swarm {

/// Streams between the tested host and its peer, of which both ends are looked at.
class streams {
  public:
    streams(surroundings& where, complaints& found) noexcept : where_(&where), found_(&found) {}
    streams(const streams&) = delete;
    streams& operator=(const streams&) = delete;

    /// Of the peer: binds, and echoes for ever.
    task<> listen(net::endpoint address);
    task<> serve();

    /// Has `size` bytes echoed, with a new connection whenever one breaks. While things go wrong, also when one is
    /// silent for too long; afterwards an end that hangs is waited for, and seen to hang.
    task<> transfer(std::size_t id, std::size_t size);

    /// Of the peer, when no client is left: waits until each of its ends has ended.
    task<> all_ended();
    /// The server's ends must have ended soon after those of clients that ended when nothing went wrong any more. For
    /// clocks that are exact.
    void must_have_ended_promptly();

    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t connections() const noexcept { return conversations_.size(); }

  private:
    /// How the server behaves.
    enum class manner : std::uint8_t { echo, hang_up, end_half };

    struct conversation {
        conversation(std::uint64_t number, manner what, std::size_t limit) noexcept
            : said(number), how(what), echoed_at_most(limit) {}

        stream_ledger said;
        manner how;
        std::size_t echoed_at_most;  // from about there on it hangs up, or ends its half
        std::optional<time_point> ended_by_client;
        std::optional<time_point> ended_by_server;
        bool ended_in_quiet = false;  // by the client
        bool was_answered = false;
    };
    class visit;
    class part;

    task<> answer(net::tcp_stream peer);
    task<> converse(net::tcp_stream& peer);
    task<> echo_once(std::size_t size, conversation& talk);
    task<> send_all(net::tcp_stream& stream, std::size_t size, conversation& talk);
    task<> receive_all(net::tcp_stream& stream, std::size_t size, conversation& talk);

    surroundings* where_;
    complaints* found_;
    std::optional<net::tcp_listener> listener_;
    net::endpoint address_;
    std::deque<conversation> conversations_;
    std::size_t served_ = 0;
    event none_served_;
    std::uint64_t bytes_ = 0;
};

}  // namespace sennit::swarm
