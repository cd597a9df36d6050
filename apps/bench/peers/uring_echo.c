/* The limit on io_uring: what hand-written C gets out of it. `--plain` is the simple way of using it: one receive at a
 * time, into a buffer of the connection's own. */

#include "uring.h"

int main(int argc, char** argv) {
    const struct peer peer = peer_options(argc, argv);
    if (peer.mode == peer_proxy) serve_uring_proxy(&peer);
    if (peer.mode == peer_udp) {
        if (peer.plain) serve_plain_udp(&peer);
        serve_tuned_udp(&peer);
    }
    if (peer.plain) serve_plain_tcp(&peer);
    serve_tuned_tcp(&peer);
}
