// The names of Unix sockets (unix(7)). There are no files: a path is an entry that stays when its socket goes.

#include "unix_names.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "kernel.hpp"

namespace sennit::testing::sim {

int bind_unix_name(sim_socket& who, const address& where, address& local) {
    if (where.family != AF_UNIX) return -EINVAL;
    if (!local.path.empty()) return -EINVAL;
    auto& names = who.host().names();
    std::string name = where.path;
    while (name.empty() || (where.path.empty() && names.contains(name))) name = who.host().unused_name();
    const auto taken = names.find(name);
    if (taken != names.end()) {
        const auto tenant = taken->second.lock();
        const bool left_behind = who.type() == SOCK_STREAM && tenant == nullptr;
        if (!left_behind) return -EADDRINUSE;
    }
    names[name] = who.weak_from_this();
    local.path = std::move(name);
    return 0;
}

int find_unix_name(kernel& host, const address& where, int type, std::shared_ptr<sim_socket>& found) {
    if (where.family != AF_UNIX || where.path.empty()) return -EINVAL;
    const auto entry = host.names().find(where.path);
    if (entry == host.names().end()) return where.is_abstract() ? -ECONNREFUSED : -ENOENT;
    found = entry->second.lock();
    if (found == nullptr) return -ECONNREFUSED;
    return found->type() == type ? 0 : -EPROTOTYPE;
}

}  // namespace sennit::testing::sim
