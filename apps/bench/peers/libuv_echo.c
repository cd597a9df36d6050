/* Echo and proxy on libuv, one loop. */

#include <uv.h>

#include "peer.h"

struct connection {
    uv_tcp_t socket;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uv_connect_t connect;
    struct connection* target; /* where its bytes go: itself, or the other side of the proxy */
    bool over, closing, closed;
    unsigned size;
    char buffer[];
};

static uv_loop_t loop;
static struct sockaddr_in upstream;

static void check(int result, const char* what) {
    if (result >= 0) return;
    fprintf(stderr, "%s: %s\n", what, uv_strerror(result));
    exit(1);
}

static struct connection* make_connection(unsigned size) {
    struct connection* const connection = allocate(sizeof *connection + size);
    memset(connection, 0, sizeof *connection);
    connection->size = size;
    connection->target = connection;
    check(uv_tcp_init(&loop, &connection->socket), "uv_tcp_init");
    connection->socket.data = connection;
    return connection;
}

static void on_closed(uv_handle_t* handle) {
    struct connection* const connection = handle->data;
    struct connection* const target = connection->target;
    connection->closed = true;
    if (!target->closed) return;
    if (target != connection) free(target);
    free(connection);
}

static void drop(struct connection* connection) {
    struct connection* const target = connection->target;
    if (!connection->closing) uv_close((uv_handle_t*)&connection->socket, on_closed);
    connection->closing = true;
    if (!target->closing) uv_close((uv_handle_t*)&target->socket, on_closed);
    target->closing = true;
}

static void give_buffer(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer) {
    (void)suggested;
    struct connection* const connection = handle->data;
    *buffer = uv_buf_init(connection->buffer, connection->size);
}

static void on_read(uv_stream_t* stream, ssize_t length, const uv_buf_t* buffer);

static void on_written(uv_write_t* write, int status) {
    struct connection* const connection = write->data;
    if (status < 0) drop(connection);
    if (!connection->closing) uv_read_start((uv_stream_t*)&connection->socket, give_buffer, on_read);
}

static void on_read(uv_stream_t* stream, ssize_t length, const uv_buf_t* buffer) {
    struct connection* const connection = stream->data;
    struct connection* const target = connection->target;
    if (length == 0) return;
    if (length < 0) {
        connection->over = true;
        if (length != UV_EOF || target->over) {
            drop(connection);
        } else {
            uv_shutdown(&connection->shutdown, (uv_stream_t*)&target->socket, NULL);
        }
        return;
    }
    /* What the kernel takes at once needs no request; only when it does not, reading pauses. */
    uv_buf_t rest = uv_buf_init(buffer->base, (unsigned)length);
    const int sent = uv_try_write((uv_stream_t*)&target->socket, &rest, 1);
    if (sent == length) return;
    if (sent < 0 && sent != UV_EAGAIN) {
        drop(connection);
        return;
    }
    if (sent > 0) rest = uv_buf_init(buffer->base + sent, (unsigned)(length - sent));
    uv_read_stop(stream);
    connection->write.data = connection;
    check(uv_write(&connection->write, (uv_stream_t*)&target->socket, &rest, 1, on_written), "uv_write");
}

static void on_echo_connection(uv_stream_t* listener, int status) {
    check(status, "accept");
    struct connection* const connection = make_connection(echo_buffer);
    check(uv_accept(listener, (uv_stream_t*)&connection->socket), "uv_accept");
    uv_read_start((uv_stream_t*)&connection->socket, give_buffer, on_read);
}

static void on_connected(uv_connect_t* connect, int status) {
    struct connection* const inner = connect->data;
    check(status, "connect");
    uv_tcp_nodelay(&inner->socket, 1);
    uv_read_start((uv_stream_t*)&inner->socket, give_buffer, on_read);
    uv_read_start((uv_stream_t*)&inner->target->socket, give_buffer, on_read);
}

static void on_proxy_connection(uv_stream_t* listener, int status) {
    check(status, "accept");
    struct connection* const outer = make_connection(proxy_buffer);
    struct connection* const inner = make_connection(proxy_buffer);
    outer->target = inner;
    inner->target = outer;
    inner->connect.data = inner;
    check(uv_accept(listener, (uv_stream_t*)&outer->socket), "uv_accept");
    check(uv_tcp_connect(&inner->connect, &inner->socket, (struct sockaddr*)&upstream, on_connected), "uv_tcp_connect");
}

static char datagram[echo_buffer];

static void give_datagram(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer) {
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(datagram, sizeof datagram);
}

static void on_datagram(uv_udp_t* socket, ssize_t length, const uv_buf_t* buffer, const struct sockaddr* sender,
                        unsigned flags) {
    (void)flags;
    if (length <= 0 || sender == NULL) return;
    const uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)length);
    uv_udp_try_send(socket, &answer, 1, sender); /* a full buffer loses datagrams, as the network does */
}

int main(int argc, char** argv) {
    static uv_tcp_t listener;
    static uv_udp_t socket;
    const struct peer peer = peer_options(argc, argv);
    upstream = loopback(peer.upstream);
    check(uv_loop_init(&loop), "uv_loop_init");
    if (peer.mode == peer_udp) {
        const int fd = bind_udp(peer.port, SOCK_NONBLOCK);
        check(uv_udp_init(&loop, &socket), "uv_udp_init");
        check(uv_udp_open(&socket, fd), "uv_udp_open");
        check(uv_udp_recv_start(&socket, give_datagram, on_datagram), "uv_udp_recv_start");
        announce(fd);
    } else {
        const int fd = listen_tcp(peer.port, SOCK_NONBLOCK);
        check(uv_tcp_init(&loop, &listener), "uv_tcp_init");
        check(uv_tcp_open(&listener, fd), "uv_tcp_open");
        check(uv_listen((uv_stream_t*)&listener, 4096,
                        peer.mode == peer_proxy ? on_proxy_connection : on_echo_connection),
              "uv_listen");
        announce(fd);
    }
    return uv_run(&loop, UV_RUN_DEFAULT);
}
