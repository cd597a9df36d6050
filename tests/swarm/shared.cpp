// The reference model of what tasks share. The one hard idea: both mutexes and channels serve in the order in which
// they were asked, so sorting the steps by their beginnings says what each must have got.

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

/// One at a time, in the order of asking, and at once when it is free.
void check_mutex(const program& plan, std::size_t number, const observations& seen) {
    const step* last = nullptr;
    for (const step* each : in_order(plan, action::lock, number, seen)) {
        const observation& held = seen.of[each->parts[0].id];
        if (!held.began) continue;  // cancelled while it waited
        const std::string name = "mutex " + std::to_string(number) + ", step " + std::to_string(each->id);
        const duration asked = seen.of[each->id].began->at;
        const duration freed = last == nullptr ? duration::zero() : seen.of[last->id].ended->at;
        if (last != nullptr && held.began->order < seen.of[last->id].ended->order) {
            throw disagreement(name + ": had it before step " + std::to_string(last->id) + " let go");
        }
        if (held.began->at != std::max(asked, freed)) throw disagreement(name + ": got it too late");
        last = each;
    }
}

}  // namespace

void check_shared(const program& plan, const observations& seen) {
    for (std::size_t i = 0; i != plan.channels.size(); ++i) check_channel(plan, i, seen);
    for (std::size_t i = 0; i != plan.mutexes; ++i) check_mutex(plan, i, seen);
}

}  // namespace sennit::swarm
