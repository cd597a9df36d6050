/* How fast a core is at this moment: the median time, in nanoseconds, of a fixed piece of work that is like a server's,
 * mostly system calls. A core of a virtual machine shares its execution units with a neighbour that nobody here sees;
 * while that one works this one is a quarter slower, and no counter of the kernel says so. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "load.h"

enum { pieces = 9, exchanges = 300 };

static int compare(const void* one, const void* other) {
    const uint64_t left = *(const uint64_t*)one, right = *(const uint64_t*)other;
    return (left > right) - (left < right);
}

int main(void) {
    int pair[2];
    char message[64] = {0};
    uint64_t times[pieces];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        perror("pace: socketpair");
        return 1;
    }
    for (int piece = 0; piece < pieces; ++piece) {
        const uint64_t begin = now_ns();
        for (int i = 0; i < exchanges; ++i) {
            if (send(pair[0], message, sizeof message, 0) < 0 || recv(pair[1], message, sizeof message, 0) < 0) {
                perror("pace: send, recv");
                return 1;
            }
        }
        times[piece] = now_ns() - begin;
    }
    qsort(times, pieces, sizeof *times, compare);
    printf("%llu\n", (unsigned long long)times[pieces / 2]);
    return 0;
}
