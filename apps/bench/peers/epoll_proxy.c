/* The limit for a TCP proxy: splice(2) through a pipe for each direction, so that no byte comes to user space. Edges
 * tell that there is something to do, a queue remembers what is not finished, and no connection gets more than a few
 * calls in turn. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "epoll.h"

enum { batch = 256, calls_in_turn = 4, most_at_once = 1 << 20 };

struct pair;

struct flow {
    struct pair* pair;
    struct flow* next; /* in the queue */
    int from, to;
    int out, in; /* the ends of the pipe: what goes in comes out */
    size_t held; /* bytes in the pipe */
    bool queued, over;
};

struct side {
    struct pair* pair;
    int index; /* flows[index] comes from here, the other one goes here */
};

struct pair {
    struct flow flows[2];
    struct side sides[2];
    bool dead;
    struct pair* next; /* among the dead */
};

static int set;
static struct sockaddr_in upstream;
static struct flow* first;
static struct flow** last = &first;
static struct pair* dead;

static void enqueue(struct flow* flow) {
    if (flow->queued) return;
    flow->queued = true;
    flow->next = NULL;
    *last = flow;
    last = &flow->next;
}

static void kill_pair(struct pair* pair) {
    if (pair->dead) return;
    pair->dead = true;
    pair->next = dead;
    dead = pair;
    for (int i = 0; i < 2; ++i) {
        close(pair->flows[i].from);
        close(pair->flows[i].in);
        close(pair->flows[i].out);
    }
}

enum outcome { blocked, unfinished, broken };

static enum outcome pump(struct flow* flow) {
    for (int calls = 0; calls < calls_in_turn && !flow->over; ++calls) {
        while (flow->held != 0) {
            const ssize_t sent = splice(flow->out, NULL, flow->to, NULL, flow->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (sent <= 0) return sent < 0 && errno == EAGAIN ? blocked : broken;
            flow->held -= (size_t)sent;
        }
        /* The pipe is empty, so EAGAIN means that the socket is. */
        const ssize_t got = splice(flow->from, NULL, flow->in, NULL, most_at_once, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (got < 0) return errno == EAGAIN ? blocked : broken;
        if (got == 0) {
            flow->over = true;
            shutdown(flow->to, SHUT_WR);
        }
        flow->held = (size_t)got;
    }
    return flow->over ? blocked : unfinished;
}

static void run_queue(void) {
    struct flow* flow = first;
    first = NULL;
    last = &first;
    while (flow != NULL) {
        struct flow* const next = flow->next;
        flow->queued = false;
        if (!flow->pair->dead) {
            const enum outcome outcome = pump(flow);
            if (outcome == unfinished) enqueue(flow);
            if (outcome == broken || (flow->pair->flows[0].over && flow->pair->flows[1].over)) kill_pair(flow->pair);
        }
        flow = next;
    }
}

/* After all events of a batch and all of the queue have been looked at, which may name the dead. */
static void free_dead(void) {
    struct pair** link = &dead;
    while (*link != NULL) {
        struct pair* const pair = *link;
        if (pair->flows[0].queued || pair->flows[1].queued) {
            link = &pair->next;
        } else {
            *link = pair->next;
            free(pair);
        }
    }
}

static void accept_one(int client) {
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (server < 0) die("socket", errno);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(server, (const struct sockaddr*)&upstream, sizeof upstream) != 0 && errno != EINPROGRESS) {
        die("connect", errno);
    }
    struct pair* const pair = allocate(sizeof *pair);
    memset(pair, 0, sizeof *pair);
    const int sockets[2] = {client, server};
    for (int i = 0; i < 2; ++i) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) die("pipe2", errno);
        fcntl(ends[0], F_SETPIPE_SZ, most_at_once); /* what it may be at the most depends on the machine */
        pair->flows[i] =
            (struct flow){.pair = pair, .from = sockets[i], .to = sockets[1 - i], .out = ends[0], .in = ends[1]};
        pair->sides[i] = (struct side){.pair = pair, .index = i};
        struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                       .data.ptr = &pair->sides[i]};
        if (epoll_ctl(set, EPOLL_CTL_ADD, sockets[i], &interest) != 0) die("epoll_ctl", errno);
    }
}

static void on_ready(struct side* side, uint32_t events) {
    struct pair* const pair = side->pair;
    if (pair->dead) return;
    if ((events & ~(uint32_t)EPOLLOUT) != 0) enqueue(&pair->flows[side->index]);
    if ((events & EPOLLOUT) != 0 && pair->flows[1 - side->index].held != 0) enqueue(&pair->flows[1 - side->index]);
}

_Noreturn void serve_epoll_proxy(const struct peer* peer) {
    upstream = loopback(peer->upstream);
    set = epoll_create1(EPOLL_CLOEXEC);
    const int listener = listen_tcp(peer->port, SOCK_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = NULL};
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &interest) != 0) die("epoll", errno);
    announce(listener);
    for (;;) {
        struct epoll_event ready[batch];
        const int count = epoll_wait(set, ready, batch, first != NULL ? 0 : -1);
        for (int i = 0; i < count; ++i) {
            if (ready[i].data.ptr != NULL) {
                on_ready(ready[i].data.ptr, ready[i].events);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) accept_one(fd);
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) die("accept", errno);
        }
        run_queue();
        free_dead();
    }
}
