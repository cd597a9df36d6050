/* UDP echo: one datagram in flight on each socket. One that is not back in time counts as lost, and another follows;
 * the number in its first bytes tells a late answer from the right one. */

#include <errno.h>
#include <string.h>

#include "load.h"

static const uint64_t patience_ns = 100 * 1000000u;
static const uint64_t look_every_ns = 5 * 1000000u;

struct exchange {
    uint64_t number, started;
    unsigned char* datagram;
};

static const struct options* settings;
static struct engine* io;
static struct exchange* exchanges;

static void send_next(unsigned index) {
    struct exchange* const exchange = &exchanges[index];
    /* The kernel has read the datagram before: it was answered, or it was sent long ago. */
    exchange->number += settings->connections;
    memcpy(exchange->datagram, &exchange->number, sizeof exchange->number);
    exchange->started = io->now;
    io->send(io, index, exchange->datagram, settings->size);
}

static void received(unsigned index, const unsigned char* data, int length) {
    struct exchange* const exchange = &exchanges[index];
    if (length == -EAGAIN) return;
    if (length < 0) fail_with("recv", -length);
    if ((unsigned)length != settings->size) fail("the server answered with a datagram of another size");
    if (memcmp(data, exchange->datagram, settings->size) != 0) {
        uint64_t number;
        memcpy(&number, data, sizeof number);
        if (number >= exchange->number || number % settings->connections != index)
            fail("the server answered with other bytes");
        return; /* late: it has been counted as lost */
    }
    meter_message(io->now - exchange->started, settings->size);
    send_next(index);
}

static void look_for_lost(void) {
    for (unsigned i = 0; i < settings->connections; ++i) {
        if (io->now - exchanges[i].started < patience_ns) continue;
        if (meter.running) ++meter.lost;
        send_next(i);
    }
}

void run_udp(const struct options* options, struct engine* engine) {
    settings = options;
    io = engine;
    exchanges = calloc(options->connections, sizeof *exchanges);
    unsigned char* const datagrams = malloc((size_t)options->connections * options->size);
    if (exchanges == NULL || datagrams == NULL) fail("out of memory");

    io->now = now_ns();
    for (unsigned i = 0; i < options->connections; ++i) {
        exchanges[i].number = i;
        exchanges[i].datagram = datagrams + (size_t)i * options->size;
        memcpy(exchanges[i].datagram, pattern_at(i, 0), options->size);
        io->add(io, i, connect_udp(options));
        send_next(i);
    }

    meter_prepare(options);
    uint64_t last = io->now, looked = io->now;
    while (meter_tick(options, io->now)) {
        const unsigned count = io->poll(io, received);
        if (count == 0 && meter.running) meter.idle_ns += io->now - last;
        last = io->now;
        if (last - looked >= look_every_ns) {
            looked = last;
            look_for_lost();
        }
    }
}
