// What may arrive. The one hard idea: the bytes of a stream are a function of its number and the position, those of a
// datagram of its number, which stands in it. So each end knows every byte that may come without asking the other, and
// this file, which is told of both, knows what has not been sent yet or has come too often.

#include "ledger.hpp"

#include <algorithm>
#include <span>

namespace sennit::swarm {

namespace {

const char* name_of(side who) noexcept {
    return who == side::client ? "client" : "server";
}

}  // namespace

std::byte stream_ledger::at(std::size_t position) const noexcept {
    return static_cast<std::byte>(number_ * 31 + position + (position >> 8) * 7);
}

void stream_ledger::complain(side who, const std::string& what) const {
    throw disagreement("stream " + std::to_string(number_) + ", " + name_of(who) + ": " + what);
}

void stream_ledger::hears(side who, const_bytes what) {
    one_end& here = end(who);
    for (const std::byte each : std::span(what.data(), what.size())) {
        if (each != at(here.heard)) complain(who, "wrong byte " + std::to_string(here.heard));
        ++here.heard;
    }
    if (here.heard > end(other(who)).handed) complain(who, "heard more than has been said");
}

void stream_ledger::hears_the_end(side who) const {
    const one_end& here = ends_[static_cast<std::size_t>(who)];
    const one_end& there = ends_[static_cast<std::size_t>(other(who))];
    if (!there.finishes) complain(who, "heard an end that nobody has said");
    if (here.heard < there.sent) {
        complain(who, "heard the end after " + std::to_string(here.heard) + " bytes of " + std::to_string(there.sent));
    }
}

std::byte datagram_ledger::at(std::uint64_t number, std::size_t position) noexcept {
    if (position < shortest) return static_cast<std::byte>(number >> (8 * position));
    return static_cast<std::byte>(number * 31 + position + (position >> 8) * 7);
}

datagram_ledger::letter& datagram_ledger::at(std::uint64_t number) {
    if (number >= letters_.size()) throw disagreement("a datagram arrived that nobody has sent");
    return letters_[number];
}

std::uint64_t datagram_ledger::write(std::size_t size, const net::endpoint& from) {
    if (size == 0) return 0;
    letter& written = letters_.emplace_back();
    written.from = from;
    written.size = std::max(size, shortest);
    return letters_.size() - 1;
}

std::vector<std::byte> datagram_ledger::text(std::uint64_t number) const {
    std::vector<std::byte> bytes(letters_[number].size);
    for (std::size_t i = 0; i != bytes.size(); ++i) bytes[i] = at(number, i);
    return bytes;
}

void datagram_ledger::sends(side who, std::uint64_t number, std::size_t size, bool may_double) {
    hop& way = sent_by(at(number), who);
    way.size = size;
    way.allowed += may_double ? 2 : 1;
}

void datagram_ledger::was_refused(side who, std::uint64_t number, bool may_double) {
    hop& way = sent_by(at(number), who);
    way.allowed -= may_double ? 2 : 1;
    if (way.arrived > way.allowed) throw disagreement("a datagram arrived whose sending had failed");
}

std::uint64_t datagram_ledger::hears(side who, const_bytes what, std::size_t room, bool truncated,
                                     const net::endpoint& client) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i != std::min(what.size(), shortest); ++i) {
        number |= std::to_integer<std::uint64_t>(what.data()[i]) << (8 * i);
    }
    letter& found = at(number);
    hop& way = sent_by(found, other(who));
    const std::string name = "datagram " + std::to_string(number) + " at the " + name_of(who) + ": ";
    if (what.size() != std::min(way.size, room)) throw disagreement(name + "has another length");
    const bool is_cut = way.size > room;
    if (truncated != is_cut) throw disagreement(name + (is_cut ? "is cut off and nobody says so" : "is not cut off"));
    for (std::size_t i = 0; i != what.size(); ++i) {
        if (what.data()[i] != at(number, i)) throw disagreement(name + "wrong byte " + std::to_string(i));
    }
    if (number != 0 && client != found.from) throw disagreement(name + "the address is not the client's");
    if (++way.arrived > way.allowed) throw disagreement(name + "came more often than it was sent");
    ++arrived_;
    return number;
}

}  // namespace sennit::swarm
