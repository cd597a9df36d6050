// The result of a load test, for people and for programs.

#include <fmt/format.h>

#include <chrono>

#include "common/load_report.hpp"

namespace app {

namespace {

using namespace sennit;

double microseconds(duration length) {
    return std::chrono::duration<double, std::micro>(length).count();
}

double per_second(double count, duration elapsed) {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    return seconds > 0 ? count / seconds : 0;
}

/// Texts of errors and addresses have nothing worse than these in them.
std::string json_string(std::string_view text) {
    std::string result = "\"";
    for (const char each : text) {
        if (each == '"' || each == '\\') result += '\\';
        if (static_cast<unsigned char>(each) >= 0x20) result += each;
    }
    return result + '"';
}

}  // namespace

bool load_report::is_good() const {
    return mismatched == 0 && lost == 0 && broken_connections == 0 && not_connected == 0;
}

void load_report::print(const load_description& load) const {
    const auto messages = static_cast<double>(latencies.count());
    const double bytes = messages * static_cast<double>(load.size);
    fmt::print("{} {} ({}): {} connections, {} bytes, depth {}\n", load.protocol, load.server, load.backend,
               load.connections, load.size, load.depth);
    fmt::print("messages  {} in {:.2f} s\n", latencies.count(), std::chrono::duration<double>(elapsed).count());
    fmt::print("rate      {:.0f} messages/s, {:.2f} MB/s each way\n", per_second(messages, elapsed),
               per_second(bytes, elapsed) / 1e6);
    fmt::print("latency   p50 {:.0f} us, p99 {:.0f} us, p99.9 {:.0f} us, longest {:.0f} us\n",
               microseconds(latencies.at(0.5)), microseconds(latencies.at(0.99)), microseconds(latencies.at(0.999)),
               microseconds(latencies.longest()));
    if (is_good()) {
        fmt::print("checked   every byte came back as it was sent\n");
    } else {
        fmt::print("trouble   {} lost, {} wrong, {} connections broken, {} not connected\n", lost, mismatched,
                   broken_connections, not_connected);
    }
    if (late != 0) fmt::print("late      {} datagrams came back late or twice\n", late);
    if (!first_trouble.empty()) fmt::print("first     {}\n", first_trouble);
}

void load_report::print_json(const load_description& load) const {
    const auto messages = static_cast<double>(latencies.count());
    const double bytes = messages * static_cast<double>(load.size);
    fmt::print(R"({{"protocol": {}, "server": {}, "backend": {}, )", json_string(load.protocol),
               json_string(load.server), json_string(load.backend));
    fmt::print(R"("connections": {}, "size": {}, "depth": {}, )", load.connections, load.size, load.depth);
    fmt::print(R"("seconds": {:.6f}, "messages": {}, "bytes": {:.0f}, )",
               std::chrono::duration<double>(elapsed).count(), latencies.count(), bytes);
    fmt::print(R"("messages_per_second": {:.1f}, "megabytes_per_second": {:.3f}, )", per_second(messages, elapsed),
               per_second(bytes, elapsed) / 1e6);
    fmt::print(R"("latency_us": {{"p50": {:.1f}, "p99": {:.1f}, "p99.9": {:.1f}, "longest": {:.1f}}}, )",
               microseconds(latencies.at(0.5)), microseconds(latencies.at(0.99)), microseconds(latencies.at(0.999)),
               microseconds(latencies.longest()));
    fmt::print(R"("lost": {}, "mismatched": {}, "late": {}, "broken_connections": {}, "not_connected": {}, )", lost,
               mismatched, late, broken_connections, not_connected);
    fmt::print(R"("first_trouble": {}, "good": {}}})"
               "\n",
               json_string(first_trouble), is_good());
}

}  // namespace app
