/* The engine for machines without io_uring: a system call for each message and direction. Its sockets block when they
 * send, which is safe because what is in flight fits the kernel's buffers; receiving never blocks. */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { batch = 32 };

static int set;
static bool spins;
static int* sockets;
static unsigned char* buffer;

static int open_epoll(struct engine* engine, const struct options* options) {
    (void)engine;
    spins = options->spin;
    set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) return errno;
    sockets = calloc(options->connections, sizeof *sockets);
    buffer = malloc(longest_send);
    return sockets == NULL || buffer == NULL ? ENOMEM : 0;
}

static void add(struct engine* engine, unsigned index, int fd) {
    (void)engine;
    struct epoll_event interest = {.events = EPOLLIN, .data.u32 = index};
    sockets[index] = fd;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &interest) != 0) fail_with("epoll_ctl", errno);
}

static void send_all(struct engine* engine, unsigned index, const void* data, unsigned length) {
    (void)engine;
    const char* rest = data;
    while (length != 0) {
        const ssize_t sent = send(sockets[index], rest, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) fail_with("send", errno);
        if (sent > 0) {
            rest += sent;
            length -= (unsigned)sent;
        }
    }
}

static void remove_socket(struct engine* engine, unsigned index) {
    (void)engine;
    close(sockets[index]);
    sockets[index] = -1;
}

static unsigned poll_epoll(struct engine* engine, received_function* received) {
    struct epoll_event ready[batch];
    const int count = epoll_wait(set, ready, batch, spins ? 0 : 10);
    if (count < 0 && errno != EINTR) fail_with("epoll_wait", errno);
    for (int i = 0; i < count; ++i) {
        const unsigned index = ready[i].data.u32;
        const ssize_t length = recv(sockets[index], buffer, longest_send, MSG_DONTWAIT);
        engine->now = now_ns();
        if (length >= 0) received(index, buffer, (int)length);
        if (length < 0 && errno != EAGAIN && errno != EINTR) received(index, buffer, -errno);
    }
    if (count <= 0) engine->now = now_ns();
    return count < 0 ? 0 : (unsigned)count;
}

struct engine epoll_engine = {
    .name = "epoll", .open = open_epoll, .add = add, .send = send_all, .remove = remove_socket, .poll = poll_epoll};
