#pragma once

#include <cstdint>

#include <sennit/net/endpoint.hpp>
#include <sennit/task.hpp>

namespace app {

/// Prints `listening on 127.0.0.1:21111 (io_uring)`, which tells those who wait for it that the server is ready. With
/// `verbose` a second line says why this backend was chosen.
sennit::task<> announce(sennit::net::endpoint where, bool verbose);

/// What a server has done so far.
struct traffic {
    std::uint64_t served = 0;
    std::uint64_t received = 0;  // bytes, as is `sent`
    std::uint64_t sent = 0;

    /// Prints `served 3 connections, received 120 bytes, sent 120 bytes`.
    void print(const char* what) const;
};

}  // namespace app
