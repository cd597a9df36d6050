// Unix domain sockets. Its one hard idea: a path outlives the process that bound it, so a server that was killed would
// find its own address in use. Whether anyone lives there is asked by connecting: a refused connection
// means nobody, and only then is the path replaced. The other way round, a path is removed only while it is ours.

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/backend.hpp>
#include <sennit/net/detail/bound_path.hpp>
#include <sennit/net/detail/connect_operation.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/sleep.hpp>
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

/// Who listens at the path of a socket.
enum class tenant { nobody, somebody, ended_process };

tenant tenant_of(const endpoint& where) {
    alignas(8) unsigned char storage[endpoint::max_sockaddr_size];
    const std::uint32_t length = where.to_sockaddr(storage);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw std::system_error(errno, std::system_category(), "bind " + where.to_string());
    tenant who = tenant::somebody;
    // This connect never waits: where the backlog is full it fails with EAGAIN, and somebody lives there.
    if (::connect(fd, reinterpret_cast<const sockaddr*>(storage), length) != 0) {
        if (errno == ECONNREFUSED) who = tenant::nobody;
    } else {
        ucred listener{};  // of the process that called listen(2); the number is 0 when we cannot see that process
        socklen_t size = sizeof listener;
        const int known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size);
        if (known == 0 && listener.pid > 0 && ::kill(listener.pid, 0) != 0 && errno == ESRCH) {
            who = tenant::ended_process;
        }
    }
    ::close(fd);
    return who;
}

/// Whether the path of a socket may be replaced. The kernel takes down the ring of a killed process after the process
/// has ended, and a listener with an accept in that ring lives until then.
task<bool> is_left_behind(endpoint where) {
    constexpr duration step = std::chrono::milliseconds(10);
    constexpr duration longest = std::chrono::seconds(1);
    tenant who = tenant_of(where);
    for (duration waited{}; who == tenant::ended_process && waited < longest; waited += step) {
        co_await sleep_for(step);
        who = tenant_of(where);
    }
    co_return who == tenant::nobody;
}

/// Two connected sockets of the loop's backend.
std::pair<detail::socket_ref, detail::socket_ref> make_pair(event_loop& loop, int type) {
    int pair[2];
    const int done = loop.io().open_socket_pair(AF_UNIX, type, 0, pair);
    if (done < 0) throw std::system_error(-done, std::system_category(), "socketpair");
    detail::socket_ref first;
    try {
        first = detail::adopt_socket(loop, pair[0]);
    } catch (...) {
        loop.io().close(pair[1]);
        throw;
    }
    return {std::move(first), detail::adopt_socket(loop, pair[1])};
}

}  // namespace

namespace detail {

bound_path::bound_path(std::string path) noexcept : path_(std::move(path)) {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0) path_.clear();
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

bound_path::~bound_path() {
    if (path_.empty()) return;
    struct stat status {};
    const bool is_ours = ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
    if (is_ours) ::unlink(path_.c_str());
}

}  // namespace detail

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
    if (where.is_unnamed()) {
        throw std::invalid_argument("unix_listener::bind: a listener needs a name; write unix:/path or unix:@name");
    }
    // A simulated world has no files: its backend keeps the paths.
    const bool has_files = loop.io().simulated() == nullptr;
    std::string path(has_files ? where.path() : std::string_view());
    if (is_socket(path)) {
        const bool replaceable = co_await is_left_behind(where);
        if (replaceable) ::unlink(path.c_str());
    }
    detail::acceptor_core* const core = detail::open_acceptor(loop, where, backlog, false);
    unix_listener listener(core);
    if (!path.empty()) core->take_path(detail::bound_path(std::move(path)));
    co_return listener;
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
    std::pair<unix_datagram_socket, unix_datagram_socket> both(unix_datagram_socket(std::move(sockets.first)),
                                                               unix_datagram_socket(std::move(sockets.second)));
    co_return both;
}

}  // namespace sennit::net
