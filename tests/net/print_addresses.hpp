#pragma once

#include <ostream>

#include <sennit/net/endpoint.hpp>

namespace sennit::net {

// Failures show the text, not the bytes. GoogleTest finds these by their name.
inline void PrintTo(const ip_address& value, std::ostream* out) {
    *out << value.to_string();
}
inline void PrintTo(const endpoint& value, std::ostream* out) {
    *out << value.to_string();
}

}  // namespace sennit::net
