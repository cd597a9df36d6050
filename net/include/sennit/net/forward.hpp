#pragma once

#include <cstdint>

#include <sennit/net/stream_socket.hpp>
#include <sennit/task.hpp>

namespace sennit::net {

/// Hands on everything that `from` receives to `to`, until `from` receives the end of its stream; then finishes sending
/// on `to`, as with `shutdown_send`, and gives the number of bytes. Both streams must stay until then. A proxy is two
/// of these:
///
/// `co_await when_all(net::forward(client, server), net::forward(server, client));`
///
/// It reads no more than it can send on, so a slow receiver slows the sender down: 1 MiB at the most is under way.
/// Bytes that come in quantity do not come to this process at all, where the kernel can do without: they go through a
/// pipe, for which it opens two descriptors. Where that is not possible, as when there are no descriptors left, and
/// while little comes, it receives and sends them.
///
/// Suspends until something has arrived, and until `to` takes it. It uses the half of the stream that it waits for, as
/// `recv` and `send` do, with their errors: a peer of `to` that is gone is `broken_pipe` or `connection_reset`, never a
/// signal. After an error, or cancelled on the way, bytes that were received are lost, and an unknown part has been
/// sent: end both connections then. Source: splice(2).
task<std::uint64_t> forward(stream_socket& from, stream_socket& to);

}  // namespace sennit::net
