#pragma once

#include <memory>

#include "socket.hpp"

namespace sennit::testing::sim {

/// bind(2) on a Unix socket: takes the name, a free abstract one when there is none in `where`. A path at which nobody
/// listens any more is replaced, as `net::unix_listener::bind` replaces the file.
int bind_unix_name(sim_socket& who, const address& where, address& local);

/// Who has a name: -ENOENT for a path that does not exist, -ECONNREFUSED when its socket has gone, -EPROTOTYPE when
/// that is of another type.
int find_unix_name(kernel& host, const address& where, int type, std::shared_ptr<sim_socket>& found);

}  // namespace sennit::testing::sim
