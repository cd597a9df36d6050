// From names to addresses. Its one hard idea: the lookup blocks for as long as it likes and cannot be stopped, so it
// runs on another thread and owns all it uses; whoever asked may be long gone when it ends.

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <sennit/backend.hpp>
#include <sennit/blocking.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/net/detail/lookup.hpp>
#include <sennit/sleep.hpp>
#include <sennit/yield.hpp>

namespace sennit::net {

namespace {

class resolver_errors final : public std::error_category {
  public:
    const char* name() const noexcept override { return "resolver"; }
    std::string message(int code) const override { return ::gai_strerror(code); }

    std::error_condition default_error_condition(int code) const noexcept override {
        switch (code) {
            case EAI_NONAME:
            case EAI_NODATA: return std::errc::no_such_device_or_address;
            case EAI_AGAIN: return std::errc::resource_unavailable_try_again;
            case EAI_ADDRFAMILY:
            case EAI_FAMILY: return std::errc::address_family_not_supported;
            case EAI_MEMORY: return std::errc::not_enough_memory;
            case EAI_BADFLAGS: return std::errc::invalid_argument;
            case EAI_OVERFLOW: return std::errc::value_too_large;
            default: return {code, *this};
        }
    }
};

struct free_addresses {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

int domain_of(ip_family family) noexcept {
    switch (family) {
        case ip_family::any: return AF_UNSPEC;
        case ip_family::ipv4: return AF_INET;
        case ip_family::ipv6: return AF_INET6;
    }
    return AF_UNSPEC;
}

[[noreturn]] void fail(std::string_view host, std::error_code error, std::string_view why = {}) {
    std::string text = "resolve " + detail::printable_host(host);
    if (!why.empty()) text.append(": ").append(why);
    throw std::system_error(error, text);
}

bool is_number(std::string_view label) noexcept {
    const bool hexadecimal = label.starts_with("0x") || label.starts_with("0X");
    return !label.empty() &&
           label.find_first_not_of(hexadecimal ? "0123456789abcdefABCDEFxX" : "0123456789") == label.npos;
}

void check_host(std::string_view host) {
    const auto refuse = [host](std::string_view why) {
        fail(host, std::make_error_code(std::errc::invalid_argument), why);
    };
    // A dot at the end only says that nothing is to be appended.
    const std::string_view name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
    if (name.empty()) refuse("the host name is empty");
    if (name.size() > 253) refuse("a host name has at most 253 characters");
    if (name.find('\0') != name.npos) refuse("a host name cannot hold a NUL byte");
    if (is_number(name.substr(name.rfind('.') + 1))) {
        refuse("write an IPv4 address as four decimal numbers from 0 to 255, such as 127.0.0.1");
    }
}

/// Gives the answer of a simulated world as getaddrinfo(3) gives its own.
detail::lookup_function simulated_lookup(simulated_machine::name_answer answer) {
    return [answer = std::move(answer)](const std::string& host, std::uint16_t port, ip_family family) {
        if (answer.error != 0) fail(host, {answer.error, resolver_category()});
        std::vector<endpoint> endpoints;
        for (const std::string& each : answer.addresses) {
            const endpoint where = endpoint::from_sockaddr(each.data(), static_cast<std::uint32_t>(each.size()));
            const bool v4 = where.family() == family::ipv4;
            const bool unwanted = family == (v4 ? ip_family::ipv6 : ip_family::ipv4);
            if (!unwanted) endpoints.push_back(where.with_port(port));
        }
        return endpoints;
    };
}

}  // namespace

const std::error_category& resolver_category() noexcept {
    static const resolver_errors category;
    return category;
}

task<std::vector<endpoint>> resolve(std::string host, std::uint16_t port, resolve_options options) {
    event_loop& loop = co_await current_loop();
    detail::lookup_function lookup = detail::look_up;
    if (simulated_machine* const machine = loop.io().simulated()) {
        const auto answer = machine->look_up(host);
        if (answer.delay > duration::zero()) co_await sleep_for(answer.delay);
        lookup = simulated_lookup(answer);
    }
    std::vector<endpoint> endpoints = co_await detail::resolve_with(std::move(lookup), std::move(host), port, options);
    co_return endpoints;
}

namespace detail {

std::string printable_host(std::string_view host) {
    constexpr std::size_t enough = 80;
    constexpr std::string_view digits = "0123456789abcdef";
    if (host.empty()) return "''";
    std::string text;
    for (const char c : host.substr(0, enough)) {
        if (c > ' ' && c <= '~' && c != '\\') {
            text += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            text.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        }
    }
    if (host.size() > enough) text += "...";
    return text;
}

std::vector<endpoint> look_up(const std::string& host, std::uint16_t port, ip_family family) {
    // AI_ADDRCONFIG is left out: it hides the addresses of localhost on a host without a network. What cannot be
    // reached comes last all the same (RFC 6724, rule 1).
    addrinfo wanted{};
    wanted.ai_family = domain_of(family);
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found);
    const int system_error = errno;
    if (failure == EAI_SYSTEM) fail(host, {system_error, std::system_category()});
    if (failure != 0) fail(host, {failure, resolver_category()});

    const std::unique_ptr<addrinfo, free_addresses> owner(found);
    std::vector<endpoint> endpoints;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        const endpoint where = endpoint::from_sockaddr(each->ai_addr, each->ai_addrlen);
        if (where.is_ip()) endpoints.push_back(where.with_port(port));
    }
    return endpoints;
}

task<std::vector<endpoint>> resolve_with(lookup_function lookup, std::string host, std::uint16_t port,
                                         resolve_options options) {
    if (const auto literal = ip_address::parse(host)) {
        const bool unwanted = options.family == (literal->is_v4() ? ip_family::ipv6 : ip_family::ipv4);
        if (unwanted) fail(host, {EAI_ADDRFAMILY, resolver_category()});
        std::vector<endpoint> itself(1, endpoint(*literal, port));
        co_return itself;
    }
    check_host(host);

    auto call = [lookup = std::move(lookup), host = std::move(host), port, family = options.family] {
        const std::vector<endpoint> found = lookup(host, port, family);
        std::vector<endpoint> endpoints;
        for (const endpoint& each : found) {
            if (std::find(endpoints.begin(), endpoints.end(), each) == endpoints.end()) {
                endpoints.push_back(each);
            }
        }
        if (endpoints.empty()) fail(host, {EAI_NODATA, resolver_category()});
        return endpoints;
    };
    std::vector<endpoint> endpoints = co_await run_blocking(std::move(call));
    co_return endpoints;
}

}  // namespace detail

}  // namespace sennit::net
