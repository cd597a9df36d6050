// The reference model of what tasks share. The one hard idea: channels, mutexes and semaphores serve in the order in
// which they were asked, so sorting the steps by their beginnings says what each must have got.

#include <algorithm>
#include <string>
#include <vector>

#include "model.hpp"

namespace sennit::swarm {

namespace {

void collect(const step& from, action wanted, std::size_t object, const observations& seen,
             std::vector<const step*>& found) {
    if (from.what == wanted && from.object == object && seen.of[from.id].began) found.push_back(&from);
    for (const sequence& part : from.parts) {
        for (const step& each : part.steps) collect(each, wanted, object, seen, found);
    }
}

/// The steps of this kind that began, in the order of their beginnings.
std::vector<const step*> in_order(const program& plan, action wanted, std::size_t object, const observations& seen) {
    std::vector<const step*> found;
    collect(plan.root, wanted, object, seen, found);
    const auto place = [&](const step* each) { return seen.of[each->id].began->order; };
    std::sort(found.begin(), found.end(), [&](const step* a, const step* b) { return place(a) < place(b); });
    return found;
}

std::string listed(const std::vector<std::size_t>& values) {
    std::string text;
    for (const std::size_t each : values) text += " " + std::to_string(each);
    return text;
}

/// Nothing is lost, nothing comes twice, all comes in order.
void check_channel(const program& plan, std::size_t number, const observations& seen) {
    const std::string name = "channel " + std::to_string(number) + ": ";
    std::vector<std::size_t> sent;
    std::vector<std::size_t> received;
    for (const step* each : in_order(plan, action::send, number, seen)) {
        const observation& what = seen.of[each->id];
        if (what.how == outcome::done && !what.refused) sent.push_back(each->id);
    }
    bool ended = false;
    for (const step* each : in_order(plan, action::receive, number, seen)) {
        const observation& what = seen.of[each->id];
        if (what.how != outcome::done) continue;
        if (what.received && ended) throw disagreement(name + "a value came after the end");
        ended |= !what.received;
        if (what.received) received.push_back(*what.received);
    }
    const auto& left = seen.left_in_channels[number];
    if (left.size() > plan.channels[number]) throw disagreement(name + "held more than its capacity");
    if (ended && !left.empty()) throw disagreement(name + "said that it was empty and was not");
    received.insert(received.end(), left.begin(), left.end());
    if (sent != received) throw disagreement(name + "sent" + listed(sent) + ", received" + listed(received));
}

/// No more at a time than there are permits, in the order of asking, and at once when there is one. A mutex is a
/// semaphore with one permit.
void check_permits(const program& plan, action kind, std::size_t number, std::size_t permits, const observations& seen,
                   timing times) {
    std::vector<moment> returned;  // in order
    std::uint64_t last = 0;
    for (const step* each : in_order(plan, kind, number, seen)) {
        const observation& held = seen.of[each->parts[0].id];
        if (!held.began) continue;  // cancelled while it waited
        const std::string name = std::string(name_of(kind)) + ", step " + std::to_string(each->id);
        const duration asked = seen.of[each->id].began->at;
        moment free{duration::zero(), 0};
        if (returned.size() >= permits) free = returned[returned.size() - permits];
        if (held.began->order < free.order) throw disagreement(name + ": had it before it was free");
        if (held.began->order < last) throw disagreement(name + ": had it before one that had asked earlier");
        const bool is_late = held.began->at != std::max(asked, free.at);
        if (times == timing::exact && is_late) throw disagreement(name + ": got it too late");
        last = held.began->order;
        returned.push_back(*seen.of[each->id].ended);
        std::sort(returned.begin(), returned.end(), [](const moment& a, const moment& b) { return a.order < b.order; });
    }
}

}  // namespace

void check_shared(const program& plan, const observations& seen, timing times) {
    for (std::size_t i = 0; i != plan.channels.size(); ++i) check_channel(plan, i, seen);
    for (std::size_t i = 0; i != plan.mutexes; ++i) check_permits(plan, action::lock, i, 1, seen, times);
    for (std::size_t i = 0; i != plan.semaphores.size(); ++i) {
        check_permits(plan, action::acquire, i, plan.semaphores[i], seen, times);
    }
}

}  // namespace sennit::swarm
