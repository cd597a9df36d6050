// The values on the demos' command lines, against rules written down once more: each is understood in one way or
// refused with what to write instead, and a value that is written out again reads back as the same.

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include <sennit/net/ip_address.hpp>

#include "common/command_values.hpp"
#include "target.hpp"

namespace sennit::fuzz {

namespace {

/// What a reader makes of a text; none when it refuses it, which it must do in words.
template <class Read>
auto read_with(Read read) -> std::optional<decltype(read())> {
    try {
        return read();
    } catch (const app::bad_value& refused) {
        require(std::string_view(refused.what()).find("write ") != std::string_view::npos,
                "a refusal says what to write instead");
        return std::nullopt;
    }
}

bool all_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// The number that digits stand for, when it is at most `most`; leading zeros mean nothing.
std::optional<std::uint64_t> naive_number(std::string_view text, std::uint64_t most) {
    if (!all_digits(text)) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        if (value > most) return std::nullopt;
    }
    return value;
}

void check_numbers(const std::string& text) {
    const auto port = read_with([&] { return app::port_from(text, 1); });
    const auto expected = naive_number(text, 65535);
    require(port.has_value() == (expected && *expected >= 1), "a port is a number from 1 to 65535");
    if (port) require(*port == *expected && app::port_from(std::to_string(*port), 1) == *port, "a port reads back");

    const auto size = read_with([&] { return app::number_between(text, 10, 1 << 20); });
    const auto expected_size = naive_number(text, 1 << 20);
    require(size.has_value() == (expected_size && *expected_size >= 10), "a number keeps to its limits");
    if (size) require(*size == *expected_size, "a number is what its digits say");
}

void check_time(const std::string& text) {
    using namespace std::chrono;
    const auto time = read_with([&] { return app::time_from(text); });
    const std::size_t unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::string unit = text.substr(unit_at);
    const auto count = naive_number(text.substr(0, unit_at), 1'000'000);
    const bool known = unit == "ms" || unit == "s" || unit == "m";
    require(time.has_value() == (count && known), "a time is a number up to a million and ms, s or m");
    if (!time) return;
    require(*time >= duration::zero() && *time <= minutes(1'000'000), "a time keeps to its limits");
    require(app::time_from(std::to_string(duration_cast<milliseconds>(*time).count() % 1'000'001) + "ms") ==
                duration_cast<milliseconds>(*time) % 1'000'001,
            "a time reads back");
    const auto one = unit == "ms" ? nanoseconds(1'000'000) : unit == "s" ? nanoseconds(seconds(1)) : minutes(1);
    require(*time == one * static_cast<nanoseconds::rep>(*count), "a time is its number times its unit");
}

void check_places(const std::string& text) {
    const auto place = read_with([&] { return app::place_from(text, 0); });
    if (!place) return;
    require(!place->host.empty() && place->host.find_first_of("[]") == std::string::npos, "a place has a host");
    const std::string host = place->host.find(':') == std::string::npos ? place->host : "[" + place->host + "]";
    const auto read_back = read_with([&] { return app::place_from(host + ":" + std::to_string(place->port), 0); });
    require(read_back && read_back->host == place->host && read_back->port == place->port, "a place reads back");
}

void check_sockets(const std::string& text) {
    const auto path = read_with([&] { return app::check_path(text); });
    if (path) {
        const net::endpoint where = app::unix_path{*path}.where();
        const std::string name =
            where.path().empty() ? "@" + std::string(where.abstract_name()) : std::string(where.path());
        require(name == text, "a socket's name is what was written");
    }
    const auto address = read_with([&] { return app::ip_from(text); });
    require(address.has_value() == net::ip_address::parse(text).has_value(), "an address is an address");
    require(read_with([&] { return app::host_from(text); }).has_value() == !text.empty(), "a host is not empty");
    const bool backend = text == "auto" || text == "io_uring" || text == "epoll";
    require(read_with([&] { return app::backend_from(text); }).has_value() == backend, "there are three backends");
}

}  // namespace

void command_values(input from) {
    const std::string_view all = from.rest();
    const std::string text(all.substr(0, all.find('\0')));  // which ends every argument
    check_numbers(text);
    check_time(text);
    check_places(text);
    check_sockets(text);
}

}  // namespace sennit::fuzz
