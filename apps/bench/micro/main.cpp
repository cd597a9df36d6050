// The microbenchmarks. Without a word of its own this is Google Benchmark; `micro_bench --once NAME COUNT` does an
// operation so many times and ends, for a run under callgrind: the difference of two counts is free of everything but
// the operation.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "operations.hpp"

namespace {

void measure(benchmark::State& state, const micro::entry& entry) {
    constexpr std::size_t batch = 8192;
    const auto operation = entry.make();
    operation->run(batch);
    while (state.KeepRunningBatch(batch)) operation->run(batch);
}

int run_once(std::string_view name, std::size_t count) {
    for (const micro::entry& entry : micro::operations()) {
        if (name != entry.name) continue;
        entry.make()->run(count);
        return 0;
    }
    std::fprintf(stderr, "there is no operation %.*s\n", static_cast<int>(name.size()), name.data());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace std::string_view_literals;
    if (argc == 2 && argv[1] == "--list"sv) {
        for (const micro::entry& entry : micro::operations()) {
            std::printf("%s %s\n", entry.name, entry.one_thread ? "one-thread" : "threads");
        }
        return 0;
    }
    if (argc == 4 && argv[1] == "--once"sv) return run_once(argv[2], std::strtoul(argv[3], nullptr, 10));
    for (const micro::entry& entry : micro::operations()) {
        const auto registered = [&entry](benchmark::State& state) { measure(state, entry); };
        benchmark::RegisterBenchmark(entry.name, registered);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
