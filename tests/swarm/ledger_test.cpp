// The ledgers notice what must not arrive.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ledger.hpp"

namespace sennit::swarm {
namespace {

/// The text of the disagreement; empty when there is none.
template <class Check>
std::string complaint(Check check) {
    complaints found;
    found.of(check);
    return found.first();
}

std::vector<std::byte> bytes_of(const stream_ledger& what, std::size_t size) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i != size; ++i) bytes.push_back(what.at(i));
    return bytes;
}

TEST(SwarmStreamLedger, NoticesWrongByteAndWhatWasNotSaid) {
    stream_ledger said(3);
    said.sends(side::client, 10);
    std::vector<std::byte> bytes = bytes_of(said, 10);
    EXPECT_EQ(complaint([&] { said.hears(side::server, const_bytes(bytes).first(4)); }), "");
    EXPECT_EQ(complaint([&] { said.hears(side::server, const_bytes(bytes).subspan(5)); }),
              "stream 3, server: wrong byte 4");
    EXPECT_EQ(complaint([&] { said.hears(side::client, const_bytes(bytes).first(1)); }),
              "stream 3, client: heard more than has been said");
}

TEST(SwarmStreamLedger, NoticesAnEndThatCameEarlyOrThatNobodyHasSaid) {
    stream_ledger said(0);
    const std::vector<std::byte> bytes = bytes_of(said, 10);
    said.sends(side::server, 10);
    said.hears(side::client, const_bytes(bytes).first(9));
    EXPECT_EQ(complaint([&] { said.hears_the_end(side::client); }),
              "stream 0, client: heard an end that nobody has said");
    said.finishes(side::server);
    EXPECT_EQ(complaint([&] { said.hears_the_end(side::client); }), "") << "the send may have failed";
    said.has_sent(side::server, 10);
    EXPECT_EQ(complaint([&] { said.hears_the_end(side::client); }),
              "stream 0, client: heard the end after 9 bytes of 10");
}

class SwarmDatagramLedger : public ::testing::Test {
  protected:
    std::string arrive(side who, const std::vector<std::byte>& bytes, bool truncated = false) {
        return complaint([&] { ledger.hears(who, bytes, room, truncated, home); });
    }

    static constexpr std::size_t room = 100;
    const net::endpoint home{"10.0.0.1", 1000};
    datagram_ledger ledger;
};

TEST_F(SwarmDatagramLedger, NoticesWhatWasNotSentAndWhatComesTwice) {
    const std::uint64_t number = ledger.write(20, home);
    const std::vector<std::byte> text = ledger.text(number);
    EXPECT_NE(arrive(side::server, text), "") << "it has not been sent";
    ledger.sends(side::client, number, text.size(), true);
    EXPECT_EQ(arrive(side::server, text), "");
    EXPECT_EQ(arrive(side::server, text), "");
    EXPECT_EQ(arrive(side::server, text), "datagram 1 at the server: came more often than it was sent");
    EXPECT_NE(complaint([&] { ledger.was_refused(side::client, number, true); }), "");
}

TEST_F(SwarmDatagramLedger, NoticesAnotherContent) {
    const std::uint64_t number = ledger.write(20, home);
    ledger.sends(side::client, number, 20, false);
    std::vector<std::byte> text = ledger.text(number);
    text.pop_back();
    EXPECT_EQ(arrive(side::server, text), "datagram 1 at the server: has another length");
    text.push_back(std::byte{1});
    EXPECT_EQ(arrive(side::server, text), "datagram 1 at the server: wrong byte 19");
    text[0] = std::byte{99};
    EXPECT_EQ(arrive(side::server, text), "a datagram arrived that nobody has sent");
}

TEST_F(SwarmDatagramLedger, NoticesWhetherItIsSaidToBeCutOff) {
    const std::uint64_t number = ledger.write(120, home);
    ledger.sends(side::client, number, 120, false);
    std::vector<std::byte> text = ledger.text(number);
    text.resize(room);
    EXPECT_NE(arrive(side::server, text, false), "");
    EXPECT_EQ(arrive(side::server, text, true), "");
    ledger.sends(side::server, number, room, false);
    EXPECT_NE(arrive(side::client, text, true), "") << "the echo is as long as the room";
    EXPECT_EQ(arrive(side::client, text, false), "");
}

TEST_F(SwarmDatagramLedger, NoticesAnotherAddress) {
    const std::uint64_t number = ledger.write(20, net::endpoint{"10.0.0.1", 1001});
    ledger.sends(side::client, number, 20, false);
    EXPECT_EQ(arrive(side::server, ledger.text(number)), "datagram 1 at the server: the address is not the client's");
}

}  // namespace
}  // namespace sennit::swarm
