#pragma once

/// Everything a program usually needs of sennit.

#include <sennit/blocking.hpp>
#include <sennit/bytes.hpp>
#include <sennit/cancel.hpp>
#include <sennit/channel.hpp>
#include <sennit/event.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/mutex.hpp>
#include <sennit/net/byte_stream.hpp>
#include <sennit/net/connect.hpp>
#include <sennit/net/datagram_batch.hpp>
#include <sennit/net/endpoint.hpp>
#include <sennit/net/forward.hpp>
#include <sennit/net/ip_address.hpp>
#include <sennit/net/line_reader.hpp>
#include <sennit/net/memory_stream.hpp>
#include <sennit/net/resolve.hpp>
#include <sennit/net/serve.hpp>
#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/poll.hpp>
#include <sennit/result.hpp>
#include <sennit/run.hpp>
#include <sennit/semaphore.hpp>
#include <sennit/signals.hpp>
#include <sennit/sleep.hpp>
#include <sennit/stop.hpp>
#include <sennit/task.hpp>
#include <sennit/task_group.hpp>
#include <sennit/time.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>
#include <sennit/when_any.hpp>
#include <sennit/yield.hpp>
