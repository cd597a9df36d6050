/* The load generator: makes a closed loop of messages, checks what comes back and prints, as one line of JSON, what
 * happened in the measured time. Its one hard idea: it must be cheaper than any server, or it would measure itself; so
 * it does no more than the fastest server does, never sleeps, and says how much of its time it had to spare. */

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

static const char usage[] =
    "load tcp|churn|udp|idle|proxy --port P [--connections N] [--size BYTES] [--depth N] [--warmup S] [--seconds S]\n"
    "     [--server-pid PID] [--engine auto|io_uring|epoll] [--source N] [--sleep]\n";

_Noreturn void fail(const char* what) {
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

_Noreturn void fail_with(const char* what, int error) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(error));
    exit(1);
}

static unsigned number(const char* text, unsigned least, unsigned most) {
    char* end;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "load: %s is not a number from %u to %u\n", text, least, most);
        exit(2);
    }
    return (unsigned)value;
}

static enum mode mode_named(const char* name) {
    static const char* const names[] = {"tcp", "churn", "udp", "idle", "proxy"};
    for (unsigned mode = 0; name != NULL && mode < sizeof names / sizeof *names; ++mode) {
        if (strcmp(name, names[mode]) == 0) return (enum mode)mode;
    }
    fputs(usage, stderr);
    exit(2);
}

static struct options read_options(int argc, char** argv) {
    struct options options = {
        .connections = 1, .size = 64, .depth = 1, .warmup = 0.2, .seconds = 1, .spin = true, .engine = "auto"};
    static const struct option table[] = {{"port", required_argument, NULL, 'p'},
                                          {"connections", required_argument, NULL, 'c'},
                                          {"size", required_argument, NULL, 's'},
                                          {"depth", required_argument, NULL, 'd'},
                                          {"warmup", required_argument, NULL, 'w'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"engine", required_argument, NULL, 'e'},
                                          {"server-pid", required_argument, NULL, 'P'},
                                          {"source", required_argument, NULL, 'S'},
                                          {"sleep", no_argument, NULL, 'z'},
                                          {NULL, 0, NULL, 0}};
    options.mode = mode_named(argc > 1 ? argv[1] : NULL);
    for (int choice; (choice = getopt_long(argc - 1, argv + 1, "", table, NULL)) != -1;) {
        switch (choice) {
            case 'p': options.port = (uint16_t)number(optarg, 1, 65535); break;
            case 'c': options.connections = number(optarg, 1, 60000); break;
            case 's': options.size = number(optarg, 8, longest_send); break;
            case 'd': options.depth = number(optarg, 1, 64); break;
            case 'w': options.warmup = atof(optarg); break;
            case 't': options.seconds = atof(optarg); break;
            case 'e': options.engine = optarg; break;
            case 'P': options.server_pid = (int)number(optarg, 1, 1u << 30); break;
            case 'S': options.source = number(optarg, 0, 1u << 20); break;
            case 'z': options.spin = false; break;
            default: fputs(usage, stderr); exit(2);
        }
    }
    if (options.port == 0 && options.mode != mode_proxy) fail("--port is missing");
    if (options.seconds <= 0 || options.warmup < 0) fail("--seconds must be above 0, --warmup not below");
    if ((uint64_t)options.size * options.depth > longest_send) fail("--size times --depth is too much");
    return options;
}

struct engine* open_engine(const struct options* options) {
    struct engine* const engines[] = {&uring_engine, &epoll_engine};
    int error = EINVAL;
    for (unsigned i = 0; i < sizeof engines / sizeof *engines; ++i) {
        if (strcmp(options->engine, "auto") != 0 && strcmp(options->engine, engines[i]->name) != 0) continue;
        error = engines[i]->open(engines[i], options);
        if (error == 0) return engines[i];
    }
    fail_with(options->engine, error);
}

int main(int argc, char** argv) {
    const struct options options = read_options(argc, argv);
    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    pattern_prepare();

    const char* engine_name = "epoll";
    if (options.mode == mode_idle) {
        run_idle(&options);
        return 0;
    }
    if (options.mode == mode_proxy) {
        run_proxy(&options);
    } else {
        struct engine* const engine = open_engine(&options);
        engine_name = engine->name;
        if (options.mode == mode_tcp) run_tcp(&options, engine);
        if (options.mode == mode_churn) run_churn(&options, engine);
        if (options.mode == mode_udp) run_udp(&options, engine);
    }
    meter_print(&options, engine_name);
    return 0;
}
