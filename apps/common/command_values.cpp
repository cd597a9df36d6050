// How the values on a command line are read. Its one hard idea: a value is understood in one way or refused, with what
// to write instead; nothing is rounded, cut or guessed.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <sennit/net/ip_address.hpp>

#include "common/command_values.hpp"

namespace app {

using namespace sennit;

namespace {

constexpr std::uint64_t highest_port = std::numeric_limits<std::uint16_t>::max();

bool read_number(std::string_view text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::uint64_t number_between(const std::string& text, std::uint64_t least, std::uint64_t most) {
    std::uint64_t value = 0;
    if (!read_number(text, value) || value < least || value > most) {
        throw bad_value(fmt::format("'{}' does not fit; write a number from {} to {}", text, least, most));
    }
    return value;
}

std::uint16_t port_from(const std::string& text, std::uint64_t least) {
    std::uint64_t value = 0;
    if (!read_number(text, value) || value < least || value > highest_port) {
        throw bad_value(fmt::format("'{}' is not a port; write a number from {} to {}", text, least, highest_port));
    }
    return static_cast<std::uint16_t>(value);
}

std::string ip_from(const std::string& text) {
    if (!net::ip_address::parse(text)) {
        throw bad_value(fmt::format("'{}' is not an IP address; write one such as 127.0.0.1 or ::1", text));
    }
    return text;
}

std::string host_from(const std::string& text) {
    if (text.empty()) throw bad_value("'' is not a host; write a name or an IP address such as 127.0.0.1");
    return text;
}

backend_kind backend_from(const std::string& text) {
    if (text == "auto") return backend_kind::automatic;
    if (text == "io_uring") return backend_kind::io_uring;
    if (text == "epoll") return backend_kind::epoll;
    throw bad_value(fmt::format("'{}' is not a backend; write auto, io_uring or epoll", text));
}

duration time_from(const std::string& text) {
    const auto unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::string_view unit = std::string_view(text).substr(unit_at);
    const duration one = unit == "ms"  ? duration(std::chrono::milliseconds(1))
                         : unit == "s" ? duration(std::chrono::seconds(1))
                         : unit == "m" ? duration(std::chrono::minutes(1))
                                       : duration::zero();
    std::uint64_t count = 0;
    constexpr std::uint64_t most = 1'000'000;
    if (one == duration::zero() || !read_number(text.substr(0, unit_at), count) || count > most) {
        throw bad_value(fmt::format("'{}' is not a time; write one such as 2s, 500ms or 1m", text));
    }
    return one * static_cast<duration::rep>(count);
}

std::string time_text(duration time) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    if (milliseconds != 0 && milliseconds % 60'000 == 0) return fmt::format("{}m", milliseconds / 60'000);
    if (milliseconds % 1'000 == 0) return fmt::format("{}s", milliseconds / 1'000);
    return fmt::format("{}ms", milliseconds);
}

host_and_port place_from(const std::string& text, std::uint64_t least_port) {
    host_and_port place;
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) {
        place.port = port_from(text, least_port);
        return place;
    }
    place.host = text.substr(0, colon);
    const bool bracketed = place.host.size() > 2 && place.host.front() == '[' && place.host.back() == ']';
    if (bracketed) place.host = place.host.substr(1, place.host.size() - 2);
    const bool more_brackets = place.host.find_first_of("[]") != std::string::npos;
    if (place.host.empty() || more_brackets || (!bracketed && place.host.find(':') != std::string::npos)) {
        throw bad_value(
            fmt::format("'{}' is not a place; write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080", text));
    }
    place.port = port_from(text.substr(colon + 1), least_port);
    return place;
}

std::string check_path(const std::string& text) {
    try {
        static_cast<void>(unix_path{text}.where());
    } catch (const std::invalid_argument& error) {
        throw bad_value(
            fmt::format("'{}' is not a place for a socket; write a path such as /tmp/echo.sock, or "
                        "@NAME for an abstract name ({})",
                        text, error.what()));
    }
    return text;
}

net::endpoint unix_path::where() const {
    if (text.starts_with('@')) return net::endpoint::unix_abstract(text.substr(1));
    return net::endpoint::unix_path(text);
}

}  // namespace app
