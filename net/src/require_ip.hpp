#pragma once

#include <stdexcept>
#include <string>

#include <sennit/net/endpoint.hpp>

namespace sennit::net {

/// Throws `std::invalid_argument`, which names who was asked and what to use `instead`, for what is no IP endpoint.
inline void require_ip(const endpoint& where, const char* who, const char* instead) {
    if (where.is_ip()) return;
    throw std::invalid_argument(std::string(who) + ": '" + where.to_string() + "' is no IP endpoint; use " + instead +
                                " for it");
}

}  // namespace sennit::net
