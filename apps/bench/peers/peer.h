/* What the peers written in C share: the command line `PEER tcp|udp|proxy --port P [--size N] [--upstream P]` and the
 * sockets. A peer serves on 127.0.0.1, prints `listening PORT` and goes on until a signal ends it. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    echo_buffer = 16 * 1024,  /* what every peer receives into */
    proxy_buffer = 64 * 1024, /* and every proxy */
};

enum peer_mode { peer_tcp, peer_udp, peer_proxy };

struct peer {
    enum peer_mode mode;
    uint16_t port;
    uint16_t upstream;
    unsigned size; /* the usual message */
    bool plain;    /* for uring_echo: the simple way */
};

static inline _Noreturn void die(const char* what, int error) {
    fprintf(stderr, "%s: %s\n", what, strerror(error));
    exit(1);
}

static inline struct peer peer_options(int argc, char** argv) {
    static const struct option table[] = {{"port", required_argument, NULL, 'p'},
                                          {"size", required_argument, NULL, 's'},
                                          {"upstream", required_argument, NULL, 'u'},
                                          {"plain", no_argument, NULL, 'P'},
                                          {NULL, 0, NULL, 0}};
    static const char* const modes[] = {"tcp", "udp", "proxy"};
    struct peer peer = {.size = 64};
    int mode = 0;
    while (mode < 3 && (argc < 2 || strcmp(argv[1], modes[mode]) != 0)) ++mode;
    for (int choice; mode < 3 && (choice = getopt_long(argc - 1, argv + 1, "", table, NULL)) != -1;) {
        switch (choice) {
            case 'p': peer.port = (uint16_t)atoi(optarg); break;
            case 's': peer.size = (unsigned)atoi(optarg); break;
            case 'u': peer.upstream = (uint16_t)atoi(optarg); break;
            case 'P': peer.plain = true; break;
            default: mode = 3;
        }
    }
    if (mode == 3 || (mode == peer_proxy && peer.upstream == 0)) {
        fprintf(stderr, "%s tcp|udp|proxy --port P [--size BYTES] [--upstream P]\n", argv[0]);
        exit(2);
    }
    peer.mode = (enum peer_mode)mode;
    return peer;
}

static inline struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void announce(int fd) {
    struct sockaddr_in here;
    socklen_t length = sizeof here;
    if (getsockname(fd, (struct sockaddr*)&here, &length) != 0) die("getsockname", errno);
    printf("listening %u\n", ntohs(here.sin_port));
    fflush(stdout);
}

/* `flags`: SOCK_NONBLOCK or 0. Accepted connections inherit TCP_NODELAY. */
static inline int listen_tcp(uint16_t port, int flags) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    const int on = 1;
    const struct sockaddr_in here = loopback(port);
    if (fd < 0) die("socket", errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr*)&here, sizeof here) != 0) die("bind", errno);
    if (listen(fd, 4096) != 0) die("listen", errno);
    return fd;
}

static inline int bind_udp(uint16_t port, int flags) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
    const struct sockaddr_in here = loopback(port);
    if (fd < 0) die("socket", errno);
    if (bind(fd, (const struct sockaddr*)&here, sizeof here) != 0) die("bind", errno);
    return fd;
}

static inline void* allocate(size_t size) {
    void* const memory = malloc(size);
    if (memory == NULL) die("malloc", ENOMEM);
    return memory;
}
