/* UDP echo at the limit of io_uring: one multishot recvmsg that takes from a ring of buffers; the answer leaves from
 * the same buffer, to the address that stands in it. */

#include "uring.h"

enum { count = 512, size = 2048, receiving = count };

static struct io_uring ring;
static struct buffers buffers;
static struct msghdr header = {.msg_namelen = sizeof(struct sockaddr_in)};
static bool starving;

static void arm_receive(int fd) {
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_recvmsg_multishot(sqe, fd, &header, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, receiving);
}

static void answer(int fd, unsigned id, int length) {
    struct io_uring_recvmsg_out* const got = io_uring_recvmsg_validate(buffer_at(&buffers, id), length, &header);
    if (got == NULL) {
        return_buffer(&buffers, id);
        return;
    }
    struct io_uring_sqe* const sqe = next_sqe(&ring);
    io_uring_prep_send(sqe, fd, io_uring_recvmsg_payload(got, &header), got->payloadlen, MSG_NOSIGNAL);
    io_uring_prep_send_set_addr(sqe, io_uring_recvmsg_name(got), sizeof(struct sockaddr_in));
    io_uring_sqe_set_data64(sqe, id);
}

_Noreturn void serve_tuned_udp(const struct peer* peer) {
    open_ring(&ring);
    buffers = make_buffers(&ring, count, size);
    const int fd = bind_udp(peer->port, 0);
    announce(fd);
    arm_receive(fd);
    for (;;) {
        enter(&ring);
        struct io_uring_cqe* cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            ++seen;
            if (cqe->user_data != receiving) {
                return_buffer(&buffers, (unsigned)cqe->user_data);
                continue;
            }
            if (cqe->res >= 0) answer(fd, cqe->flags >> IORING_CQE_BUFFER_SHIFT, cqe->res);
            if (cqe->res < 0 && cqe->res != -ENOBUFS) die("recvmsg", -cqe->res);
            if ((cqe->flags & IORING_CQE_F_MORE) == 0) starving = true;
        }
        io_uring_cq_advance(&ring, seen);
        publish_buffers(&buffers);
        /* It ended for want of buffers. All are back when this iteration's answers are sent, at the latest. */
        if (starving) arm_receive(fd);
        starving = false;
    }
}
