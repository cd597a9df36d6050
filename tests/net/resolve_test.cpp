// From names to addresses, without a network: literals, localhost, names that no system knows, and lookups of the
// tests' own.

#include <gtest/gtest.h>
#include <netdb.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/event.hpp>
#include <sennit/net/detail/lookup.hpp>
#include <sennit/net/resolve.hpp>
#include <sennit/result.hpp>
#include <sennit/task_group.hpp>

#include "support/on_backends.hpp"

namespace sennit::net::resolve_test {

using namespace std::string_literals;

class failure {
  public:
    failure() {}
    failure(std::error_code why, std::string in_words) : code(why), text(std::move(in_words)) {}

    std::error_code code;
    std::string text;
};

/// How the task fails; nothing when it does not.
task<failure> failure_of(task<std::vector<endpoint>> resolving) {
    failure found;
    try {
        co_await std::move(resolving);
    } catch (const std::system_error& error) {
        found = failure(error.code(), error.what());
    }
    co_return found;
}

class Resolve : public testing::OnBackends {
  protected:
    std::vector<endpoint> addresses(std::string host, ip_family family = ip_family::any) {
        return loop().run(resolve(std::move(host), 80, {family}));
    }
    failure refusal(std::string host, ip_family family = ip_family::any) {
        return loop().run(failure_of(resolve(std::move(host), 80, {family})));
    }
};

TEST_P(Resolve, LiteralsAreTheirOwnAnswer) {
    EXPECT_EQ(addresses("192.0.2.1"), std::vector{endpoint("192.0.2.1", 80)});
    EXPECT_EQ(addresses("2001:db8::1"), std::vector{endpoint("2001:db8::1", 80)});
    EXPECT_EQ(addresses("192.0.2.1", ip_family::ipv4), std::vector{endpoint("192.0.2.1", 80)});
    EXPECT_EQ(addresses("2001:db8::1", ip_family::ipv6), std::vector{endpoint("2001:db8::1", 80)});
}

TEST_P(Resolve, LiteralsNeedNoLookup) {
    const detail::lookup_function never = [](const std::string&, std::uint16_t, ip_family) {
        ADD_FAILURE() << "it was looked up";
        return std::vector<endpoint>();
    };
    for (const char* literal : {"127.0.0.1", "::1", "fe80::1%1"}) {
        const auto found = loop().run(detail::resolve_with(never, literal, 7, {}));
        EXPECT_EQ(found, std::vector{endpoint(literal, 7)});
    }
}

TEST_P(Resolve, LiteralsOfAnotherFamilyAreRefused) {
    for (const failure& refused : {refusal("127.0.0.1", ip_family::ipv6), refusal("::1", ip_family::ipv4)}) {
        EXPECT_EQ(refused.code, std::error_code(EAI_ADDRFAMILY, resolver_category()));
        EXPECT_EQ(refused.code, std::errc::address_family_not_supported);
    }
}

TEST_P(Resolve, LocalhostIsFoundWithoutDuplicates) {
    const auto found = addresses("localhost");
    ASSERT_FALSE(found.empty());
    for (const endpoint& each : found) {
        EXPECT_TRUE(each.address().is_loopback()) << each.to_string();
        EXPECT_EQ(each.port(), 80);
        EXPECT_EQ(std::count(found.begin(), found.end(), each), 1) << each.to_string();
    }
    for (const endpoint& each : addresses("localhost", ip_family::ipv4)) EXPECT_TRUE(each.address().is_v4());
    const auto v6 = loop().run(as_result(resolve("localhost", 80, {ip_family::ipv6})));
    if (!v6) {
        EXPECT_EQ(v6.error().category(), resolver_category()) << v6.error().message();
    } else {
        for (const endpoint& each : *v6) EXPECT_TRUE(each.address().is_v6()) << each.to_string();
    }
}

TEST_P(Resolve, UnknownNamesAreNamedInTheError) {
    // Labels have 63 characters at the most (RFC 1035, 2.3.4), so this one is refused without asking anybody.
    const std::string name = std::string(64, 'a') + ".example";
    const failure refused = refusal(name);
    EXPECT_EQ(refused.code, std::error_code(EAI_NONAME, resolver_category()));
    EXPECT_EQ(refused.code, std::errc::no_such_device_or_address);
    EXPECT_EQ(refused.text, "resolve " + name + ": " + ::gai_strerror(EAI_NONAME));
}

TEST_P(Resolve, WhatCannotBeAHostNameIsRefusedWithTheReason) {
    const std::pair<std::string, std::string> table[] = {
        {"", "resolve '': the host name is empty"},
        {".", "resolve .: the host name is empty"},
        {std::string(254, 'x'), "...: a host name has at most 253 characters"},
        {"local\0host"s, "resolve local\\x00host: a host name cannot hold a NUL byte"},
        {"127.1", "resolve 127.1: write an IPv4 address as four decimal numbers"},
        {"0x7f.0.0.0x1", "write an IPv4 address as four decimal numbers"},
        {"2130706433", "write an IPv4 address as four decimal numbers"},
        {"127.0.0.1.", "write an IPv4 address as four decimal numbers"},
    };
    for (const auto& [host, expected] : table) {
        const failure refused = refusal(host);
        EXPECT_EQ(refused.code, std::errc::invalid_argument) << host;
        EXPECT_NE(refused.text.find(expected), std::string::npos) << refused.text << "\n  lacks: " << expected;
        EXPECT_LT(refused.text.size(), 250U);
    }
}

TEST_P(Resolve, TheLongestNameIsNoError) {
    const detail::lookup_function lookup = [](const std::string& host, std::uint16_t port, ip_family) {
        EXPECT_EQ(host.size(), 254U);
        return std::vector{endpoint("192.0.2.1", port)};
    };
    const auto found = loop().run(detail::resolve_with(lookup, std::string(253, 'x') + ".", 7, {}));
    EXPECT_EQ(found, std::vector{endpoint("192.0.2.1", 7)});
}

TEST_P(Resolve, KeepsTheOrderAndDropsDuplicates) {
    const endpoint a("2001:db8::1", 80);
    const endpoint b("192.0.2.1", 80);
    const endpoint c("192.0.2.2", 80);
    const detail::lookup_function lookup = [&](const std::string& host, std::uint16_t port, ip_family family) {
        EXPECT_EQ(host, "example.org");
        EXPECT_EQ(port, 80);
        EXPECT_EQ(family, ip_family::ipv6);
        return std::vector{b, a, b, c, a};
    };
    const auto found = loop().run(detail::resolve_with(lookup, "example.org", 80, {ip_family::ipv6}));
    EXPECT_EQ(found, (std::vector{b, a, c}));
}

TEST_P(Resolve, NoAddressAtAllIsAnError) {
    const detail::lookup_function lookup = [](const std::string&, std::uint16_t, ip_family) {
        return std::vector<endpoint>();
    };
    const failure refused = loop().run(failure_of(detail::resolve_with(lookup, "example.org", 80, {})));
    EXPECT_EQ(refused.code, std::errc::no_such_device_or_address);
    EXPECT_NE(refused.text.find("resolve example.org: "), std::string::npos) << refused.text;
}

TEST_P(Resolve, WhatTheLookupThrowsIsThrown) {
    const detail::lookup_function lookup = [](const std::string&, std::uint16_t, ip_family) -> std::vector<endpoint> {
        throw std::system_error(EAI_AGAIN, resolver_category(), "resolve example.org");
    };
    const failure refused = loop().run(failure_of(detail::resolve_with(lookup, "example.org", 80, {})));
    EXPECT_EQ(refused.code, std::errc::resource_unavailable_try_again);
    EXPECT_EQ(refused.text, "resolve example.org: "s + ::gai_strerror(EAI_AGAIN));
}

TEST_P(Resolve, CancellingDoesNotWaitForTheLookup) {
    SENNIT_NEEDS_KERNEL("its lookup blocks a thread");
    std::promise<void> may_end;
    auto ended = std::make_shared<std::promise<void>>();
    std::future<void> end = ended->get_future();
    event begun;
    const detail::lookup_function lookup = [&loop = loop(), &begun, ended, held = may_end.get_future().share()](
                                               const std::string&, std::uint16_t port, ip_family) {
        loop.post([&begun] { begun.set(); });
        held.wait();
        ended->set_value();
        return std::vector{endpoint("192.0.2.1", port)};
    };
    bool answered = false;
    run([&]() -> task<> {
        co_await with_task_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                const auto found = co_await detail::resolve_with(lookup, "example.org", 80, {});
                answered = true;
            });
            co_await begun.wait();
            group.cancel();
        });
    });
    // Here the lookup still blocks.
    EXPECT_FALSE(answered);
    may_end.set_value();
    end.wait();
}

TEST(ResolverCategory, ComparesWithStandardConditions) {
    const auto code = [](int value) { return std::error_code(value, resolver_category()); };
    EXPECT_EQ(code(EAI_NONAME), std::errc::no_such_device_or_address);
    EXPECT_EQ(code(EAI_NODATA), std::errc::no_such_device_or_address);
    EXPECT_EQ(code(EAI_AGAIN), std::errc::resource_unavailable_try_again);
    EXPECT_EQ(code(EAI_FAMILY), std::errc::address_family_not_supported);
    EXPECT_EQ(code(EAI_MEMORY), std::errc::not_enough_memory);
    EXPECT_EQ(code(EAI_BADFLAGS), std::errc::invalid_argument);
    EXPECT_EQ(code(EAI_OVERFLOW), std::errc::value_too_large);
    EXPECT_NE(code(EAI_FAIL), std::errc::no_such_device_or_address);
    EXPECT_EQ(code(EAI_FAIL), std::error_condition(EAI_FAIL, resolver_category()));
    EXPECT_EQ(code(EAI_FAIL).message(), ::gai_strerror(EAI_FAIL));
    EXPECT_STREQ(resolver_category().name(), "resolver");
}

SENNIT_ON_ALL_BACKENDS(Resolve);

}  // namespace sennit::net::resolve_test
