// Unix domain sockets. Its one hard idea: a path outlives the process that bound it, so a server that was killed would
// find its own address in use. Whether anyone lives there is asked by connecting: a refused connection
// means nobody, and only then is the path replaced.

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sennit/net/detail/connect_operation.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/yield.hpp>

namespace sennit::net {

namespace {

void require_unix(const endpoint& where, const char* who) {
    if (!where.is_unix()) {
        throw std::invalid_argument(std::string(who) + ": '" + where.to_string() +
                                    "' is no Unix endpoint; write unix:/path or unix:@name");
    }
}

bool is_socket(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

/// Two connected sockets of the loop's backend.
std::pair<detail::socket_ref, detail::socket_ref> make_pair(event_loop& loop, int type) {
    int pair[2];
    const int done = loop.io().open_socket_pair(AF_UNIX, type, 0, pair);
    if (done < 0) throw std::system_error(-done, std::system_category(), "socketpair");
    detail::socket_ref first(*new detail::socket_core(loop, pair[0]));
    detail::socket_ref second(*new detail::socket_core(loop, pair[1]));
    return {std::move(first), std::move(second)};
}

}  // namespace

task<unix_stream> unix_stream::connect(endpoint peer) {
    require_unix(peer, "unix_stream::connect");
    unix_stream stream(co_await detail::connect_stream(peer));
    co_return stream;
}

task<std::pair<unix_stream, unix_stream>> unix_stream::pair() {
    event_loop& loop = co_await current_loop();
    auto sockets = make_pair(loop, SOCK_STREAM);
    std::pair<unix_stream, unix_stream> streams(unix_stream(std::move(sockets.first)),
                                                unix_stream(std::move(sockets.second)));
    co_return streams;
}

task<unix_listener> unix_listener::bind(endpoint where, int backlog) {
    require_unix(where, "unix_listener::bind");
    event_loop& loop = co_await current_loop();
    const std::string path(where.path());
    if (is_socket(path)) {
        std::error_code refused;
        try {
            co_await detail::connect_stream(where);
        } catch (const std::system_error& error) {
            refused = error.code();
        }
        if (refused == std::errc::connection_refused) ::unlink(path.c_str());
    }
    unix_listener listener(detail::open_acceptor(loop, where, backlog, false), path);
    co_return listener;
}

unix_listener::~unix_listener() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

task<unix_datagram_socket> unix_datagram_socket::bind(endpoint where) {
    require_unix(where, "unix_datagram_socket::bind");
    event_loop& loop = co_await current_loop();
    detail::socket_ref socket = detail::open_socket(loop, family::unix_domain, SOCK_DGRAM);
    socket->bind(where);
    co_return unix_datagram_socket(std::move(socket));
}

task<unix_datagram_socket> unix_datagram_socket::connect(endpoint peer) {
    require_unix(peer, "unix_datagram_socket::connect");
    event_loop& loop = co_await current_loop();
    detail::socket_ref socket = detail::open_socket(loop, family::unix_domain, SOCK_DGRAM);
    socket->bind(endpoint::unix_unnamed());
    co_await detail::connect_awaiter(socket, peer);
    co_return unix_datagram_socket(std::move(socket));
}

task<std::pair<unix_datagram_socket, unix_datagram_socket>> unix_datagram_socket::pair() {
    event_loop& loop = co_await current_loop();
    auto sockets = make_pair(loop, SOCK_DGRAM);
    std::pair<unix_datagram_socket, unix_datagram_socket> both(
        unix_datagram_socket(std::move(sockets.first)), unix_datagram_socket(std::move(sockets.second)));
    co_return both;
}

}  // namespace sennit::net
