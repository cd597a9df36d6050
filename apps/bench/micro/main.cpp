// The microbenchmarks. Without a word of its own this is Google Benchmark, which knows each operation by its name and
// what it would take at the least by that name and "/floor"; `micro_bench --once NAME COUNT` does an operation so many
// times and ends, for a run under callgrind: the difference of two counts is free of everything but the operation.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "operations.hpp"

namespace {

void measure(benchmark::State& state, const micro::entry& entry) {
    constexpr std::size_t batch = 8192;
    const auto operation = entry.make();
    operation->run(batch);
    while (state.KeepRunningBatch(batch)) operation->run(batch);
}

/// All that can be measured: calls `visit(name, entry)`.
template <class Visitor>
void for_each_entry(Visitor visit) {
    for (const micro::entry& entry : micro::operations()) visit(std::string(entry.name), entry);
    for (const micro::entry& entry : micro::floors()) visit(std::string(entry.name) + "/floor", entry);
}

int run_once(std::string_view name, std::size_t count) {
    bool found = false;
    for_each_entry([&](const std::string& known, const micro::entry& entry) {
        if (name != known) return;
        entry.make()->run(count);
        found = true;
    });
    if (found) return 0;
    std::fprintf(stderr, "there is no operation %.*s\n", static_cast<int>(name.size()), name.data());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace std::string_view_literals;
    if (argc == 2 && argv[1] == "--list"sv) {
        for_each_entry([](const std::string& name, const micro::entry& entry) {
            std::printf("%s %s\n", name.c_str(), entry.one_thread ? "one-thread" : "threads");
        });
        return 0;
    }
    if (argc == 4 && argv[1] == "--once"sv) return run_once(argv[2], std::strtoul(argv[3], nullptr, 10));
    for_each_entry([](const std::string& name, const micro::entry& entry) {
        const auto registered = [&entry](benchmark::State& state) { measure(state, entry); };
        benchmark::RegisterBenchmark(name.c_str(), registered);
    });
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
