#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <sennit/bytes.hpp>
#include <sennit/net/endpoint.hpp>

#include "record.hpp"

namespace sennit::swarm {

/// The two who talk: the host whose programs are tested, and the one that echoes.
enum class side : std::uint8_t { client, server };

constexpr side other(side who) noexcept {
    return who == side::client ? side::server : side::client;
}

/// What has been said on one stream, and what may therefore be heard at the other end. `hears` and `hears_the_end`
/// throw `disagreement`.
class stream_ledger {
  public:
    explicit stream_ledger(std::uint64_t number) noexcept : number_(number) {}

    std::uint64_t number() const noexcept { return number_; }
    /// The byte at a position, which is the same in both directions.
    std::byte at(std::size_t position) const noexcept;

    /// Is about to send so many bytes; `has_sent`: the send has succeeded.
    void sends(side who, std::size_t count) noexcept { end(who).handed += count; }
    void has_sent(side who, std::size_t count) noexcept { end(who).sent += count; }
    /// Is about to end its half, or the whole.
    void finishes(side who) noexcept { end(who).finishes = true; }

    void hears(side who, const_bytes what);
    void hears_the_end(side who) const;

    std::size_t heard(side who) const noexcept { return ends_[static_cast<std::size_t>(who)].heard; }

  private:
    struct one_end {
        std::size_t handed = 0;  // to sends: so much may arrive
        std::size_t sent = 0;    // by sends that succeeded: so much arrives before an end of the stream
        std::size_t heard = 0;
        bool finishes = false;
    };

    one_end& end(side who) noexcept { return ends_[static_cast<std::size_t>(who)]; }
    [[noreturn]] void complain(side who, const std::string& what) const;

    std::uint64_t number_;
    std::array<one_end, 2> ends_;
};

/// All datagrams of a run. Each has a number, which is written in it; 0 has every empty one. What cannot be throws
/// `disagreement`.
class datagram_ledger {
  public:
    static constexpr std::size_t shortest = sizeof(std::uint64_t);  // of those that are not empty

    datagram_ledger() { letters_.emplace_back(); }

    /// A new datagram from this address of the client; its number.
    std::uint64_t write(std::size_t size, const net::endpoint& from);
    std::vector<std::byte> text(std::uint64_t number) const;

    /// It is sent once more. `size` is what the server has of it to echo.
    void sends(side who, std::uint64_t number, std::size_t size, bool may_double);
    /// That has failed, and nothing was sent.
    void was_refused(side who, std::uint64_t number, bool may_double);
    /// It arrived; its number. `client` is the address of the client, `room` the size of the buffer.
    std::uint64_t hears(side who, const_bytes what, std::size_t room, bool truncated, const net::endpoint& client);

    std::uint64_t arrived() const noexcept { return arrived_; }

  private:
    struct hop {
        std::size_t size = 0;
        std::uint64_t allowed = 0;  // so often it may arrive
        std::uint64_t arrived = 0;
    };
    struct letter {
        net::endpoint from;
        std::size_t size = 0;
        hop there;
        hop back;
    };

    static std::byte at(std::uint64_t number, std::size_t position) noexcept;
    letter& at(std::uint64_t number);
    static hop& sent_by(letter& what, side who) noexcept { return who == side::client ? what.there : what.back; }

    std::deque<letter> letters_;
    std::uint64_t arrived_ = 0;
};

/// The first disagreement of a run, whoever finds it.
class complaints {
  public:
    /// Calls `check`, which may throw a disagreement.
    template <class Check>
    void of(Check check) {
        try {
            check();
        } catch (const disagreement& what) {
            note(what.what());
        }
    }
    void note(const std::string& what) {
        if (first_.empty()) first_ = what;
    }
    const std::string& first() const noexcept { return first_; }

  private:
    std::string first_;
};

}  // namespace sennit::swarm
