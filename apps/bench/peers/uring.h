/* What the io_uring peers share: how the ring is set up, and the ring of buffers that multishot receives take from. */
#pragma once

#include <liburing.h>

#include "peer.h"

enum { file_table = 16384 };

static inline void open_ring(struct io_uring* ring) {
    struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                                  IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                         .cq_entries = 16384};
    const int result = io_uring_queue_init_params(4096, ring, &parameters);
    if (result < 0) die("io_uring_setup", -result);
    io_uring_register_ring_fd(ring);
}

static inline struct io_uring_sqe* next_sqe(struct io_uring* ring) {
    struct io_uring_sqe* sqe = io_uring_get_sqe(ring);
    if (sqe == NULL) {
        io_uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
        if (sqe == NULL) die("the submission queue stays full", EBUSY);
    }
    return sqe;
}

/* Hands all that was prepared to the kernel and sleeps until something is done. */
static inline void enter(struct io_uring* ring) {
    const int result = io_uring_submit_and_wait(ring, 1);
    if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN) die("io_uring_enter", -result);
}

struct buffers {
    struct io_uring_buf_ring* ring;
    unsigned char* memory;
    unsigned count, size;
    int returned; /* not yet given back to the kernel */
};

static inline unsigned char* buffer_at(const struct buffers* buffers, unsigned id) {
    return buffers->memory + (size_t)id * buffers->size;
}

static inline void return_buffer(struct buffers* buffers, unsigned id) {
    io_uring_buf_ring_add(buffers->ring, buffer_at(buffers, id), buffers->size, (unsigned short)id,
                          io_uring_buf_ring_mask(buffers->count), buffers->returned++);
}

static inline void publish_buffers(struct buffers* buffers) {
    if (buffers->returned != 0) io_uring_buf_ring_advance(buffers->ring, buffers->returned);
    buffers->returned = 0;
}

/* Group 0. `count` is a power of two. */
static inline struct buffers make_buffers(struct io_uring* ring, unsigned count, unsigned size) {
    struct buffers buffers = {.count = count, .size = size};
    void* memory[2];
    if (posix_memalign(&memory[0], 4096, count * sizeof(struct io_uring_buf)) != 0 ||
        posix_memalign(&memory[1], 4096, (size_t)count * size) != 0) {
        die("posix_memalign", ENOMEM);
    }
    buffers.ring = memory[0];
    buffers.memory = memory[1];
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffers.ring, .ring_entries = count};
    const int result = io_uring_register_buf_ring(ring, &registration, 0);
    if (result < 0) die("io_uring_register_buf_ring", -result);
    io_uring_buf_ring_init(buffers.ring);
    for (unsigned id = 0; id < count; ++id) return_buffer(&buffers, id);
    publish_buffers(&buffers);
    return buffers;
}

_Noreturn void serve_tuned_tcp(const struct peer* peer);
_Noreturn void serve_tuned_udp(const struct peer* peer);
_Noreturn void serve_plain_tcp(const struct peer* peer);
_Noreturn void serve_plain_udp(const struct peer* peer);
_Noreturn void serve_uring_proxy(const struct peer* peer);
