/* Connections of the load generator, and what travels on them. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

unsigned char pattern[pattern_period + longest_send];

void pattern_prepare(void) {
    for (unsigned i = 0; i < sizeof pattern; ++i) pattern[i] = (unsigned char)(i % pattern_period);
}

void pattern_check(unsigned index, uint64_t at, const unsigned char* data, size_t length) {
    enum { end = 64 };
    const size_t head = length < 2 * end ? length : end;
    if (memcmp(data, pattern_at(index, at), head) != 0) fail("the server answered with other bytes");
    if (head < length && memcmp(data + length - end, pattern_at(index, at + length - end), end) != 0) {
        fail("the server answered with other bytes at the end of a message");
    }
}

static int open_socket(int type) {
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0) fail_with("socket", errno);
    return fd;
}

static void connect_to(int fd, uint16_t port) {
    const struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (const struct sockaddr*)&server, sizeof server) != 0) fail_with("connect", errno);
}

int connect_tcp(const struct options* options) {
    static unsigned turn;
    const int fd = open_socket(SOCK_STREAM);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* The port is chosen by connect(), among those that are free for this pair of addresses. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const unsigned host = (options->source + turn++ % 200) % 60000;
    const struct sockaddr_in source = {.sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(0x7f010001u + (host / 250 << 8) + host % 250)};
    if (bind(fd, (const struct sockaddr*)&source, sizeof source) != 0) fail_with("bind", errno);
    connect_to(fd, options->port);
    return fd;
}

int connect_udp(const struct options* options) {
    const int fd = open_socket(SOCK_DGRAM);
    connect_to(fd, options->port);
    return fd;
}
