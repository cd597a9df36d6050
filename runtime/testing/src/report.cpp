// The report of who waits for whom. Its one hard idea: most waits have a reason which is another wait. Whoever has
// locked a mutex waits for something else; so do the tasks that a group waits for, and so does the other end of a
// connection. Following such reasons leads round in a circle if the waiting is one.

#include "report.hpp"

#include <cstddef>
#include <vector>

#include <sennit/detail/wait_report.hpp>
#include <sennit/event_loop.hpp>

#include "kernel.hpp"
#include "network.hpp"
#include "stream_socket.hpp"

namespace sennit::testing::sim {

namespace {

using positions = std::vector<std::size_t>;

/// The waits of all hosts, by their position in one list.
class world_waits {
  public:
    explicit world_waits(const network& net) {
        for (std::size_t i = 0; i < net.size(); ++i) {
            const kernel& host = net.host(i);
            if (host.loop() != nullptr) waits_.add(host.loop()->scope());
            while (ends_.size() < waits_.size()) ends_.push_back({&host, socket_of(host, ends_.size())});
        }
    }

    std::size_t size() const noexcept { return ends_.size(); }

    std::string list() const {
        std::string text;
        for (std::size_t i = 0; i < size(); ++i) {
            if (i == 0 || ends_[i].host != ends_[i - 1].host) text += "host " + ends_[i].host->name() + " waits for:\n";
            waits_.append_line(text, i, note(i));
        }
        return text;
    }

    std::string line(std::size_t wait) const {
        return "  " + ends_[wait].host->name() + ": " + waits_.describe(wait) + note(wait) + "\n";
    }

    /// The waits that have to end first.
    positions known_reasons(std::size_t wait) const {
        const sennit::detail::wait_details known = waits_[wait].details();
        const sim_socket* const peer = peer_of(wait);
        positions reasons;
        for (std::size_t i = 0; i < size(); ++i) {
            const bool is_child = known.children != nullptr && is_under(*known.children, i);
            if (is_child || (peer != nullptr && ends_[i].socket == peer)) reasons.push_back(i);
        }
        add_wait_of(known.holder, reasons);
        // Whoever had to do with the other end last, if nobody waits there.
        if (peer != nullptr && reasons.empty()) add_wait_of(peer->last_user(), reasons);
        return reasons;
    }

    /// The same, and where nobody has used the other end of a connection, all that wait on its host: who of them has
    /// it, nobody can say.
    positions possible_reasons(std::size_t wait) const {
        positions reasons = known_reasons(wait);
        const sim_socket* const peer = peer_of(wait);
        if (peer == nullptr || !reasons.empty()) return reasons;
        for (std::size_t i = 0; i < size(); ++i) {
            const bool listens = ends_[i].socket != nullptr && ends_[i].socket->is_listening();
            if (ends_[i].host == &peer->host() && i != wait && !listens) reasons.push_back(i);
        }
        return reasons;
    }

  private:
    struct end {
        const kernel* host;
        const sim_socket* socket;  // null when it waits for something else
    };

    const sim_socket* socket_of(const kernel& host, std::size_t wait) const {
        return host.find(waits_[wait].details().descriptor);
    }

    const sim_socket* peer_of(std::size_t wait) const {
        const auto* const stream = dynamic_cast<const stream_socket*>(ends_[wait].socket);
        return stream == nullptr ? nullptr : stream->peer();
    }

    void add_wait_of(std::coroutine_handle<> coroutine, positions& reasons) const {
        if (coroutine == nullptr) return;
        const std::size_t wait = waits_.wait_of(coroutine);
        if (wait != size()) reasons.push_back(wait);
    }

    bool is_under(const cancel_scope& scope, std::size_t wait) const {
        const cancel_scope* at = waits_[wait].where().scope;
        while (at != nullptr && at != &scope) at = at->parent();
        return at != nullptr;
    }

    std::string note(std::size_t wait) const {
        const sim_socket* const socket = ends_[wait].socket;
        if (socket == nullptr) return {};
        std::string text = " on " + socket->local_name().to_string();
        address peer;
        const auto* const stream = dynamic_cast<const stream_socket*>(socket);
        if (socket->peer_name(peer) == 0) {
            text += " with " + peer.to_string();
        } else if (stream != nullptr && stream->wants_to_connect()) {
            text += " to " + stream->remote_name().to_string();
        }
        return text + " (descriptor " + std::to_string(waits_[wait].details().descriptor) + ")";
    }

    sennit::detail::wait_report waits_;
    std::vector<end> ends_;
};

/// A way that leads from a wait over its reasons back to it; empty when there is none. It looks at each wait once.
template <class Reasons>
positions find_cycle(std::size_t size, Reasons reasons_of) {
    struct step {
        std::size_t wait;
        positions reasons;
        std::size_t tried = 0;
    };
    constexpr std::size_t unseen = 0;  // else the position on the way, counted from 1, or what is behind us
    constexpr std::size_t done = static_cast<std::size_t>(-1);
    positions place(size, unseen);
    std::vector<step> way;
    for (std::size_t start = 0; start < size; ++start) {
        std::size_t next = start;
        do {
            if (place[next] == unseen) {
                way.push_back({next, reasons_of(next)});
                place[next] = way.size();
            } else if (place[next] != done) {
                positions cycle;
                for (std::size_t i = place[next] - 1; i < way.size(); ++i) cycle.push_back(way[i].wait);
                return cycle;
            }
            while (!way.empty() && way.back().tried == way.back().reasons.size()) {
                place[way.back().wait] = done;
                way.pop_back();
            }
            if (!way.empty()) next = way.back().reasons[way.back().tried++];
        } while (!way.empty());
    }
    return {};
}

std::string describe_cycle(const world_waits& waits) {
    std::string text = "wait cycle:\n";
    positions cycle = find_cycle(waits.size(), [&](std::size_t wait) { return waits.known_reasons(wait); });
    if (cycle.empty()) {
        text = "wait cycle, if the ends of connections belong to tasks that wait elsewhere on their hosts:\n";
        cycle = find_cycle(waits.size(), [&](std::size_t wait) { return waits.possible_reasons(wait); });
    }
    if (cycle.empty()) return {};
    for (const std::size_t each : cycle) text += waits.line(each);
    return text;
}

}  // namespace

std::string describe_waits(const network& net) {
    const world_waits waits(net);
    return waits.list() + describe_cycle(waits);
}

}  // namespace sennit::testing::sim
