/* A TCP proxy on io_uring: for each direction of a connection one buffer, which is received into and then sent from.
 * Ordinary descriptors, because a connection has two of them and is long-lived. */

#include <unistd.h>

#include "uring.h"

struct pair;

struct direction {
    struct pair* pair;
    int from, to;
    bool sending;
    unsigned length;
    unsigned char* buffer;
};

struct pair {
    struct direction directions[2];
    bool connecting;
    bool doomed;      /* an error: nothing more is started */
    unsigned running; /* directions that have not ended */
};

static struct io_uring ring;
static struct sockaddr_in upstream;

static void arm_accept(int listener) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, NULL);
}

static void arm_receive(struct direction* direction) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    direction->sending = false;
    io_uring_prep_recv(sqe, direction->from, direction->buffer, proxy_buffer, 0);
    io_uring_sqe_set_data(sqe, direction);
}

static void arm_send(struct direction* direction) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    direction->sending = true;
    io_uring_prep_send(sqe, direction->to, direction->buffer, direction->length, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data(sqe, direction);
}

static void on_accepted(int client) {
    if (client < 0) die("accept", -client);
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (server < 0) die("socket", errno);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct pair* const pair = allocate(sizeof *pair);
    *pair =
        (struct pair){.connecting = true,
                      .running = 2,
                      .directions = {{.pair = pair, .from = client, .to = server, .buffer = allocate(proxy_buffer)},
                                     {.pair = pair, .from = server, .to = client, .buffer = allocate(proxy_buffer)}}};
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_connect(sqe, server, (struct sockaddr*)&upstream, sizeof upstream);
    io_uring_sqe_set_data(sqe, &pair->directions[0]);
}

static void end_direction(struct direction* direction, bool failed) {
    struct pair* const pair = direction->pair;
    if (failed && !pair->doomed) {
        pair->doomed = true;
        shutdown(direction->from, SHUT_RDWR);
        shutdown(direction->to, SHUT_RDWR);
    } else {
        shutdown(direction->to, SHUT_WR);
    }
    if (--pair->running != 0) return;
    close(direction->from);
    close(direction->to);
    for (int i = 0; i < 2; ++i) free(pair->directions[i].buffer);
    free(pair);
}

static void on_done(struct direction* direction, int result) {
    struct pair* const pair = direction->pair;
    if (pair->connecting) {
        if (result < 0) die("connect", -result);
        pair->connecting = false;
        arm_receive(&pair->directions[0]);
        arm_receive(&pair->directions[1]);
    } else if (result <= 0 || pair->doomed || (direction->sending && result != (int)direction->length)) {
        end_direction(direction, result != 0 || direction->sending);
    } else if (direction->sending) {
        arm_receive(direction);
    } else {
        direction->length = (unsigned)result;
        arm_send(direction);
    }
}

_Noreturn void serve_uring_proxy(const struct peer* peer) {
    open_ring(&ring);
    upstream = loopback(peer->upstream);
    const int listener = listen_tcp(peer->port, 0);
    announce(listener);
    arm_accept(listener);
    for (;;) {
        enter(&ring);
        struct io_uring_cqe* cqe;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            struct direction* const direction = io_uring_cqe_get_data(cqe);
            const int result = cqe->res;
            if (direction == NULL) {
                on_accepted(result);
                if ((cqe->flags & IORING_CQE_F_MORE) == 0) arm_accept(listener);
            } else {
                on_done(direction, result);
            }
            ++count;
        }
        io_uring_cq_advance(&ring, count);
    }
}
