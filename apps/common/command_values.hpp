#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <sennit/backend.hpp>
#include <sennit/time.hpp>

#include "common/command_line.hpp"

namespace app {

/// A mistake in a value; the text says what to write instead.
class bad_value : public std::runtime_error {
    using runtime_error::runtime_error;
};

// Each reads one value, the whole text of it, or throws `bad_value`.

/// A decimal number from `least` to `most`, without a sign.
std::uint64_t number_between(const std::string& text, std::uint64_t least, std::uint64_t most);
/// A port from `least` on.
std::uint16_t port_from(const std::string& text, std::uint64_t least);
/// An IP address, as `net::ip_address::parse` reads it; gives the text.
std::string ip_from(const std::string& text);
/// Anything but nothing.
std::string host_from(const std::string& text);
/// auto, io_uring or epoll
sennit::backend_kind backend_from(const std::string& text);
/// A number up to a million and its unit: 500ms, 2s, 1m.
sennit::duration time_from(const std::string& text);
/// The way back, with the largest unit that leaves no rest.
std::string time_text(sennit::duration time);
/// `host_and_port`, with a port from `least_port` on.
host_and_port place_from(const std::string& text, std::uint64_t least_port);
/// What `unix_path` can name a socket with; gives the text.
std::string check_path(const std::string& text);

}  // namespace app
