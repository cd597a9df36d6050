#pragma once

#include <sennit/net/endpoint.hpp>
#include <sennit/task.hpp>

#include "common/command_line.hpp"

namespace app {

/// The first address of the server. For datagrams, and for many connections to the same place; `net::connect` does it
/// for single ones, and tries the other addresses too.
sennit::task<sennit::net::endpoint> resolve(const client_flags& flags);

}  // namespace app
