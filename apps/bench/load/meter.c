/* The meter. Its one hard idea: the CPU time of the server is read by this program, at the very ends of the measured
 * time; a third process that was told to read it would come late by as long as it takes to be scheduled. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

struct meter meter;

void meter_prepare(const struct options* options) {
    meter.begins = now_ns() + (uint64_t)(options->warmup * 1e9);
    meter.ends = meter.begins + (uint64_t)(options->seconds * 1e9);
}

static uint64_t number_in(const char* path, const char* before) {
    char text[4096];
    FILE* const file = fopen(path, "re");
    if (file == NULL) return 0;  /* a thread that has ended meanwhile */
    const size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char* const at = strstr(text, before);
    return at == NULL ? 0 : strtoull(at + strlen(before), NULL, 10);
}

/* Over all threads: those that io_uring and language runtimes start are the server's as well. */
static void read_server(int pid, uint64_t* cpu, uint64_t* switches) {
    char path[320];
    *cpu = *switches = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR* const tasks = opendir(path);
    if (tasks == NULL) fail("the server has ended");
    for (struct dirent* task; (task = readdir(tasks)) != NULL;) {
        if (!isdigit((unsigned char)task->d_name[0])) continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        *cpu += number_in(path, "");
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, task->d_name);
        *switches += number_in(path, "nonvoluntary_ctxt_switches:");
    }
    closedir(tasks);
}

static void read_everything(const struct options* options, uint64_t reading[4]) {
    struct timespec cpu;
    struct rusage usage;
    if (options->server_pid != 0) read_server(options->server_pid, &reading[0], &reading[1]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    getrusage(RUSAGE_SELF, &usage);
    reading[2] = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    reading[3] = (uint64_t)usage.ru_nivcsw;
}

bool meter_tick(const struct options* options, uint64_t now) {
    static uint64_t first[4];
    if (!meter.running && !meter.done && now >= meter.begins) {
        read_everything(options, first);
        meter.running = true;
        meter.started = now_ns();
        meter.ends = meter.started + (uint64_t)(options->seconds * 1e9);
    }
    if (meter.running && now >= meter.ends) {
        uint64_t last[4] = {0};
        read_everything(options, last);
        meter.stopped = now_ns();
        meter.running = false;
        meter.done = true;
        meter.server_cpu = last[0] - first[0];
        meter.server_switches = last[1] - first[1];
        meter.load_cpu = last[2] - first[2];
        meter.load_switches = last[3] - first[3];
    }
    return !meter.done;
}

/* The largest latency that is counted at `index`. */
static uint64_t largest_at(unsigned index) {
    if (index < histogram_steps) return index;
    const unsigned shift = index / histogram_steps - 1;
    return ((uint64_t)(index % histogram_steps + histogram_steps + 1) << shift) - 1;
}

void meter_print(const struct options* options, const char* engine) {
    const double seconds = (double)(meter.stopped - meter.started) / 1e9;
    /* A program that never sleeps uses all of its core; what counts is how long it found something to do. */
    const double used = options->spin ? seconds - (double)meter.idle_ns / 1e9 : (double)meter.load_cpu / 1e9;
    printf("{\"engine\": \"%s\", \"seconds\": %.6f, \"messages\": %llu, \"bytes\": %llu, \"lost\": %llu, ", engine,
           seconds, (unsigned long long)meter.messages, (unsigned long long)meter.bytes,
           (unsigned long long)meter.lost);
    printf("\"server_cpu_ns\": %llu, \"server_switches\": %llu, \"load_cpu_ns\": %llu, \"load_switches\": %llu, ",
           (unsigned long long)meter.server_cpu, (unsigned long long)meter.server_switches,
           (unsigned long long)meter.load_cpu, (unsigned long long)meter.load_switches);
    printf("\"utilisation\": %.4f, \"histogram\": [", used / seconds);
    const char* separator = "";
    for (unsigned index = 0; index < histogram_size; ++index) {
        if (meter.histogram[index] == 0) continue;
        printf("%s[%llu, %u]", separator, (unsigned long long)largest_at(index), meter.histogram[index]);
        separator = ", ";
    }
    puts("]}");
}
