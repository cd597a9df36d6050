/* The limit on epoll: edge-triggered, so that nothing is looked at twice, one recv() and one send() for a message, and
 * for UDP recvmmsg() and sendmmsg(). Its one hard idea: after a short read there is nothing left, and the next byte
 * makes a new edge; only the end of the stream that came along with the last bytes needs another look. */

#define _GNU_SOURCE
#include <sys/epoll.h>
#include <unistd.h>

#include "epoll.h"

enum { batch = 256, datagrams = 64, longest_datagram = 2048 };

struct connection {
    int fd;
    unsigned begin, end; /* what the kernel would not take yet */
    unsigned char buffer[echo_buffer];
};

enum outcome { waiting, over };

/* Sends what is held. `over` when the connection is beyond use. */
static enum outcome flush(struct connection* connection) {
    while (connection->begin != connection->end) {
        const ssize_t sent = send(connection->fd, connection->buffer + connection->begin,
                                  connection->end - connection->begin, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR ? waiting : over;
        connection->begin += (unsigned)sent;
    }
    connection->begin = connection->end = 0;
    return waiting;
}

static enum outcome on_ready(struct connection* connection, uint32_t events) {
    const bool ends = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    for (;;) {
        if (flush(connection) == over) return over;
        if (connection->end != 0) return waiting; /* the next EPOLLOUT comes back here */
        const ssize_t length = recv(connection->fd, connection->buffer, sizeof connection->buffer, 0);
        if (length == 0) return over;
        if (length < 0) return errno == EAGAIN || errno == EINTR ? waiting : over;
        connection->end = (unsigned)length;
        if ((size_t)length < sizeof connection->buffer && !ends) return flush(connection);
    }
}

static void accept_one(int set, int fd) {
    struct connection* const connection = allocate(sizeof *connection);
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    connection->fd = fd;
    connection->begin = connection->end = 0;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &interest) != 0) die("epoll_ctl", errno);
}

static _Noreturn void serve_tcp(int set, uint16_t port) {
    const int listener = listen_tcp(port, SOCK_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &interest);
    announce(listener);
    for (;;) {
        struct epoll_event ready[batch];
        const int count = epoll_wait(set, ready, batch, -1);
        for (int i = 0; i < count; ++i) {
            struct connection* const connection = ready[i].data.ptr;
            if (connection == NULL) {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
                    accept_one(set, fd);
                if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) die("accept", errno);
            } else if (on_ready(connection, ready[i].events) == over) {
                /* A connection has one event in a batch, so nothing names it any more. */
                close(connection->fd);
                free(connection);
            }
        }
    }
}

static _Noreturn void serve_udp(int set, uint16_t port) {
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
        for (int i = 0; i < used; ++i) {
            parts[i].iov_len = longest_datagram;
            headers[i].msg_hdr.msg_namelen = sizeof clients[i];
        }
        /* A batch that was not full has left nothing. */
        if (used < datagrams) epoll_wait(set, &ready, 1, -1);
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
    if (peer.mode == peer_proxy) serve_epoll_proxy(&peer);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) die("epoll_create1", errno);
    if (peer.mode == peer_udp) serve_udp(set, peer.port);
    serve_tcp(set, peer.port);
}
