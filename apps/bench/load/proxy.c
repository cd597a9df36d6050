/* Throughput through a proxy: this program is the clients, which send as much as they can, and the server behind the
 * proxy, which takes it all and checks samples. Prints `listening PORT`, reads the proxy's `PORT PID` from its input,
 * and begins. What it discards it never copies, so that it is cheaper than the proxy. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { batch = 64, sample_every = 64, chunk = 128 * 1024 };

struct flow {
    int fd;
    bool sends;
    bool begun;
    unsigned phase; /* where in the pattern the stream began */
    uint64_t moved, calls;
};

static unsigned char buffer[longest_send];

static int listen_somewhere(void) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    if (fd < 0 || bind(fd, (struct sockaddr*)&here, sizeof here) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr*)&here, &length) != 0) {
        fail_with("listen", errno);
    }
    printf("listening %u\n", ntohs(here.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int set, struct flow* flow, uint32_t events) {
    struct epoll_event interest = {.events = events, .data.ptr = flow};
    if (epoll_ctl(set, EPOLL_CTL_ADD, flow->fd, &interest) != 0) fail_with("epoll_ctl", errno);
}

static void push(struct flow* flow) {
    const unsigned char* const next = pattern + (flow->phase + flow->moved) % pattern_period;
    const ssize_t sent = send(flow->fd, next, chunk, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) fail_with("send", errno);
    if (sent > 0) flow->moved += (uint64_t)sent;
}

static void drain(struct flow* flow, uint64_t* pending, unsigned size) {
    const bool look = !flow->begun || ++flow->calls % sample_every == 0;
    const ssize_t length = recv(flow->fd, buffer, sizeof buffer, MSG_DONTWAIT | (look ? 0 : MSG_TRUNC));
    if (length == 0) fail("the proxy has closed a connection");
    if (length < 0) {
        if (errno != EAGAIN && errno != EINTR) fail_with("recv", errno);
        return;
    }
    if (!flow->begun) {
        flow->begun = true;
        flow->phase = buffer[0];
    }
    if (look) {
        for (ssize_t i = 0; i < length; i += 509) {
            if (buffer[i] != pattern[(flow->phase + flow->moved + (uint64_t)i) % pattern_period]) {
                fail("the proxy handed on other bytes");
            }
        }
    }
    flow->moved += (uint64_t)length;
    if (!meter.running) return;
    /* A message is so many bytes, wherever the proxy has cut the stream. */
    meter.bytes += (uint64_t)length;
    *pending += (uint64_t)length;
    meter.messages += *pending / size;
    *pending %= size;
}

void run_proxy(const struct options* given) {
    struct options options = *given;
    const int listener = listen_somewhere();
    unsigned port;
    if (scanf("%u %d", &port, &options.server_pid) != 2 || port > 65535) fail("expected the proxy's PORT PID");
    options.port = (uint16_t)port;

    const int set = epoll_create1(EPOLL_CLOEXEC);
    struct flow* const flows = calloc(2 * (size_t)options.connections + 1, sizeof *flows);
    if (set < 0 || flows == NULL) fail("out of memory");
    struct flow* const accepting = &flows[2 * options.connections];
    accepting->fd = listener;
    watch(set, accepting, EPOLLIN);
    for (unsigned i = 0; i < options.connections; ++i) {
        flows[i].fd = connect_tcp(&options);
        flows[i].sends = true;
        flows[i].phase = i % pattern_period;
        watch(set, &flows[i], EPOLLOUT);
    }

    meter_prepare(&options);
    unsigned accepted = 0;
    uint64_t pending = 0, last = now_ns();
    while (meter_tick(&options, last)) {
        struct epoll_event ready[batch];
        const int count = epoll_wait(set, ready, batch, options.spin ? 0 : 10);
        for (int i = 0; i < count; ++i) {
            struct flow* const flow = ready[i].data.ptr;
            if (flow == accepting) {
                struct flow* const sink = &flows[options.connections + accepted];
                sink->fd = accept(listener, NULL, NULL);
                if (sink->fd < 0) continue;
                if (++accepted > options.connections) fail("the proxy makes more connections than it was asked for");
                watch(set, sink, EPOLLIN);
            } else if (flow->sends) {
                push(flow);
            } else {
                drain(flow, &pending, options.size);
            }
        }
        const uint64_t now = now_ns();
        if (count <= 0 && meter.running) meter.idle_ns += now - last;
        last = now;
    }
    if (accepted < options.connections) fail("the proxy has not connected all");
}
