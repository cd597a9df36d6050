// The report of who waits for whom. Its one hard idea: whoever waits at one end of a connection waits for the other
// end, so what waits there is the reason. Following such reasons leads to a cycle if the waiting is one.

#include "report.hpp"

#include <algorithm>
#include <vector>

#include "kernel.hpp"
#include "network.hpp"
#include "stream_socket.hpp"

namespace sennit::testing::sim {

namespace {

struct wait {
    const kernel* host;
    const sim_socket* socket;
    std::string text;
};

std::vector<wait> all_waits(const network& net) {
    std::vector<wait> waits;
    for (std::size_t i = 0; i < net.size(); ++i) {
        const kernel& host = net.host(i);
        host.for_each_open([&](int fd, const sim_socket& socket) {
            std::string names = socket.local_name().to_string();
            address peer;
            if (socket.peer_name(peer) == 0) names += " with " + peer.to_string();
            socket.for_each_parked([&](const operation& each) {
                const std::string place = host.name() + ": " + each.waiting_for() + " on " + names;
                waits.push_back({&host, &socket, place + " (descriptor " + std::to_string(fd) + ")"});
            });
        });
    }
    return waits;
}

/// The wait that is the reason of another one, or the number of waits when none is known.
std::size_t reason_of(const std::vector<wait>& waits, const wait& one) {
    const auto* const stream = dynamic_cast<const stream_socket*>(one.socket);
    const sim_socket* const peer = stream == nullptr ? nullptr : stream->peer();
    if (peer == nullptr) return waits.size();
    const auto there = [&](const wait& each) { return each.socket == peer; };
    auto found = std::find_if(waits.begin(), waits.end(), there);
    if (found == waits.end()) {
        // Whoever has the other end waits elsewhere on its host.
        const auto beside = [&](const wait& each) { return each.host == &peer->host() && each.socket != one.socket; };
        found = std::find_if(waits.begin(), waits.end(), beside);
    }
    return static_cast<std::size_t>(found - waits.begin());
}

std::string describe_cycle(const std::vector<wait>& waits) {
    for (std::size_t start = 0; start < waits.size(); ++start) {
        std::vector<std::size_t> way;
        for (std::size_t at = start; at < waits.size(); at = reason_of(waits, waits[at])) {
            if (at == start && !way.empty()) {
                std::string text = "wait cycle:\n";
                for (const std::size_t each : way) text += "  " + waits[each].text + "\n";
                return text;
            }
            if (std::find(way.begin(), way.end(), at) != way.end()) break;
            way.push_back(at);
        }
    }
    return {};
}

}  // namespace

std::string describe_sockets(const network& net) {
    const std::vector<wait> waits = all_waits(net);
    std::string text;
    for (const wait& each : waits) text += "  " + each.text + "\n";
    if (!text.empty()) text.insert(0, "sockets that are waited for:\n");
    return text + describe_cycle(waits);
}

}  // namespace sennit::testing::sim
