/* Echo on io_uring as one would write it first: ordinary descriptors, one receive at a time into a buffer of the
 * connection's own, then one send. The ring is set up as well as in the tuned peer. */

#include <unistd.h>

#include "uring.h"

struct connection {
    int fd;
    bool sending;
    unsigned length;
    unsigned char buffer[echo_buffer];
};

static struct io_uring ring;

static void arm_accept(int listener) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, NULL);
}

static void arm_receive(struct connection* connection) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    connection->sending = false;
    io_uring_prep_recv(sqe, connection->fd, connection->buffer, sizeof connection->buffer, 0);
    io_uring_sqe_set_data(sqe, connection);
}

static void arm_send(struct connection* connection) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    connection->sending = true;
    io_uring_prep_send(sqe, connection->fd, connection->buffer, connection->length, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data(sqe, connection);
}

static void on_accepted(int listener, int fd) {
    if (fd >= 0) {
        struct connection* const connection = allocate(sizeof *connection);
        connection->fd = fd;
        arm_receive(connection);
    } else if (fd != -ECONNABORTED && fd != -EINTR) {
        die("accept", -fd);
    }
    arm_accept(listener);
}

static void on_moved(struct connection* connection, int result) {
    if (result <= 0 || (connection->sending && result != (int)connection->length)) {
        close(connection->fd);
        free(connection);
    } else if (connection->sending) {
        arm_receive(connection);
    } else {
        connection->length = (unsigned)result;
        arm_send(connection);
    }
}

_Noreturn void serve_plain_tcp(const struct peer* peer) {
    open_ring(&ring);
    const int listener = listen_tcp(peer->port, 0);
    announce(listener);
    arm_accept(listener);
    for (;;) {
        enter(&ring);
        struct io_uring_cqe* cqe;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            struct connection* const connection = io_uring_cqe_get_data(cqe);
            const int result = cqe->res;
            if (connection == NULL) {
                on_accepted(listener, result);
            } else {
                on_moved(connection, result);
            }
            ++count;
        }
        io_uring_cq_advance(&ring, count);
    }
}

_Noreturn void serve_plain_udp(const struct peer* peer) {
    static unsigned char buffer[echo_buffer];
    struct sockaddr_in client;
    struct iovec part = {.iov_base = buffer};
    struct msghdr header = {.msg_name = &client, .msg_iov = &part, .msg_iovlen = 1};
    open_ring(&ring);
    const int fd = bind_udp(peer->port, 0);
    announce(fd);
    for (bool sending = false;; sending = !sending) {
        struct io_uring_sqe* const sqe = next_sqe(&ring);
        if (sending) {
            io_uring_prep_sendmsg(sqe, fd, &header, MSG_NOSIGNAL);
        } else {
            part.iov_len = sizeof buffer;
            header.msg_namelen = sizeof client;
            io_uring_prep_recvmsg(sqe, fd, &header, 0);
        }
        struct io_uring_cqe* cqe = NULL;
        enter(&ring);
        while (io_uring_peek_cqe(&ring, &cqe) != 0) enter(&ring);
        if (cqe->res < 0) die(sending ? "sendmsg" : "recvmsg", -cqe->res);
        part.iov_len = (size_t)cqe->res;
        io_uring_cqe_seen(&ring, cqe);
    }
}
