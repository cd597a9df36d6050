#pragma once

#include <cstdint>
#include <string>

#include <sennit/time.hpp>

#include "common/latency_histogram.hpp"

namespace app {

/// What a load was, for the report.
struct load_description {
    std::string protocol;
    std::string server;
    std::string backend;
    std::uint64_t connections;
    std::uint64_t size;
    std::uint64_t depth;
};

/// What came of it.
struct load_report {
    latency_histogram latencies;  // of the messages that came back while it was measured
    sennit::duration elapsed{};
    std::uint64_t mismatched = 0;          // answers that were not what was sent
    std::uint64_t lost = 0;                // messages that did not come back
    std::uint64_t late = 0;                // datagrams that came back after they were given up, or twice
    std::uint64_t broken_connections = 0;  // ended before their time
    std::uint64_t not_connected = 0;       // did not stand when measuring was to begin
    std::string first_trouble;             // what broke the first of them

    /// Nothing was lost, wrong or broken.
    bool is_good() const;
    void print(const load_description& load) const;
    void print_json(const load_description& load) const;
};

}  // namespace app
