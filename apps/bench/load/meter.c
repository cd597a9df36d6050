/* The meter. Its one hard idea: the CPU time of the server is read by this program, at the very ends of the measured
 * time; a third process that was told to read it would come late by as long as it takes to be scheduled. */

#include <ctype.h>
#include <dirent.h>

#include "load.h"

struct meter meter;

void meter_prepare(const struct options* options) {
    meter.begins = now_ns() + (uint64_t)(options->warmup * 1e9);
    meter.ends = meter.begins + (uint64_t)(options->seconds * 1e9);
}

/* The CPU time that was used, the time that was waited for a CPU, both in ns, and how often one was given. */
struct usage {
    uint64_t cpu, waited, slices;
};

/* Adds the usage of a thread, as its file schedstat has it. One that has ended meanwhile adds nothing. */
static void add_thread(const char* path, struct usage* usage) {
    FILE* const file = fopen(path, "re");
    unsigned long long cpu, waited, slices;
    if (file == NULL) return;
    if (fscanf(file, "%llu %llu %llu", &cpu, &waited, &slices) == 3) {
        usage->cpu += cpu;
        usage->waited += waited;
        usage->slices += slices;
    }
    fclose(file);
}

/* Over all threads: those that io_uring and language runtimes start are the server's as well. */
static struct usage usage_of(const char* process) {
    char path[512];
    struct usage usage = {0};
    snprintf(path, sizeof path, "/proc/%s/task", process);
    DIR* const tasks = opendir(path);
    if (tasks == NULL) fail("the server has ended");
    for (struct dirent* task; (task = readdir(tasks)) != NULL;) {
        if (!isdigit((unsigned char)task->d_name[0])) continue;
        snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", process, task->d_name);
        add_thread(path, &usage);
    }
    closedir(tasks);
    return usage;
}

struct reading {
    struct usage server, load;
};

static struct reading read_usage(const struct options* options) {
    struct reading reading = {.load = usage_of("self")};
    char server[16];
    snprintf(server, sizeof server, "%d", options->server_pid);
    if (options->server_pid != 0) reading.server = usage_of(server);
    /* The scheduler brings that file up to date only now and then; for itself a process can ask for the truth. */
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    reading.load.cpu = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    return reading;
}

static struct reading first, last;

bool meter_tick(const struct options* options, uint64_t now) {
    if (!meter.running && !meter.done && now >= meter.begins) {
        first = read_usage(options);
        meter.running = true;
        meter.started = now_ns();
        meter.ends = meter.started + (uint64_t)(options->seconds * 1e9);
    }
    if (meter.running && now >= meter.ends) {
        last = read_usage(options);
        meter.stopped = now_ns();
        meter.running = false;
        meter.done = true;
    }
    return !meter.done;
}

/* The largest latency that is counted at `index`. */
static uint64_t largest_at(unsigned index) {
    if (index < histogram_steps) return index;
    const unsigned shift = index / histogram_steps - 1;
    return ((uint64_t)(index % histogram_steps + histogram_steps + 1) << shift) - 1;
}

static void print_usage(const char* who, const struct usage* from, const struct usage* to) {
    printf("\"%s_cpu_ns\": %llu, \"%s_waited_ns\": %llu, \"%s_slices\": %llu, ", who,
           (unsigned long long)(to->cpu - from->cpu), who, (unsigned long long)(to->waited - from->waited), who,
           (unsigned long long)(to->slices - from->slices));
}

void meter_print(const struct options* options, const char* engine) {
    const double seconds = (double)(meter.stopped - meter.started) / 1e9;
    /* A program that never sleeps uses all of its core; what counts is how long it found something to do. */
    const double load_cpu = (double)(last.load.cpu - first.load.cpu) / 1e9;
    const double used = options->spin ? seconds - (double)meter.idle_ns / 1e9 : load_cpu;
    printf("{\"engine\": \"%s\", \"seconds\": %.6f, \"messages\": %llu, \"bytes\": %llu, \"lost\": %llu, ", engine,
           seconds, (unsigned long long)meter.messages, (unsigned long long)meter.bytes,
           (unsigned long long)meter.lost);
    print_usage("server", &first.server, &last.server);
    print_usage("load", &first.load, &last.load);
    printf("\"utilisation\": %.4f, \"histogram\": [", used / seconds);
    const char* separator = "";
    for (unsigned index = 0; index < histogram_size; ++index) {
        if (meter.histogram[index] == 0) continue;
        printf("%s[%llu, %u]", separator, (unsigned long long)largest_at(index), meter.histogram[index]);
        separator = ", ";
    }
    puts("]}");
}
