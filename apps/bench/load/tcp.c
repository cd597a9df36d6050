/* TCP: echo, as a closed loop with `depth` messages in flight on each connection, and churn, where a connection lives
 * for one message. */

#include <string.h>

#include "load.h"

struct connection {
    uint64_t sent, received; /* bytes of the stream */
    uint64_t first_message;  /* number of the oldest message that is not back */
    uint64_t* started;       /* when each of the last `depth` messages was sent */
};

static const struct options* settings;
static struct engine* io;
static struct connection* connections;

static void loop(received_function* received) {
    meter_prepare(settings);
    uint64_t last = now_ns();
    io->now = last;
    while (meter_tick(settings, io->now)) {
        const unsigned count = io->poll(io, received);
        if (count == 0 && meter.running) meter.idle_ns += io->now - last;
        last = io->now;
    }
}

static void set_up(const struct options* options, struct engine* engine) {
    settings = options;
    io = engine;
    connections = calloc(options->connections, sizeof *connections);
    if (connections == NULL) fail("out of memory");
}

/* ---- echo ---- */

static void send_messages(unsigned index, unsigned count) {
    struct connection* const connection = &connections[index];
    for (unsigned i = 0; i < count; ++i) {
        const uint64_t message = connection->sent / settings->size + i;
        connection->started[message % settings->depth] = io->now;
    }
    io->send(io, index, pattern_at(index, connection->sent), count * settings->size);
    connection->sent += (uint64_t)count * settings->size;
}

static void echo_received(unsigned index, const unsigned char* data, int length) {
    struct connection* const connection = &connections[index];
    if (length == 0) fail("the server has closed a connection");
    if (length < 0) fail_with("recv", -length);
    pattern_check(index, connection->received, data, (size_t)length);
    connection->received += (unsigned)length;

    unsigned complete = 0;
    while ((connection->first_message + 1) * settings->size <= connection->received) {
        meter_message(io->now - connection->started[connection->first_message % settings->depth], settings->size);
        ++connection->first_message;
        ++complete;
    }
    if (complete != 0) send_messages(index, complete);
}

void run_tcp(const struct options* options, struct engine* engine) {
    set_up(options, engine);
    uint64_t* const started = calloc((size_t)options->connections * options->depth, sizeof *started);
    if (started == NULL) fail("out of memory");
    io->now = now_ns();
    for (unsigned i = 0; i < options->connections; ++i) {
        connections[i].started = started + (size_t)i * options->depth;
        io->add(io, i, connect_tcp(options));
    }
    for (unsigned i = 0; i < options->connections; ++i) send_messages(i, options->depth);
    loop(echo_received);
}

/* ---- churn ---- */

static void begin_connection(unsigned index) {
    /* The handshake is part of what is measured, and on the loopback device connect() does all of it. */
    connections[index].sent = now_ns();
    connections[index].received = 0;
    io->add(io, index, connect_tcp(settings));
    io->send(io, index, pattern_at(index, 0), settings->size);
}

static void churn_received(unsigned index, const unsigned char* data, int length) {
    struct connection* const connection = &connections[index];
    if (length == 0) fail("the server has closed a connection before its answer");
    if (length < 0) fail_with("recv", -length);
    pattern_check(index, connection->received, data, (size_t)length);
    connection->received += (unsigned)length;
    if (connection->received < settings->size) return;
    meter_message(now_ns() - connection->sent, settings->size);
    io->remove(io, index);
    begin_connection(index);
}

void run_churn(const struct options* options, struct engine* engine) {
    set_up(options, engine);
    for (unsigned i = 0; i < options->connections; ++i) begin_connection(i);
    loop(churn_received);
}
