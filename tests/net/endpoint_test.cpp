// Owns the promises of endpoint. The hard idea: the kernel is the referee. Endpoints go through real sockets,
// and any bytes that could arrive as a sockaddr must survive being written as text and read back.

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sennit/net/endpoint.hpp>
#include <stdexcept>
#include <unordered_set>
#include <utility>
#include <vector>

#include "net/print_addresses.hpp"

namespace sennit::net::endpoint_test {

using namespace std::string_view_literals;

// ---- What holds at compile time ---------------------------------------------------------------------------

constexpr endpoint written_in_code{"127.0.0.1", 21111};
static_assert(written_in_code == endpoint(ip_address::loopback_v4(), 21111) && written_in_code.port() == 21111);
static_assert(endpoint() == endpoint("0.0.0.0", 0) && endpoint("::", 0) != endpoint());
static_assert(written_in_code.with_port(7) == endpoint("127.0.0.1", 7) &&
              written_in_code.with_port(7) != written_in_code);
static_assert(endpoint("1.2.3.4", 1).family() == family::ipv4 && endpoint("::", 1).family() == family::ipv6);
static_assert(endpoint::unix_unnamed().family() == family::unix_domain && endpoint::unix_unnamed().is_unix());
static_assert(written_in_code.is_ip() && !written_in_code.is_unix() && !written_in_code.is_unnamed());
static_assert(endpoint::unix_unnamed() == endpoint::unix_unnamed() && endpoint::unix_unnamed() != endpoint());
static_assert(std::is_nothrow_copy_constructible_v<endpoint>);

// ---- Helpers ----------------------------------------------------------------------------------------------

/// The text of the exception that `action` throws.
template <typename Exception = std::invalid_argument, typename Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const Exception& error) {
        return error.what();
    }
    return "nothing was thrown";
}

struct sockaddr_buffer {
    alignas(8) std::array<unsigned char, endpoint::max_sockaddr_size> bytes{};
    ::sockaddr* get() { return reinterpret_cast<::sockaddr*>(bytes.data()); }
};

/// A socket that closes itself.
class test_socket {
  public:
    test_socket(int domain, int type) : fd_(::socket(domain, type | SOCK_CLOEXEC, 0)) {}
    explicit test_socket(int fd) : fd_(fd) {}
    test_socket(const test_socket&) = delete;
    ~test_socket() { ::close(fd_); }

    int fd() const { return fd_; }
    int bind(const endpoint& where) const {
        sockaddr_buffer buffer;
        const std::uint32_t length = where.to_sockaddr(buffer.bytes.data());
        return ::bind(fd_, buffer.get(), length) == 0 ? 0 : errno;
    }
    endpoint local() const {
        sockaddr_buffer buffer;
        socklen_t length = sizeof buffer.bytes;
        EXPECT_EQ(::getsockname(fd_, buffer.get(), &length), 0) << std::strerror(errno);
        return endpoint::from_sockaddr(buffer.bytes.data(), length);
    }

  private:
    int fd_;
};

// ---- Text -------------------------------------------------------------------------------------------------

TEST(Endpoint, ReadsAndWritesTheSameText) {
    const std::vector<std::pair<std::string, endpoint>> table = {
        {"127.0.0.1:80", {"127.0.0.1", 80}},
        {"0.0.0.0:0", {}},
        {"[::1]:65535", {"::1", 65535}},
        {"[::ffff:1.2.3.4]:1", {"::ffff:1.2.3.4", 1}},
        {"[fe80::1%4294967295]:80", {"fe80::1%4294967295", 80}},
        {"unix:", endpoint::unix_unnamed()},
        {"unix:/run/app.sock", endpoint::unix_path("/run/app.sock")},
        {"unix:here [1]:80", endpoint::unix_path("here [1]:80")},
        {"unix:\\x40not abstract@", endpoint::unix_path("@not abstract@")},
        {"unix:a\\x0a\\x5c\\xc3\\xa9", endpoint::unix_path("a\n\\\u00e9")},
        {"unix:@app", endpoint::unix_abstract("app")},
        {"unix:@@app", endpoint::unix_abstract("@app")},
        {"unix:@\\x00\\xff\\x7f~", endpoint::unix_abstract("\0\xff\x7f~"sv)},
    };
    for (const auto& [text, where] : table) {
        EXPECT_EQ(where.to_string(), text);
        EXPECT_EQ(endpoint::parse(text), where);
        EXPECT_EQ(endpoint::from_string(text), where);
    }
    // Written differently, the same endpoint all the same.
    EXPECT_EQ(endpoint::parse("[0:0::0001]:80"), endpoint("::1", 80));
    EXPECT_EQ(endpoint::parse("unix:@\\x61\xff\\xFF"), endpoint::unix_abstract("a\xff\xff"));
}

TEST(Endpoint, ScopeIsWrittenByInterfaceName) {
    char name[IF_NAMESIZE];
    if (::if_indextoname(1, name) == nullptr) GTEST_SKIP() << "this host has no network interface of index 1";
    const std::string text = "[fe80::1%" + std::string(name) + "]:80";
    EXPECT_EQ(endpoint::from_string(text), endpoint("fe80::1%1", 80));
    EXPECT_EQ(endpoint("fe80::1%1", 80).to_string(), text);
}

TEST(Endpoint, BadTextIsRefusedWithWhatToWriteInstead) {
    const std::string too_long(108, 'x');
    const std::vector<std::pair<std::string, std::string>> table = {
        {"", "it is empty; write 127.0.0.1:80"},
        {"127.0.0.1", "it has no port; write one at the end, such as 127.0.0.1:80"},
        {"127.0.0.1:", "it has no port"},
        {"[::1]", "it has no port"},
        {"[::1]:", "it has no port"},
        {":80", "it has no address; write one, such as 127.0.0.1:80"},
        {"8080", "it has no address"},
        {"127.0.0.1:http", "'http' is not a port; write a decimal number"},
        {"127.0.0.1:-1", "'-1' is not a port"},
        {"127.0.0.1: 80", "' 80' is not a port"},
        {"127.0.0.1:080", "'080' is not a port; write a decimal number without leading zeros"},
        {"127.0.0.1:65536", "port '65536' is out of range; write a number from 0 to 65535"},
        {"[::1]:99999999999999999999", "is out of range"},
        {"::1", "IPv6 needs brackets, and a port after them; write [::1]:80"},
        {"2001:db8::1:http", "write [2001:db8::1]:80"},
        {"[::1", "the bracket is not closed"},
        {"[::1]80", "'80' follows the bracket; write a colon"},
        {"[127.0.0.1]:80", "brackets are for IPv6 only; write 127.0.0.1:80"},
        {"[localhost]:80", "'localhost' is not an IP address"},
        {"localhost:80", "'localhost' is not an IP address; write 127.0.0.1 or ::1, or resolve the name with "},
        {"localhost", "'localhost' is not an IP address"},
        {"*:80", "'*' is not an IP address; write 0.0.0.0 for every IPv4 address"},
        {"127.1:80", "'127.1' is not an IP address; write four decimal numbers"},
        {"[fe80::1%nope.0]:80", "this host has no interface 'nope.0', write the name or index of one after the %"},
        {"http://127.0.0.1:80", "it is a URL; write only the address and the port"},
        {"/run/app.sock", "for a Unix socket write unix: in front"},
        {"@app", "for a Unix socket write unix: in front"},
        {"unix:@", "an abstract Unix name must not be empty"},
        {"unix:" + too_long, "at most 107 bytes"},
        {"unix:@" + too_long, "at most 107 bytes"},
        {"unix:a\\x00", "a Unix path cannot hold a NUL byte"},
        {"unix:a" + std::string(1, '\0'), "a Unix path cannot hold a NUL byte"},
        {"unix:a\\", "'\\x5c' is no escape"},
        {"unix:a\\x1", "is no escape; write \\xNN"},
        {"unix:a\\x1g", "is no escape"},
        {"unix:a\\n\n\n", "'\\x5cn\\x0a\\x0a' is no escape"},
    };
    for (const auto& [text, expected] : table) {
        EXPECT_EQ(endpoint::parse(text), std::nullopt) << text;
        const std::string message = refusal([&] { static_cast<void>(endpoint::from_string(text)); });
        EXPECT_NE(message.find(expected), std::string::npos) << message << "\n  lacks: " << expected;
        EXPECT_NE(message.find(" is not an endpoint: "), std::string::npos) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos) << "a message is one line: " << message;
    }
}

TEST(Endpoint, BadLiteralIsRefusedWithWhatToWriteInstead) {
    const std::vector<std::pair<std::string_view, std::string_view>> table = {
        {"localhost",
         "'localhost' is not an IP address; write 127.0.0.1 or ::1, or resolve the name with net::connect / "
         "net::resolve"},
        {"", "'' is not an IP address; write 0.0.0.0 for every IPv4 address, or :: for every IPv6 one"},
        {"127.0.0.1:80", "write 127.0.0.1 and pass the port by itself, or call endpoint::from_string"},
        {"[::1]", "write an IPv6 address without brackets or port, such as ::1"},
        {"010.0.0.1", "write four decimal numbers from 0 to 255 without leading zeros"},
        {"1::2::3", "write an IPv6 address as in RFC 4291"},
        {"127.0.0.1%1", "only IPv6 addresses have a scope, write 127.0.0.1"},
        {"fe80::1%nope.0", "this host has no interface 'nope.0'"},
        {"/run/app.sock", "for a Unix socket call endpoint::unix_path"},
        {"unix:/run/app.sock", "for a Unix socket call endpoint::unix_path"},
        {"http://127.0.0.1", "it is a URL, write the address alone"},
        {"bad\nname", "'bad\\x0aname' is not"},
    };
    for (const auto& [text, expected] : table) {
        const std::string message = refusal([literal = text] { static_cast<void>(endpoint{literal, 80}); });
        EXPECT_NE(message.find(expected), std::string::npos) << message << "\n  lacks: " << expected;
    }
    const std::string long_message = refusal([] { static_cast<void>(endpoint(std::string(100'000, 'x'), 80)); });
    EXPECT_LT(long_message.size(), 300U);
}

TEST(Endpoint, UnixNamesHaveLimits) {
    const std::string longest(endpoint::max_unix_name, '\xff');
    EXPECT_EQ(endpoint::parse(endpoint::unix_path(longest).to_string()), endpoint::unix_path(longest));
    EXPECT_EQ(endpoint::parse(endpoint::unix_abstract(longest).to_string()), endpoint::unix_abstract(longest));
    const auto path = [](std::string_view text) {
        return refusal([text] { static_cast<void>(endpoint::unix_path(text)); });
    };
    const auto abstract_name = [](std::string_view text) {
        return refusal([text] { static_cast<void>(endpoint::unix_abstract(text)); });
    };
    EXPECT_EQ(path(""), "'': a Unix path must not be empty; write one such as /run/app.sock");
    EXPECT_EQ(path("a\0b"sv), "'a\\x00b': a Unix path cannot hold a NUL byte; only an abstract name can");
    EXPECT_NE(path(longest + "x").find("at most 107 bytes (unix(7)); write a shorter one"), std::string::npos);
    EXPECT_NE(abstract_name("").find("an abstract Unix name must not be empty"), std::string::npos);
    EXPECT_NE(abstract_name(longest + "x").find("at most 107 bytes"), std::string::npos);
}

TEST(Endpoint, AnswersWhatItIs) {
    const endpoint path = endpoint::unix_path("/a");
    const endpoint abstract = endpoint::unix_abstract("/a");
    const endpoint unnamed = endpoint::unix_unnamed();
    EXPECT_EQ(path.path(), "/a");
    EXPECT_EQ(path.abstract_name(), "");
    EXPECT_EQ(abstract.path(), "");
    EXPECT_EQ(abstract.abstract_name(), "/a");
    EXPECT_TRUE(unnamed.is_unnamed() && !path.is_unnamed() && !abstract.is_unnamed());
    EXPECT_EQ(written_in_code.path(), "");
    EXPECT_NE(path, abstract);
    EXPECT_NE(path, unnamed);
    EXPECT_EQ(endpoint("fe80::1%7", 80).with_port(81).to_string(), endpoint("fe80::1%7", 81).to_string());
    EXPECT_EQ(refusal<std::logic_error>([&] { static_cast<void>(path.address()); }),
              "endpoint::address() of 'unix:/a', which is no IP endpoint; ask is_ip() first");
    EXPECT_THROW(static_cast<void>(unnamed.port()), std::logic_error);
    EXPECT_THROW(static_cast<void>(abstract.with_port(1)), std::logic_error);
    const std::unordered_set<endpoint> set = {path, abstract, unnamed, written_in_code, written_in_code.with_port(1),
                                              path};
    EXPECT_EQ(set.size(), 5U);
    EXPECT_TRUE(set.contains(endpoint("127.0.0.1", 1)));
}

// ---- The kernel -------------------------------------------------------------------------------------------

TEST(Endpoint, SockaddrHasTheKernelsLayout) {
    sockaddr_buffer buffer;
    buffer.bytes.fill(0xaa);
    ASSERT_EQ(endpoint("1.2.3.4", 0x1234).to_sockaddr(buffer.bytes.data()), sizeof(sockaddr_in));
    EXPECT_EQ(buffer.bytes[sizeof(sockaddr_in)], 0xaa) << "wrote past the length it returned";
    sockaddr_in v4;
    std::memcpy(&v4, buffer.bytes.data(), sizeof v4);
    EXPECT_EQ(v4.sin_family, AF_INET);
    EXPECT_EQ(ntohs(v4.sin_port), 0x1234);
    EXPECT_EQ(ntohl(v4.sin_addr.s_addr), 0x01020304U);

    ASSERT_EQ(endpoint("fe80::1%7", 0x1234).to_sockaddr(buffer.bytes.data()), sizeof(sockaddr_in6));
    EXPECT_EQ(buffer.bytes[sizeof(sockaddr_in6)], 0xaa) << "wrote past the length it returned";
    sockaddr_in6 v6;
    std::memcpy(&v6, buffer.bytes.data(), sizeof v6);
    EXPECT_EQ(v6.sin6_family, AF_INET6);
    EXPECT_EQ(ntohs(v6.sin6_port), 0x1234);
    EXPECT_EQ(v6.sin6_flowinfo, 0U);
    EXPECT_EQ(v6.sin6_scope_id, 7U);
    EXPECT_EQ(v6.sin6_addr.s6_addr[15], 1);

    EXPECT_EQ(endpoint::unix_path("/ab").to_sockaddr(buffer.bytes.data()), 2U + 3 + 1) << "the NUL counts";
    EXPECT_EQ(endpoint::unix_abstract("ab").to_sockaddr(buffer.bytes.data()), 2U + 1 + 2);
    EXPECT_EQ(endpoint::unix_unnamed().to_sockaddr(buffer.bytes.data()), 2U);
}

TEST(Endpoint, AnyBytesFromTheKernelReadBack) {
    // Whatever arrives as a sockaddr becomes an endpoint that survives its own text and its own sockaddr.
    std::mt19937 random(20260103);
    std::array<int, 4> seen{};
    for (int round = 0; round < 40'000; ++round) {
        const auto length = static_cast<std::uint32_t>(random() % 3 ? 16 + random() % 20 : random() % 140);
        // As large as promised and no larger, so that the address sanitizer sees a read too far.
        std::vector<unsigned char> storage(std::min<std::size_t>(length, endpoint::max_sockaddr_size));
        for (auto& byte : storage) byte = static_cast<unsigned char>(random() % 4 == 0 ? random() % 3 : random());
        constexpr std::array<sa_family_t, 4> families = {AF_INET, AF_INET6, AF_UNIX, AF_UNIX};
        const sa_family_t family = families[random() % 4];
        if (length >= sizeof family && random() % 50 != 0) std::memcpy(storage.data(), &family, sizeof family);
        const endpoint where = endpoint::from_sockaddr(storage.data(), length);
        ++seen[where.is_unnamed() ? 3 : static_cast<std::size_t>(where.family())];
        const std::string text = where.to_string();
        ASSERT_EQ(endpoint::parse(text), where);
        ASSERT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; })) << text;
        sockaddr_buffer buffer;
        const std::uint32_t written = where.to_sockaddr(buffer.bytes.data());
        ASSERT_EQ(endpoint::from_sockaddr(buffer.bytes.data(), written), where);
        ASSERT_EQ(std::hash<endpoint>{}(endpoint::parse(text).value()), std::hash<endpoint>{}(where));
    }
    for (const int count : seen) EXPECT_GT(count, 1000) << "one kind was hardly tried";
}

TEST(Endpoint, WhatItCannotHoldIsUnnamed) {
    sockaddr_buffer buffer;
    const auto read = [&](sa_family_t family, std::uint32_t length) {
        std::memcpy(buffer.bytes.data(), &family, sizeof family);
        return endpoint::from_sockaddr(buffer.bytes.data(), length);
    };
    EXPECT_EQ(read(AF_INET, 16), endpoint());
    EXPECT_EQ(read(AF_INET, 15), endpoint::unix_unnamed());
    EXPECT_EQ(read(AF_INET6, 27), endpoint::unix_unnamed());
    EXPECT_EQ(read(AF_UNIX, 3), endpoint::unix_unnamed()) << "an empty abstract name";
    EXPECT_EQ(read(AF_NETLINK, 12), endpoint::unix_unnamed());
    EXPECT_EQ(read(AF_UNSPEC, 16), endpoint::unix_unnamed());
    EXPECT_EQ(read(AF_INET, 1), endpoint::unix_unnamed());
    EXPECT_EQ(endpoint::from_sockaddr(nullptr, 0), endpoint::unix_unnamed());
    buffer.bytes.fill('x');
    EXPECT_EQ(read(AF_UNIX, 2 + 107), endpoint::unix_path(std::string(107, 'x'))) << "no NUL, and none needed";
    EXPECT_EQ(read(AF_UNIX, 2 + 108), endpoint::unix_unnamed()) << "never a path cut short";
    EXPECT_EQ(read(AF_UNIX, 4096), endpoint::unix_unnamed()) << "reported longer than the storage";
}

TEST(Endpoint, BoundSocketsReportWhatTheyWereBoundTo) {
    const test_socket v4(AF_INET, SOCK_DGRAM);
    ASSERT_EQ(v4.bind({"127.0.0.1", 0}), 0);
    EXPECT_EQ(v4.local().address(), ip_address::loopback_v4());
    EXPECT_NE(v4.local().port(), 0);
    const test_socket same_port(AF_INET, SOCK_DGRAM);
    EXPECT_EQ(same_port.bind(v4.local()), EADDRINUSE) << "the port was not the one reported";

    for (const std::string_view name : {"sennit address test"sv, "\0\xff nul\0"sv}) {
        const std::string unique = std::string(name) + std::to_string(::getpid());
        const endpoint where = endpoint::unix_abstract(unique + std::string(107 - unique.size(), '\0'));
        const test_socket abstract(AF_UNIX, SOCK_DGRAM);
        ASSERT_EQ(abstract.bind(where), 0);
        EXPECT_EQ(abstract.local(), where);
    }

    std::string directory = ::testing::TempDir() + "sennit-address-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr) << std::strerror(errno);
    ASSERT_LT(directory.size(), 100U);
    for (const std::size_t size : {directory.size() + 2, endpoint::max_unix_name}) {
        const endpoint where = endpoint::unix_path(directory + "/" + std::string(size - directory.size() - 1, '@'));
        const test_socket in_file_system(AF_UNIX, SOCK_DGRAM);
        ASSERT_EQ(in_file_system.bind(where), 0) << where.to_string();
        EXPECT_EQ(in_file_system.local(), where);
        EXPECT_EQ(::unlink(std::string(where.path()).c_str()), 0) << "the file has another name";
    }
    EXPECT_EQ(::rmdir(directory.c_str()), 0);

    const test_socket automatic(AF_UNIX, SOCK_DGRAM);
    EXPECT_TRUE(automatic.local().is_unnamed());
    ASSERT_EQ(automatic.bind(endpoint::unix_unnamed()), 0);
    const endpoint chosen = automatic.local();
    EXPECT_EQ(chosen.abstract_name().size(), 5U) << "unix(7), Autobind feature";
}

TEST(Endpoint, BoundIpv6SocketReportsWhatItWasBoundTo) {
    const test_socket v6(AF_INET6, SOCK_DGRAM);
    const int error = v6.fd() < 0 ? errno : v6.bind({"::1", 0});
    if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) GTEST_SKIP() << "no IPv6 here: " << std::strerror(error);
    ASSERT_EQ(error, 0) << std::strerror(error);
    EXPECT_EQ(v6.local().address(), ip_address::loopback_v6());
    EXPECT_NE(v6.local().port(), 0);
}

TEST(Endpoint, UnboundUnixSenderIsUnnamed) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    const test_socket receiver(fds[0]);
    const test_socket sender(fds[1]);
    ASSERT_EQ(::send(sender.fd(), "x", 1, 0), 1);
    sockaddr_buffer buffer;
    buffer.bytes.fill(0xff);
    socklen_t length = sizeof buffer.bytes;
    char received;
    ASSERT_EQ(::recvfrom(receiver.fd(), &received, 1, 0, buffer.get(), &length), 1);
    EXPECT_TRUE(endpoint::from_sockaddr(buffer.bytes.data(), length).is_unnamed());
}

}  // namespace sennit::net::endpoint_test
