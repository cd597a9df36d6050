/* The limit on epoll: edge-triggered, so that nothing is looked at twice, one recv() and one send() for a message, and
 * for UDP recvmmsg() and sendmmsg(). Its one hard idea: after a short read there is nothing left, and the next byte
 * makes a new edge; only the end of the stream that came along with the last bytes needs another look. */

#define _GNU_SOURCE
#include <sys/epoll.h>
#include <unistd.h>

#include "peer.h"

enum { batch = 256, datagrams = 64, longest_datagram = 2048 };

/* One direction: what comes from one socket and goes to another, or back. */
struct flow {
    int from, to;
    unsigned begin, end; /* what the kernel would not take yet */
    unsigned size;
    bool over;
    unsigned char* buffer;
};

struct connection {
    int fd;
    uint32_t seen;           /* EPOLLRDHUP and the like stay seen */
    struct connection* peer; /* in a proxy: the other side; otherwise this one */
    struct flow flow;        /* from `fd` to the peer's */
    bool closed;
};

static int set;
static struct connection* garbage; /* closed in this batch, in which it may still be named */

static struct connection* make_connection(int fd, unsigned buffer_size) {
    struct connection* const connection = allocate(sizeof *connection);
    *connection = (struct connection){.fd = fd, .peer = connection};
    connection->flow = (struct flow){.from = fd, .to = fd, .size = buffer_size, .buffer = allocate(buffer_size)};
    return connection;
}

static void watch(struct connection* connection) {
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (epoll_ctl(set, EPOLL_CTL_ADD, connection->fd, &interest) != 0) die("epoll_ctl", errno);
}

static void drop(struct connection* connection) {
    if (connection->closed) return;
    connection->closed = true;
    close(connection->fd);
    if (connection->peer != connection) {
        connection->peer->closed = true;
        close(connection->peer->fd);
        free(connection->peer->flow.buffer);
        connection->peer->flow.buffer = (unsigned char*)garbage;
        garbage = connection->peer;
    }
    free(connection->flow.buffer);
    connection->flow.buffer = (unsigned char*)garbage;
    garbage = connection;
}

static void collect_garbage(void) {
    while (garbage != NULL) {
        struct connection* const next = (struct connection*)garbage->flow.buffer;
        free(garbage);
        garbage = next;
    }
}

/* False when the connection is beyond use. */
static bool flush(struct flow* flow) {
    while (flow->begin != flow->end) {
        const ssize_t sent = send(flow->to, flow->buffer + flow->begin, flow->end - flow->begin, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        flow->begin += (unsigned)sent;
    }
    flow->begin = flow->end = 0;
    return true;
}

static bool pump(struct connection* connection) {
    struct flow* const flow = &connection->flow;
    while (!flow->over) {
        if (!flush(flow)) return false;
        if (flow->end != 0) return true; /* the next EPOLLOUT comes back here */
        const ssize_t length = recv(flow->from, flow->buffer, flow->size, 0);
        if (length < 0) return errno == EAGAIN || errno == EINTR;
        if (length == 0) {
            flow->over = true;
            if (connection->peer == connection || connection->peer->flow.over) return false;
            shutdown(flow->to, SHUT_WR);
            return true;
        }
        flow->end = (unsigned)length;
        if ((unsigned)length == flow->size || (connection->seen & (EPOLLRDHUP | EPOLLHUP)) != 0) continue;
        return flush(flow);
    }
    return true;
}

static void on_ready(struct connection* connection, uint32_t events) {
    if (connection->closed) return;
    connection->seen |= events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    /* Room to send is news for the flow that comes from the other side. */
    const bool waits_for_room =
        (events & EPOLLOUT) != 0 && connection->peer != connection && connection->peer->flow.end != 0;
    if (!pump(connection) || (waits_for_room && !pump(connection->peer))) drop(connection);
}

static void accept_echo(int fd) {
    watch(make_connection(fd, echo_buffer));
}

static uint16_t upstream_port;

static void accept_proxy(int fd) {
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    const struct sockaddr_in upstream = loopback(upstream_port);
    if (server < 0) die("socket", errno);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(server, (const struct sockaddr*)&upstream, sizeof upstream) != 0 && errno != EINPROGRESS) {
        die("connect", errno);
    }
    struct connection* const outer = make_connection(fd, proxy_buffer);
    struct connection* const inner = make_connection(server, proxy_buffer);
    outer->peer = inner;
    inner->peer = outer;
    outer->flow.to = server;
    inner->flow.to = fd;
    watch(outer);
    watch(inner);
}

static _Noreturn void serve_tcp(uint16_t port, void (*accepted)(int)) {
    const int listener = listen_tcp(port, SOCK_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &interest);
    announce(listener);
    for (;;) {
        struct epoll_event ready[batch];
        const int count = epoll_wait(set, ready, batch, -1);
        for (int i = 0; i < count; ++i) {
            if (ready[i].data.ptr != NULL) {
                on_ready(ready[i].data.ptr, ready[i].events);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) accepted(fd);
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) die("accept", errno);
        }
        collect_garbage();
    }
}

static _Noreturn void serve_udp(uint16_t port) {
    static unsigned char buffers[datagrams][longest_datagram];
    static struct sockaddr_in clients[datagrams];
    static struct iovec parts[datagrams];
    static struct mmsghdr headers[datagrams];
    const int fd = bind_udp(port, SOCK_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &interest);
    announce(fd);
    for (unsigned i = 0; i < datagrams; ++i) {
        parts[i].iov_base = buffers[i];
        headers[i].msg_hdr = (struct msghdr){.msg_name = &clients[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (int used = datagrams;;) {
        struct epoll_event ready;
        /* A batch that was not full has left nothing. */
        if (used < datagrams) epoll_wait(set, &ready, 1, -1);
        for (int i = 0; i < used; ++i) {
            parts[i].iov_len = longest_datagram;
            headers[i].msg_hdr.msg_namelen = sizeof clients[i];
        }
        used = recvmmsg(fd, headers, datagrams, 0, NULL);
        if (used < 0) {
            if (errno != EAGAIN && errno != EINTR) die("recvmmsg", errno);
            used = 0;
        }
        for (int i = 0; i < used; ++i) parts[i].iov_len = headers[i].msg_len;
        for (int sent = 0; sent < used;) {
            const int count = sendmmsg(fd, headers + sent, (unsigned)(used - sent), MSG_NOSIGNAL);
            if (count <= 0) break; /* a full buffer loses datagrams, as the network does */
            sent += count;
        }
    }
}

int main(int argc, char** argv) {
    const struct peer peer = peer_options(argc, argv);
    set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) die("epoll_create1", errno);
    if (peer.mode == peer_udp) serve_udp(peer.port);
    upstream_port = peer.upstream;
    serve_tcp(peer.port, peer.mode == peer_proxy ? accept_proxy : accept_echo);
}
