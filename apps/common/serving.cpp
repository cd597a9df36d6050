// What servers say about themselves.

#include <fmt/format.h>

#include <sennit/event_loop.hpp>
#include <sennit/yield.hpp>

#include "common/serving.hpp"

namespace app {

sennit::task<> announce(sennit::net::endpoint where, bool verbose) {
    const sennit::event_loop& loop = co_await sennit::current_loop();
    fmt::print("listening on {} ({})\n", where.to_string(), loop.backend_name());
    if (verbose) fmt::print("backend: {}\n", loop.backend_reason());
}

void traffic::print(const char* what) const {
    fmt::print("served {} {}, received {} bytes, sent {} bytes\n", served, what, received, sent);
}

}  // namespace app
