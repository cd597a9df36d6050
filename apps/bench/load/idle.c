/* Many connections that have nothing to say: each carries one message, so that the server has done for it what it does
 * for every connection, and then stays. Prints `ready` and waits until its input ends. */

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

static void exchange(int fd, unsigned index, unsigned size) {
    unsigned char answer[longest_send];
    if (send(fd, pattern_at(index, 0), size, MSG_NOSIGNAL) != (ssize_t)size) fail_with("send", errno);
    for (unsigned received = 0; received < size;) {
        const ssize_t length = recv(fd, answer, sizeof answer, 0);
        if (length < 0) fail_with("recv", errno);
        if (length == 0) fail("the server has closed a connection");
        pattern_check(index, received, answer, (size_t)length);
        received += (unsigned)length;
    }
}

void run_idle(const struct options* options) {
    for (unsigned i = 0; i < options->connections; ++i) exchange(connect_tcp(options), i, options->size);
    puts("ready");
    fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) {
    }
}
