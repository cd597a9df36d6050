// From the name of a server to one of its addresses.

#include "common/resolve.hpp"

#include <sennit/net/resolve.hpp>

namespace app {

sennit::task<sennit::net::endpoint> resolve(const client_flags& flags) {
    const auto found = co_await sennit::net::resolve(flags.host, flags.port);
    co_return found.front();
}

}  // namespace app
