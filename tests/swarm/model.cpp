// The reference model of tasks: no scheduler, no coroutine, a walk over the tree. The one hard idea: given when waits
// for other tasks were answered, everything else follows and is computed here: when each step begins and ends, what
// each scope cancels and when, what comes out of groups, timeouts and races. Where two things happen at one moment,
// either may be first, and both ends are allowed.

#include "model.hpp"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

namespace sennit::swarm {

namespace {

using namespace std::chrono_literals;

constexpr duration never = duration::max();
// The end of all waits comes from outside, before what it wakes.
constexpr std::uint64_t first_of_its_moment = 0;
constexpr duration time_to_converge = 30s;  // of a transfer or exchange, once nothing goes wrong any more

struct ending {
    duration at;
    outcome how;
    std::size_t error = 0;

    friend bool operator==(const ending&, const ending&) = default;
};

std::string text(const ending& what) {
    const char* const how = what.how == outcome::done ? "done" : what.how == outcome::failed ? "failed" : "cancelled";
    return std::string(how) + (what.how == outcome::failed ? " by " + std::to_string(what.error) : "") + " at " +
           std::to_string(what.at.count());
}

class walk {
  public:
    walk(const program& plan, const observations& seen) : plan_(plan), seen_(seen) {
        event_set_.assign(plan.events, {plan.waits_end, first_of_its_moment});
        collect(plan.root, 0);
    }

    void run() { check(plan_.root, 0ns, plan_.cancelled_at.value_or(never), no_group_); }

  private:
    /// A sequence that a group or race has started.
    struct member {
        const sequence* what;
        duration from;
    };
    struct group {
        duration cancel_at = never;
        std::vector<member> members;
    };

    const observation& of(std::size_t id) const { return seen_.of[id]; }

    /// Finds what was done to events and groups, whose effect is felt elsewhere in the tree.
    void collect(const step& what, std::size_t around) {
        const auto& began = of(what.id).began;
        if (began && what.what == action::set) {
            moment& first = event_set_[what.object];
            const bool is_earlier = began->at < first.at || (began->at == first.at && began->order < first.order);
            if (is_earlier) first = *began;
        }
        if (began && what.what == action::cancel) note_cancel(around, began->at);
        for (const sequence& part : what.parts) {
            const std::size_t group = what.what == action::group ? what.id : around;
            const observation& end = of(part.id);
            const bool is_member = what.what == action::group || what.what == action::spawn;
            if (is_member && end.ended && end.how == outcome::failed) note_cancel(group, end.ended->at);
            for (const step& each : part.steps) collect(each, group);
        }
    }

    void note_cancel(std::size_t group, duration at) {
        const auto known = cancels_.try_emplace(group, at).first;
        known->second = std::min(known->second, at);
    }

    [[noreturn]] void complain(std::size_t id, const std::string& what) const {
        throw disagreement("step " + std::to_string(id) + ": " + what);
    }

    void must_begin(std::size_t id, duration at) const {
        if (!of(id).began) complain(id, "never began");
        if (of(id).began->at != at) complain(id, "should have begun at " + std::to_string(at.count()));
        if (!of(id).ended) complain(id, "never ended");
    }

    void never_begins(const step& what) const {
        if (of(what.id).began) complain(what.id, "began after the end of its sequence");
        for (const sequence& part : what.parts) {
            if (of(part.id).began) complain(part.id, "began without its step");
            for (const step& each : part.steps) never_begins(each);
        }
    }

    ending seen_end(std::size_t id) const { return {of(id).ended->at, of(id).how, of(id).error}; }

    ending settle(std::size_t id, std::initializer_list<ending> allowed) const {
        const ending seen = seen_end(id);
        if (std::find(allowed.begin(), allowed.end(), seen) != allowed.end()) return seen;
        std::string expected;
        for (const ending& each : allowed) expected += (expected.empty() ? "" : ", or ") + text(each);
        complain(id, text(seen) + " instead of " + expected);
    }

    ending check(const sequence& what, duration from, duration cancel_at, group& around) {
        must_begin(what.id, from);
        ending end{from, outcome::done};
        for (const step& each : what.steps) {
            if (end.how == outcome::done) {
                end = check(each, end.at, cancel_at, around);
            } else {
                never_begins(each);
            }
        }
        return settle(what.id, {end});
    }

    ending check(const step& what, duration from, duration cancel_at, group& around) {
        must_begin(what.id, from);
        switch (what.what) {
            case action::sleep: return wait_until(what, from, cancel_at, from + what.time);
            case action::yield: return wait_until(what, from, cancel_at, from);
            case action::wait: return check_wait(what, from, cancel_at);
            case action::fail: return settle(what.id, {{from, outcome::failed, what.id}});
            case action::send:
            case action::receive: return wait_for_others(what.id, from, cancel_at);
            case action::transfer:
            case action::exchange: return check_transfer(what, from, cancel_at);
            case action::set:
            case action::close:
            case action::cancel: return settle(what.id, {{from, outcome::done}});
            case action::spawn:
                around.members.push_back({&what.parts[0], from});
                return settle(what.id, {{from, outcome::done}});
            case action::lock:
            case action::acquire: return check_lock(what, from, cancel_at, around);
            case action::group: return check_group(what, from, cancel_at);
            case action::with_timeout:
            case action::move_on: return check_timeout(what, from, cancel_at, around);
            case action::shield: return settle(what.id, {check(what.parts[0], from, never, around)});
            case action::attempt: {
                ending end = check(what.parts[0], from, cancel_at, around);
                if (end.how == outcome::failed) end = {end.at, outcome::done};
                return settle(what.id, {end});
            }
            case action::clean_up: {
                ending end = check(what.parts[0], from, cancel_at, around);
                if (end.how == outcome::cancelled) end.at += what.time;
                return settle(what.id, {end});
            }
            case action::all: return check_all(what, from, cancel_at, around);
            case action::any: return check_any(what, from, cancel_at, around);
        }
        complain(what.id, "is of no known kind");
    }

    /// A wait whose end is known.
    ending wait_until(const step& what, duration from, duration cancel_at, duration due) const {
        const ending done{due, outcome::done};
        const ending stopped{std::max(from, cancel_at), outcome::cancelled};
        if (cancel_at < due) return settle(what.id, {stopped});
        if (cancel_at == due) return settle(what.id, {done, stopped});
        return settle(what.id, {done});
    }

    ending check_wait(const step& what, duration from, duration cancel_at) const {
        const moment& set = event_set_[what.object];
        // An event that is set is no wait at all, so not one that can be cancelled either.
        const bool is_set = set.at < from || (set.at == from && set.order < of(what.id).began->order);
        if (is_set) return settle(what.id, {{from, outcome::done}});
        return wait_until(what, from, cancel_at, std::max(from, set.at));
    }

    /// A wait that others end: it ends at some time, but is not cancelled before its scope, nor waits after that.
    ending wait_for_others(std::size_t id, duration from, duration cancel_at) const {
        const ending seen = seen_end(id);
        const ending stopped{std::max(from, cancel_at), outcome::cancelled};
        if (seen.how == outcome::cancelled) return settle(id, {stopped});
        if (seen.at > std::max(from, cancel_at)) complain(id, "went on waiting in a cancelled scope");
        return settle(id, {{seen.at, outcome::done}});
    }

    ending check_transfer(const step& what, duration from, duration cancel_at) const {
        const ending end = wait_for_others(what.id, from, cancel_at);
        const duration latest = std::max(from, plan_.quiet_from) + time_to_converge;
        if (end.at > latest) complain(what.id, "did not get through although nothing went wrong any more");
        return end;
    }

    ending check_lock(const step& what, duration from, duration cancel_at, group& around) {
        const auto& acquired = of(what.parts[0].id).began;
        if (!acquired) return settle(what.id, {{std::max(from, cancel_at), outcome::cancelled}});
        if (acquired->at > std::max(from, cancel_at)) complain(what.id, "waited in a cancelled scope");
        return settle(what.id, {check(what.parts[0], acquired->at, cancel_at, around)});
    }

    ending check_timeout(const step& what, duration from, duration cancel_at, group& around) {
        const duration deadline = from + what.time;
        const ending end = check(what.parts[0], from, std::min(cancel_at, deadline), around);
        const ending out_of_time =
            what.what == action::move_on ? ending{end.at, outcome::done} : ending{end.at, outcome::failed, what.id};
        if (end.how != outcome::cancelled || deadline > end.at || cancel_at < end.at) return settle(what.id, {end});
        if (cancel_at == end.at) return settle(what.id, {end, out_of_time});
        return settle(what.id, {out_of_time});
    }

    ending check_group(const step& what, duration from, duration cancel_at) {
        group inside;
        const auto own = cancels_.find(what.id);
        inside.cancel_at = std::min(cancel_at, own == cancels_.end() ? never : own->second);
        inside.members.push_back({&what.parts[0], from});
        return join(what.id, from, cancel_at, inside, inside);
    }

    ending check_all(const step& what, duration from, duration cancel_at, group& around) {
        group inside;
        inside.cancel_at = cancel_at;
        for (const sequence& part : what.parts) {
            const observation& end = of(part.id);
            inside.members.push_back({&part, from});
            if (end.ended && end.how == outcome::failed) inside.cancel_at = std::min(inside.cancel_at, end.ended->at);
        }
        return join(what.id, from, cancel_at, inside, around);
    }

    /// Checks the members, those too that are spawned on the way, and what comes out of their group. `spawns_into` is
    /// the group that their own spawns go to.
    ending join(std::size_t id, duration from, duration cancel_at, group& joined, group& spawns_into) {
        ending end{from, outcome::done};
        bool was_cancelled = false;
        const observation* first_failure = nullptr;
        for (std::size_t i = 0; i != joined.members.size(); ++i) {
            const member each = joined.members[i];
            const ending part = check(*each.what, each.from, joined.cancel_at, spawns_into);
            end.at = std::max(end.at, part.at);
            was_cancelled |= part.how == outcome::cancelled;
            const observation& seen = of(each.what->id);
            const bool is_first = first_failure == nullptr || seen.ended->order < first_failure->ended->order;
            if (part.how == outcome::failed && is_first) first_failure = &seen;
        }
        const ending stopped{end.at, outcome::cancelled};
        if (first_failure != nullptr) return settle(id, {{end.at, outcome::failed, first_failure->error}});
        if (!was_cancelled || cancel_at > end.at) return settle(id, {end});
        if (cancel_at == end.at) return settle(id, {end, stopped});
        return settle(id, {stopped});
    }

    ending check_any(const step& what, duration from, duration cancel_at, group& around) {
        const observation* first = nullptr;
        for (const sequence& part : what.parts) {
            const observation& seen = of(part.id);
            if (!seen.ended || seen.how == outcome::cancelled) continue;
            if (first == nullptr || seen.ended->order < first->ended->order) first = &seen;
        }
        const duration inner = first == nullptr ? cancel_at : std::min(cancel_at, first->ended->at);
        ending end{from, outcome::cancelled};
        for (const sequence& part : what.parts) end.at = std::max(end.at, check(part, from, inner, around).at);
        if (first != nullptr) end = {end.at, first->how, first->error};
        return settle(what.id, {end});
    }

    const program& plan_;
    const observations& seen_;
    std::vector<moment> event_set_;            // when each event was set first
    std::map<std::size_t, duration> cancels_;  // when each group was cancelled from inside, by its number
    group no_group_;
};

void describe(const sequence& what, const observations& seen, std::size_t depth, std::string& text);

std::string milliseconds(duration time) {
    const auto count = time.count();
    std::string fraction = std::to_string(count % 1'000'000);
    fraction.insert(0, 6 - fraction.size(), '0');
    return std::to_string(count / 1'000'000) + "." + fraction + " ms";
}

std::string result_of(const observation& seen) {
    if (!seen.began) return "  -- did not begin\n";
    std::string line = "  -- " + milliseconds(seen.began->at) + " (" + std::to_string(seen.began->order) + ") to ";
    if (!seen.ended) return line + "no end\n";
    line += milliseconds(seen.ended->at) + " (" + std::to_string(seen.ended->order) + ")";
    if (seen.how == outcome::cancelled) line += " cancelled";
    if (seen.how == outcome::failed) line += " failed by " + std::to_string(seen.error);
    if (seen.received) line += " received " + std::to_string(*seen.received);
    if (seen.refused) line += " refused";
    return line + "\n";
}

void describe(const step& what, const observations& seen, std::size_t depth, std::string& text) {
    text.append(2 * depth, ' ').append(std::to_string(what.id)).append(1, ' ').append(name_of(what.what));
    if (what.what == action::sleep || what.what == action::clean_up || what.what == action::with_timeout ||
        what.what == action::move_on) {
        text.append(1, ' ').append(milliseconds(what.time));
    }
    if ((what.what >= action::set && what.what <= action::exchange) || what.what == action::lock ||
        what.what == action::acquire) {
        text.append(" #").append(std::to_string(what.object));
    }
    text += result_of(seen.of[what.id]);
    for (const sequence& part : what.parts) describe(part, seen, depth + 1, text);
}

void describe(const sequence& what, const observations& seen, std::size_t depth, std::string& text) {
    text.append(2 * depth, ' ').append(std::to_string(what.id)).append(":").append(result_of(seen.of[what.id]));
    for (const step& each : what.steps) describe(each, seen, depth + 1, text);
}

}  // namespace

void check_tasks(const program& plan, const observations& seen) {
    walk(plan, seen).run();
}

std::string describe(const program& plan, const observations& seen) {
    std::string text;
    if (plan.cancelled_at) text += "cancelled from outside at " + milliseconds(*plan.cancelled_at) + "\n";
    for (const fault& each : plan.faults) {
        text += std::string(name_of(each.what)) + " from " + milliseconds(each.from) + " to " +
                milliseconds(each.until) + "\n";
    }
    text += "nothing goes wrong from " + milliseconds(plan.quiet_from) + "\n";
    describe(plan.root, seen, 0, text);
    return text;
}

}  // namespace sennit::swarm
