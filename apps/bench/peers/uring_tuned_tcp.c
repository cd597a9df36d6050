/* TCP echo at the limit of io_uring: multishot accept into the table of direct descriptors, multishot receives from a
 * ring of buffers, and sends from the same buffers, all of an iteration in one system call. Its one hard idea: a buffer
 * belongs to the kernel until it has data, to its connection until it is sent, and each connection sends one at a time,
 * because two sends of which the first is short would change the order of the bytes. */

#include "uring.h"

enum kind { accepted, received, sent };
enum { nothing = -1 };

struct connection {
    int first, last; /* buffers to send, in this order; the first is being sent */
    bool armed;      /* the multishot receive goes on */
    bool ended;      /* the peer has finished, or is gone */
    bool starving;   /* it waits for a free buffer */
};

static struct io_uring ring;
static struct buffers buffers;
static struct connection connections[file_table];
static int* next_buffer; /* of the same connection */
static unsigned* buffer_length;
static unsigned starving[file_table];
static unsigned starving_count;

static uint64_t tag(enum kind kind, unsigned index) {
    return (uint64_t)kind << 32 | index;
}

static void arm_accept(int listener) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    io_uring_sqe_set_data64(sqe, tag(accepted, 0));
}

static void arm_receive(unsigned index) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, tag(received, index));
    connections[index].armed = true;
}

static void send_first(unsigned index) {
    const unsigned id = (unsigned)connections[index].first;
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_send(sqe, (int)index, buffer_at(&buffers, id), buffer_length[id], MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, tag(sent, index));
}

static void close_if_over(unsigned index) {
    const struct connection* const connection = &connections[index];
    if (!connection->ended || connection->armed || connection->starving || connection->first != nothing) return;
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_close_direct(sqe, index);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, tag(sent, file_table));
}

static void on_accepted(int listener, int result, bool more) {
    if (result >= 0) {
        connections[result] = (struct connection){.first = nothing, .last = nothing};
        arm_receive((unsigned)result);
    } else if (result != -ECONNABORTED && result != -EINTR) {
        die("accept", -result);
    }
    if (!more) arm_accept(listener);
}

static void on_received(unsigned index, int result, unsigned flags) {
    struct connection* const connection = &connections[index];
    connection->armed = (flags & IORING_CQE_F_MORE) != 0;
    if (result > 0) {
        const int id = (int)(flags >> IORING_CQE_BUFFER_SHIFT);
        buffer_length[id] = (unsigned)result;
        next_buffer[id] = nothing;
        if (connection->first == nothing) {
            connection->first = connection->last = id;
            send_first(index);
        } else {
            next_buffer[connection->last] = id;
            connection->last = id;
        }
    } else if (result == -ENOBUFS) {
        connection->starving = true;
        starving[starving_count++] = index;
        return;
    } else if (result != -EINTR) {
        connection->ended = true;
    }
    if (connection->ended) {
        close_if_over(index);
    } else if (!connection->armed) {
        arm_receive(index);
    }
}

static void on_sent(unsigned index, int result) {
    if (index == file_table) die("close", -result);
    struct connection* const connection = &connections[index];
    const int id = connection->first;
    connection->first = next_buffer[id];
    return_buffer(&buffers, (unsigned)id);
    /* The peer is gone; what is left to send fails likewise, and the receive ends too. */
    if (result != (int)buffer_length[id]) connection->ended = true;
    if (connection->first != nothing) {
        send_first(index);
    } else {
        close_if_over(index);
    }
}

/* Whoever found no buffer goes on when some have come back. */
static void feed_starving(void) {
    if (buffers.returned == 0) return;
    publish_buffers(&buffers);
    for (; starving_count != 0; --starving_count) {
        const unsigned index = starving[starving_count - 1];
        connections[index].starving = false;
        if (connections[index].ended) {
            close_if_over(index);
        } else {
            arm_receive(index);
        }
    }
}

_Noreturn void serve_tuned_tcp(const struct peer* peer) {
    open_ring(&ring);
    const int result = io_uring_register_files_sparse(&ring, file_table);
    if (result < 0) die("io_uring_register_files_sparse", -result);
    /* About 1 MiB for small messages, and never a buffer that is smaller than the message. */
    buffers = peer->size <= 1024 ? make_buffers(&ring, 1024, 1024) : make_buffers(&ring, 256, echo_buffer);
    next_buffer = allocate(buffers.count * sizeof *next_buffer);
    buffer_length = allocate(buffers.count * sizeof *buffer_length);
    const int listener = listen_tcp(peer->port, 0);
    announce(listener);
    arm_accept(listener);
    for (;;) {
        enter(&ring);
        struct io_uring_cqe* cqe;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            const unsigned index = (unsigned)cqe->user_data;
            const int status = cqe->res;
            switch ((enum kind)(cqe->user_data >> 32)) {
                case accepted: on_accepted(listener, status, (cqe->flags & IORING_CQE_F_MORE) != 0); break;
                case received: on_received(index, status, cqe->flags); break;
                case sent: on_sent(index, status); break;
            }
            ++count;
        }
        io_uring_cq_advance(&ring, count);
        feed_starving();
    }
}
