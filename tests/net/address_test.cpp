// Owns the promises of ip_address. The hard idea: the C library is the referee. What parse() takes is
// compared with inet_pton(3) over every short text and over many mutated addresses, what to_string() writes
// with inet_ntop(3).

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <sennit/net/ip_address.hpp>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/print_addresses.hpp"

namespace sennit::net::address_test {

using namespace std::string_view_literals;

// ---- What holds at compile time ---------------------------------------------------------------------------

constexpr ip_address ip(std::string_view text) {
    return ip_address::parse(text).value();
}
constexpr bool refused(std::string_view text) {
    return !ip_address::parse(text);
}

static_assert(ip_address() == ip_address::any_v4() && ip("0.0.0.0") == ip_address());
static_assert(ip("127.0.0.1") == ip_address::loopback_v4() && ip("::1") == ip_address::loopback_v6());
static_assert(ip("::") == ip_address::any_v6() && ip("::") != ip("0.0.0.0"));
static_assert(ip("255.0.10.9") == ip_address::v4(255, 0, 10, 9));
static_assert(ip("1:2:3:4:5:6:7:8") == ip_address::from_v6_bytes({0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}));
static_assert(ip("1:2:3:4:5:6:7::") == ip("1:2:3:4:5:6:7:0") && ip("::2:3:4:5:6:7:8") == ip("0:2:3:4:5:6:7:8"));
static_assert(ip("64:ff9b::1.2.3.4") == ip("0064:FF9B:0:0:0:0:0102:0304"));
static_assert(ip("fe80::1%3").scope_id() == 3 && ip("fe80::1%4294967295").scope_id() == 0xffffffff);
static_assert(ip("fe80::1%3") != ip("fe80::1%4") && ip("fe80::1%0") == ip("fe80::1"));
static_assert(refused("") && refused("1.2.3") && refused("1.2.3.4.5") && refused("01.2.3.4"));
static_assert(refused("1.2.3.256") && refused("1.2.3.4 ") && refused("+1.2.3.4") && refused("1.2.3.4%1"));
static_assert(refused(":") && refused(":::") && refused("1::2::3") && refused("1:2:3:4::5:6:7:8"));
static_assert(refused("::12345") && refused("::1.2.3.4:5") && refused("[::1]") && refused("::g"));
static_assert(refused("fe80::1%") && refused("fe80::1%03") && refused("fe80::1%4294967296"));
static_assert(refused("1.2.3.4\0"sv) && refused("::1\0"sv) && refused("1.2\0.3.4"sv));

static_assert(ip("127.0.0.0").is_loopback() && ip("127.255.255.255").is_loopback() && ip("::1").is_loopback());
static_assert(ip("::ffff:127.9.9.9").is_loopback() && !ip("::127.0.0.1").is_loopback());
static_assert(!ip("126.255.255.255").is_loopback() && !ip("128.0.0.0").is_loopback() && !ip("::").is_loopback());
static_assert(!ip("7f00::").is_loopback() && !ip("::fffe:127.0.0.1").is_loopback());
static_assert(ip("0.0.0.0").is_unspecified() && ip("::").is_unspecified() && ip("::ffff:0.0.0.0").is_unspecified());
static_assert(!ip("::1").is_unspecified() && !ip("0.0.0.1").is_unspecified());
static_assert(ip("224.0.0.0").is_multicast() && ip("239.255.255.255").is_multicast() && ip("ff02::1").is_multicast());
static_assert(ip("::ffff:224.0.0.1").is_multicast() && !ip("223.255.255.255").is_multicast());
static_assert(!ip("240.0.0.0").is_multicast() && !ip("fe80::1").is_multicast() && !ip("e000::").is_multicast());
static_assert(ip("169.254.0.1").is_link_local() && ip("fe80::").is_link_local() && ip("febf::1").is_link_local());
static_assert(ip("::ffff:169.254.1.1").is_link_local() && !ip("169.253.0.1").is_link_local());
static_assert(!ip("fec0::1").is_link_local() && !ip("fe7f::1").is_link_local() && !ip("a9fe::").is_link_local());
static_assert(ip("::ffff:1.2.3.4").is_v4_mapped() && ip("::ffff:1.2.3.4").unmapped() == ip("1.2.3.4"));
static_assert(!ip("::1.2.3.4").is_v4_mapped() && !ip("1::ffff:1.2.3.4").is_v4_mapped());
static_assert(!ip("1.2.3.4").is_v4_mapped() && ip("fe80::1%3").unmapped() == ip("fe80::1%3"));
static_assert(ip("9.0.0.0") < ip("10.0.0.0") && ip("255.255.255.255") < ip("::") && ip("::1%1") < ip("::1%2"));
static_assert(ip("2::%1") > ip("1::%2"));
static_assert(sizeof(ip_address) == 24);

// ---- What holds at run time -------------------------------------------------------------------------------

/// What inet_pton(3) makes of the text.
std::optional<ip_address> by_inet_pton(const std::string& text) {
    std::array<std::uint8_t, 4> v4;
    std::array<std::uint8_t, 16> v6;
    if (::inet_pton(AF_INET, text.c_str(), v4.data()) == 1) return ip_address::from_v4_bytes(v4);
    if (::inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) return ip_address::from_v6_bytes(v6);
    return std::nullopt;
}

/// Compares parse() with inet_pton(3) and returns how many of the texts were addresses.
int compare_every_text_of(std::string_view alphabet, std::size_t longest) {
    int addresses = 0;
    std::vector<std::string> texts = {""};
    for (std::size_t i = 0; i < texts.size() && !testing::Test::HasFailure(); ++i) {
        const std::string text = texts[i];
        const auto expected = by_inet_pton(text);
        EXPECT_EQ(ip_address::parse(text), expected) << "'" << text << "'";
        if (expected) ++addresses;
        if (text.size() == longest) continue;
        for (const char c : alphabet) texts.push_back(text + c);
    }
    return addresses;
}

TEST(IpAddress, BytesAreInNetworkOrder) {
    const ip_address v4 = ip("1.2.3.4");
    EXPECT_EQ(std::vector<int>(v4.bytes().begin(), v4.bytes().end()), (std::vector<int>{1, 2, 3, 4}));
    const ip_address v6 = ip("0102::fffe");
    ASSERT_EQ(v6.bytes().size(), 16U);
    EXPECT_EQ(v6.bytes()[0], 1);
    EXPECT_EQ(v6.bytes()[15], 0xfe);
}

TEST(IpAddress, TextIsCanonical) {
    // The rules of RFC 5952 section 4, and section 5 for v4-mapped addresses.
    const std::vector<std::pair<std::string_view, std::string>> table = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:0db8::0001", "2001:db8::1"},
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:DB8::ABCD", "2001:db8::abcd"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"1:0:0:0:0:0:0:0", "1::"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {"::FFFF:0:0", "::ffff:0.0.0.0"},
        {"::1.2.3.4", "::102:304"},
        {"fe80::1%4294967295", "fe80::1%4294967295"},
        {"::ffff:1.2.3.4%4294967295", "::ffff:1.2.3.4%4294967295"},
        {"fe80::1%0", "fe80::1"},
    };
    for (const auto& [text, canonical] : table) EXPECT_EQ(ip(text).to_string(), canonical);
}

TEST(IpAddress, ParseAgreesWithInetPtonOnEveryShortText) {
    EXPECT_GT(compare_every_text_of(":1", 17), 1000);
    EXPECT_GT(compare_every_text_of("0125.", 8), 1000);
    EXPECT_GT(compare_every_text_of(":0f.", 9), 1000);
}

TEST(IpAddress, ParseAgreesWithInetPtonOnMutatedAddresses) {
    constexpr std::string_view alphabet = "0123456789abcdefABCDEF::::....xgG-+ /]\xff";
    std::mt19937 random(20260101);
    const auto below = [&](std::size_t limit) { return random() % limit; };
    int addresses = 0;
    int others = 0;
    for (int round = 0; round < 100'000 && !HasFailure(); ++round) {
        std::string text;
        const std::size_t groups = below(4) == 0 ? 0 : 6 + below(4);
        const std::size_t gap = below(3) == 0 ? below(9) : 99;
        for (std::size_t i = 0; i < groups; ++i) {
            char group[8];
            std::snprintf(group, sizeof group, below(2) ? "%zx" : "%04zX", below(0x10000) >> below(16));
            if (i != 0) text += i == gap ? "::" : ":";
            text += group;
            if (gap != 99 && below(3) == 0) break;
        }
        if (groups == 0 || below(3) == 0) {
            if (groups != 0) text += ':';
            for (int i = 0; i < 4; ++i) {
                if (i != 0) text += '.';
                text += std::to_string(below(8) ? below(256) : below(300));
            }
        }
        for (std::size_t mutations = below(3); mutations > 0 && !text.empty(); --mutations) {
            const std::size_t at = below(text.size());
            const char c = alphabet[below(alphabet.size())];
            switch (below(4)) {
                case 0: text[at] = c; break;
                case 1: text.insert(at, 1, c); break;
                case 2: text.erase(at, 1 + below(3)); break;
                default: text.insert(at, text.substr(at, 1 + below(3))); break;
            }
        }
        const auto expected = by_inet_pton(text);
        ASSERT_EQ(ip_address::parse(text), expected) << "'" << text << "'";
        ++(expected ? addresses : others);
    }
    // Neither answer is rare, or this compared nothing.
    EXPECT_GT(addresses, 10'000);
    EXPECT_GT(others, 10'000);
}

TEST(IpAddress, TextAgreesWithInetNtopAndReadsBack) {
    std::mt19937 random(20260102);
    for (int round = 0; round < 50'000; ++round) {
        std::array<std::uint8_t, 16> bytes;
        for (std::size_t i = 0; i < bytes.size(); i += 2) {
            const auto group = random() % 3 == 0 ? random() >> (random() % 16) : 0;
            bytes[i] = static_cast<std::uint8_t>(group >> 8);
            bytes[i + 1] = static_cast<std::uint8_t>(group);
        }
        if (random() % 8 == 0) {  // v4-mapped
            std::fill_n(bytes.begin(), 10, 0);
            std::fill_n(bytes.begin() + 10, 2, 0xff);
        }
        const ip_address v6 = ip_address::from_v6_bytes(bytes);
        const ip_address v4 = ip_address::from_v4_bytes({bytes[0], bytes[1], bytes[14], bytes[15]});
        char text[INET6_ADDRSTRLEN];
        // glibc writes the deprecated v4-compatible addresses dotted, ::a.b.c.d, which RFC 5952 does not ask.
        if (std::any_of(bytes.begin(), bytes.begin() + 12, [](auto byte) { return byte != 0; })) {
            ASSERT_EQ(v6.to_string(), ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text));
        }
        ASSERT_EQ(v4.to_string(), ::inet_ntop(AF_INET, v4.bytes().data(), text, sizeof text));
        ASSERT_EQ(ip_address::parse(v6.to_string()), v6);
        ASSERT_EQ(ip_address::parse(v4.to_string()), v4);
    }
}

TEST(IpAddress, ScopeIsReadAndWrittenByInterfaceName) {
    struct if_nameindex* const all = ::if_nameindex();
    if (all == nullptr || all->if_index == 0) GTEST_SKIP() << "this host has no network interface";
    const std::uint32_t index = all->if_index;
    const std::string name = all->if_name;
    ::if_freenameindex(all);
    EXPECT_EQ(ip_address::parse("fe80::1%" + name).value().scope_id(), index);
    EXPECT_EQ(ip("fe80::1%" + std::to_string(index)).to_string(), "fe80::1%" + name);
    EXPECT_TRUE(refused("127.0.0.1%" + name));
    EXPECT_TRUE(refused("fe80::1%" + name + '\0'));
    EXPECT_TRUE(refused("fe80::1%no-such-interface")) << "longer than any name";
    EXPECT_TRUE(refused("fe80::1%nope.0"));
}

/// In a network namespace of its own, names the loopback interface `name` and reports what its scope looks
/// like as text; "" where this is not permitted. Runs in a child process, for the namespaces cannot be left
/// again.
std::string scope_text_of_interface_named(std::string_view name) {
    int pipe_fds[2];
    if (::pipe(pipe_fds) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        ifreq request{};
        std::copy_n("lo", 2, request.ifr_name);
        name.copy(request.ifr_newname, sizeof request.ifr_newname - 1);
        const bool renamed = ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
                             ::ioctl(::socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFNAME, &request) == 0;
        const std::string text = renamed ? ip("fe80::1%1").to_string() : "";
        ::_exit(::write(pipe_fds[1], text.data(), text.size()) < 0);
    }
    ::close(pipe_fds[1]);
    char text[64] = {};
    const auto length = ::read(pipe_fds[0], text, sizeof text);
    ::close(pipe_fds[0]);
    ::waitpid(child, nullptr, 0);
    return {text, length > 0 ? static_cast<std::size_t>(length) : 0};
}

TEST(IpAddress, ScopeIsAnIndexWhereTheNameWouldNotReadBack) {
    const std::string plain = scope_text_of_interface_named("sennit0.1");
    if (plain.empty()) GTEST_SKIP() << "user and network namespaces are not permitted here";
    EXPECT_EQ(plain, "fe80::1%sennit0.1");
    EXPECT_EQ(scope_text_of_interface_named("42"), "fe80::1%1") << "42 would read back as the index 42";
    EXPECT_EQ(scope_text_of_interface_named("a]b"), "fe80::1%1") << "would end the brackets of an endpoint";
    EXPECT_EQ(scope_text_of_interface_named("a\x01"
                                            "b"),
              "fe80::1%1");
    EXPECT_EQ(scope_text_of_interface_named("caf\u00e9"), "fe80::1%1");
}

TEST(IpAddress, HashTellsAddressesApart) {
    const std::unordered_set<ip_address> set = {ip("1.2.3.4"), ip("1.2.3.5"),   ip("::ffff:1.2.3.4"), ip("102:304::"),
                                                ip("fe80::1"), ip("fe80::1%1"), ip("fe80::1%2"),      ip("1.2.3.4")};
    EXPECT_EQ(set.size(), 7U);
    EXPECT_TRUE(set.contains(ip("0102:0304:0::")));
    std::set<std::size_t> hashes;
    for (const auto& address : set) hashes.insert(std::hash<ip_address>{}(address));
    EXPECT_EQ(hashes.size(), 7U);
}

}  // namespace sennit::net::address_test
