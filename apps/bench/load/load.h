/* What the parts of the load generator share: the options, the clock, the meter and the engines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum mode { mode_tcp, mode_churn, mode_udp, mode_idle, mode_proxy };

struct options {
    enum mode mode;
    uint16_t port;
    unsigned connections;
    unsigned size;      /* bytes of a message */
    unsigned depth;     /* messages in flight on one connection */
    double warmup;      /* seconds that are not measured */
    double seconds;     /* seconds that are */
    int server_pid;     /* whose CPU time is read, 0: nobody's */
    bool spin;          /* never sleep: the server does not pay for waking this program */
    const char* engine; /* "io_uring", "epoll", or "auto": the first that works */
    unsigned source;    /* where this process begins in the list of source addresses */
};

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* For loops that wait for another core. */
static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Ends the program with a message: there is nobody who could go on measuring. */
_Noreturn void fail(const char* what);
_Noreturn void fail_with(const char* what, int error);

/* ---- the meter: what happened in the measured time ---- */

/* Log-linear: 32 steps to each power of two, so that a latency is known to 3 %. */
enum { histogram_steps = 32, histogram_size = histogram_steps * 60 };

struct meter {
    uint64_t begins, ends;     /* ns; the measured time */
    uint64_t started, stopped; /* when it was noticed that these had passed */
    bool running, done;
    uint64_t messages, bytes, lost, idle_ns;
    uint32_t histogram[histogram_size];
};
extern struct meter meter;

void meter_prepare(const struct options* options);
/* Starts and stops the measurement when its time has come. False when it is over. */
bool meter_tick(const struct options* options, uint64_t now);
void meter_print(const struct options* options, const char* engine);

static inline void meter_message(uint64_t latency_ns, unsigned bytes) {
    if (!meter.running) return;
    ++meter.messages;
    meter.bytes += bytes;
    unsigned index = (unsigned)latency_ns;
    if (latency_ns >= histogram_steps) {
        const unsigned shift = 63u - (unsigned)__builtin_clzll(latency_ns) - 5;
        index = (shift + 1) * histogram_steps + (unsigned)((latency_ns >> shift) - histogram_steps);
    }
    ++meter.histogram[index < histogram_size ? index : histogram_size - 1];
}

/* ---- what is sent ---- */

/* The byte at position `at` of connection `index`'s stream. One buffer serves all connections and positions, and a byte
 * that is lost, repeated or given to another connection is noticed. */
enum { pattern_period = 251, longest_send = 1 << 18 };
extern unsigned char pattern[pattern_period + longest_send];

static inline const unsigned char* pattern_at(unsigned index, uint64_t at) {
    return pattern + (index * 7u + at) % pattern_period;
}
void pattern_prepare(void);
/* Compares all of what is short, and both ends of what is long. Fails when it differs. */
void pattern_check(unsigned index, uint64_t at, const unsigned char* data, size_t length);

/* ---- sockets ---- */

/* A connected socket, TCP without Nagle's algorithm. TCP connections take turns among source addresses in 127/8, so
 * that ports in TIME_WAIT never run out. */
int connect_tcp(const struct options* options);
int connect_udp(const struct options* options);

/* ---- engines: how bytes get to and from the kernel ---- */

/* `length` is negative, an errno value, for an error, and 0 at the end of the stream. */
typedef void received_function(unsigned index, const unsigned char* data, int length);

struct engine {
    const char* name;
    uint64_t now; /* the time of the batch that is being handled */
    /* 0, or an errno value when this engine cannot be had. */
    int (*open)(struct engine* engine, const struct options* options);
    /* Takes a connected socket and starts to receive. */
    void (*add)(struct engine* engine, unsigned index, int fd);
    /* Sends all of it, soon. `data` stays. */
    void (*send)(struct engine* engine, unsigned index, const void* data, unsigned length);
    /* Closes the socket; only from inside `received`. */
    void (*remove)(struct engine* engine, unsigned index);
    /* Hands over what has arrived, at most a small batch of it, so that `now` is right for all. The number of calls. */
    unsigned (*poll)(struct engine* engine, received_function* received);
};
extern struct engine uring_engine, epoll_engine;

/* ---- the modes ---- */

struct engine* open_engine(const struct options* options);
void run_tcp(const struct options* options, struct engine* engine);
void run_churn(const struct options* options, struct engine* engine);
void run_udp(const struct options* options, struct engine* engine);
void run_idle(const struct options* options);
void run_proxy(const struct options* options);
