#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include <sennit/backend.hpp>
#include <sennit/net/endpoint.hpp>
#include <sennit/net/serve_options.hpp>
#include <sennit/time.hpp>

namespace app {

/// What every demo takes: `--backend`, and for servers `--verbose`.
struct loop_flags {
    sennit::backend_kind backend = sennit::backend_kind::automatic;
    bool verbose = false;
};

/// Where a server listens: `--host`, an IP address, and `--port`, 0 for any that is free.
struct server_flags : loop_flags {
    std::string host = "127.0.0.1";
    std::uint16_t port = 21111;

    sennit::net::endpoint where() const { return {host, port}; }
};

/// The same for a server of connections, with `--idle-timeout` and `--send-timeout`.
struct stream_server_flags : server_flags {
    sennit::net::serve_options limits;
};

/// Whom a client calls: `--host`, a name or an IP address, and `--port`.
struct client_flags : loop_flags {
    std::string host = "127.0.0.1";
    std::uint16_t port = 21111;
};

/// A Unix domain socket: `--path`, where @ makes an abstract name, which leaves no file behind.
struct unix_path {
    std::string text = "@sennit_echo";

    sennit::net::endpoint where() const;
};

struct unix_server_flags : loop_flags {
    unix_path path;
    sennit::net::serve_options limits;
};

/// A host and a port in one word: `127.0.0.1:80`, `[::1]:80`, `example.org:80`, or `80` for 127.0.0.1.
struct host_and_port {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
};

/// The command line of a demo. Values keep what they were when nothing is written for them, so their defaults are
/// where they are declared.
class command_line {
  public:
    explicit command_line(const char* description);
    command_line(const command_line&) = delete;
    command_line& operator=(const command_line&) = delete;
    ~command_line();

    command_line& add(loop_flags& flags);
    command_line& add(server_flags& flags);
    command_line& add(stream_server_flags& flags);
    command_line& add(sennit::net::serve_options& limits);
    command_line& add(client_flags& flags);
    command_line& add(unix_path& path);
    command_line& add(unix_server_flags& flags);

    /// `--name`, without a value.
    command_line& flag(const char* name, bool& value, const char* help);
    command_line& number(const char* name, std::uint64_t& value, std::uint64_t least, std::uint64_t most,
                         const char* help);
    /// A length of time such as 2s, 500ms or 1m.
    command_line& time(const char* name, sennit::duration& value, const char* help);

    /// Values without a name, which must be written, in this order.
    command_line& choice(const char* name, std::string& value, std::initializer_list<const char*> choices,
                         const char* help);
    command_line& listening_place(const char* name, host_and_port& value, const char* help);
    command_line& target_place(const char* name, host_and_port& value, const char* help);

    /// Reads the arguments. Ends the program after `--help` (status 0) and after a mistake (status 2, with a message
    /// that says what to write instead).
    void parse(int argc, char** argv);

  private:
    struct state;
    std::unique_ptr<state> state_;
};

/// Ends the program as `command_line::parse` does, for mistakes that only the demo can see.
[[noreturn]] void refuse(const std::string& message);

}  // namespace app
