/* The engine of choice: all sends and receives of a batch go to the kernel in one system call, and with nothing to do
 * it watches two words of shared memory instead of making any. A send that succeeds has no completion. */

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { batch = 32 };
static const uint64_t sends = (uint64_t)1 << 32; /* in the user data: the completion of a send, which has failed */

static struct io_uring ring;
static bool spins;
static int* sockets;
static unsigned char* buffers;
static unsigned buffer_size;
static int receive_flags;
static bool removed;

static int open_uring(struct engine* engine, const struct options* options) {
    (void)engine;
    struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                                  IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                                  IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                         .cq_entries = 16384};
    const int result = io_uring_queue_init_params(4096, &ring, &parameters);
    if (result < 0) return -result;
    io_uring_register_ring_fd(&ring);
    spins = options->spin;
    buffer_size = options->size * options->depth;
    /* One message at a time is received whole, without this program being told of its parts. */
    receive_flags = options->depth == 1 && options->mode != mode_udp ? MSG_WAITALL : 0;
    sockets = calloc(options->connections, sizeof *sockets);
    buffers = malloc((size_t)buffer_size * options->connections);
    return sockets == NULL || buffers == NULL ? ENOMEM : 0;
}

static struct io_uring_sqe* next_sqe(void) {
    struct io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
        if (sqe == NULL) fail("the submission queue stays full");
    }
    return sqe;
}

static void receive(unsigned index) {
    struct io_uring_sqe* const sqe = next_sqe();
    io_uring_prep_recv(sqe, sockets[index], buffers + (size_t)buffer_size * index, buffer_size, receive_flags);
    io_uring_sqe_set_data64(sqe, index);
}

static void add(struct engine* engine, unsigned index, int fd) {
    (void)engine;
    sockets[index] = fd;
    receive(index);
}

static void send_all(struct engine* engine, unsigned index, const void* data, unsigned length) {
    (void)engine;
    struct io_uring_sqe* const sqe = next_sqe();
    /* With MSG_WAITALL the kernel itself sends the rest after a short send, or reports a failure. */
    io_uring_prep_send(sqe, sockets[index], data, length, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, sends | index);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
}

/* Called while the completion of the receive is handled, so nothing of this socket is in flight. */
static void remove_socket(struct engine* engine, unsigned index) {
    (void)engine;
    close(sockets[index]);
    sockets[index] = -1;
    removed = true;
}

static void enter(void) {
    int result;
    if (spins || io_uring_cq_ready(&ring) != 0) {
        if (io_uring_sq_ready(&ring) == 0 && io_uring_cq_ready(&ring) != 0) return;
        if (io_uring_sq_ready(&ring) == 0 &&
            (__atomic_load_n(ring.sq.kflags, __ATOMIC_ACQUIRE) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0) {
            relax();
            return;
        }
        result = io_uring_submit_and_get_events(&ring);
    } else {
        struct io_uring_cqe* first;
        struct __kernel_timespec limit = {.tv_nsec = 10000000};
        result = io_uring_submit_and_wait_timeout(&ring, &first, 1, &limit, NULL);
    }
    if (result < 0 && result != -ETIME && result != -EINTR && result != -EBUSY && result != -EAGAIN) {
        fail_with("io_uring_enter", -result);
    }
}

static unsigned poll_uring(struct engine* engine, received_function* received) {
    struct io_uring_cqe* done[batch];
    enter();
    const unsigned count = io_uring_peek_batch_cqe(&ring, done, batch);
    engine->now = now_ns();
    for (unsigned i = 0; i < count; ++i) {
        const uint64_t what = io_uring_cqe_get_data64(done[i]);
        const int result = done[i]->res;
        const unsigned index = (unsigned)what;
        if ((what & sends) != 0) {
            if (result < 0 && result != -ECANCELED) fail_with("send", -result);
            continue;
        }
        removed = false;
        received(index, buffers + (size_t)buffer_size * index, result);
        /* What took the place of a removed connection receives already. */
        if (!removed) receive(index);
    }
    io_uring_cq_advance(&ring, count);
    return count;
}

struct engine uring_engine = {
    .name = "io_uring", .open = open_uring, .add = add, .send = send_all, .remove = remove_socket, .poll = poll_uring};
