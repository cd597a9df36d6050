// The demos' own files, as they are, in one program. Each is in a namespace of its own, since they have a `serve` and a
// `main` each; so every header that one of them includes has to be included here, before.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <sennit/sennit.hpp>
#include <sennit/testing/run_in_world.hpp>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/safe_text.hpp"
#include "common/serving.hpp"
#include "common/time_stamp.hpp"
#include "demos/mains.hpp"

namespace demos::chat_server {
#include "chat_server.cpp"
}
namespace demos::line_time_server {
#include "line_time_server.cpp"
}
namespace demos::minimal_echo_server {
#include "minimal_echo_server.cpp"
}
namespace demos::tcp_echo_server {
#include "tcp_echo_server.cpp"
}
namespace demos::tcp_proxy {
#include "tcp_proxy.cpp"
}
namespace demos::tcp_time_server {
#include "tcp_time_server.cpp"
}
namespace demos::udp_echo_server {
#include "udp_echo_server.cpp"
}
namespace demos::udp_time_server {
#include "udp_time_server.cpp"
}
namespace demos::unix_echo_server {
#include "unix_echo_server.cpp"
}
