// The reference model of tasks for a real machine, where everything may happen later than it should, by any amount. The
// one hard idea: it never says when something has to happen. It takes the order of what happened, the deadlines before
// which nothing may end, and cancels of which it is known when they came; so it cannot be wrong on a busy machine.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model.hpp"

namespace sennit::swarm {

namespace {

constexpr duration never = duration::max();
constexpr std::uint64_t in_no_order = UINT64_MAX;

class order_walk {
  public:
    order_walk(const program& plan, const observations& seen) : plan_(plan), seen_(seen) {
        set_.assign(plan.events, in_no_order);
        if (seen.waits_ended) std::fill(set_.begin(), set_.end(), seen.waits_ended->order);
        collect(plan.root, 0);
    }

    void run() {
        scope outside;
        if (seen_.cancelled) outside.cancelled_from(*seen_.cancelled);
        group none;
        check(plan_.root, 0, &outside, none);
    }

  private:
    /// What can end the waits of a part of the program.
    struct scope {
        const scope* outer = nullptr;
        duration earliest = never;             // its timeout does not expire before
        duration latest = never;               // and is due then
        std::uint64_t may_from = in_no_order;  // something that cancels it comes no earlier
        std::optional<moment> cancelled;       // it surely is from here

        void cancelled_from(const moment& when) {
            may_from = std::min(may_from, when.order);
            if (!cancelled || when.order < cancelled->order) cancelled = when;
        }
    };
    /// A sequence that a group or race has started, and what happened before.
    struct member {
        const sequence* what;
        std::uint64_t after;
    };
    struct group {
        std::vector<member> members;
    };

    const observation& of(std::size_t id) const { return seen_.of[id]; }

    void collect(const step& what, std::size_t around) {
        const auto& began = of(what.id).began;
        if (began && what.what == action::set) set_[what.object] = std::min(set_[what.object], began->order);
        if (began && what.what == action::cancel) groups_[around].cancelled_from(*began);
        for (const sequence& part : what.parts) {
            const std::size_t group = what.what == action::group ? what.id : around;
            const observation& end = of(part.id);
            const bool is_member = what.what == action::group || what.what == action::spawn;
            if (is_member && end.ended && end.how == outcome::failed) {
                groups_[group].may_from = std::min(groups_[group].may_from, end.ended->order);
            }
            for (const step& each : part.steps) collect(each, group);
        }
    }

    [[noreturn]] void complain(std::size_t id, const std::string& what) const {
        throw disagreement("step " + std::to_string(id) + ": " + what);
    }

    /// Something in or around the scope could have cancelled it by then.
    static bool may_be_cancelled(const scope* within, const moment& when) {
        for (; within != nullptr; within = within->outer) {
            if (when.at >= within->earliest || within->may_from < when.order) return true;
        }
        return false;
    }

    static bool is_cancelled_before(const scope* within, std::uint64_t order) {
        for (; within != nullptr; within = within->outer) {
            if (within->cancelled && within->cancelled->order < order) return true;
        }
        return false;
    }

    const observation& must_begin(std::size_t id, std::uint64_t after) const {
        const observation& seen = of(id);
        if (!seen.began) complain(id, "never began");
        if (seen.began->order <= after) complain(id, "began too early");
        if (!seen.ended) complain(id, "never ended");
        return seen;
    }

    void never_begins(const step& what) const {
        if (of(what.id).began) complain(what.id, "began after the end of its sequence");
        for (const sequence& part : what.parts) {
            if (of(part.id).began) complain(part.id, "began without its step");
            for (const step& each : part.steps) never_begins(each);
        }
    }

    void must_end(std::size_t id, outcome how, std::size_t error = 0) const {
        const observation& seen = of(id);
        if (seen.how != how || (how == outcome::failed && seen.error != error)) complain(id, "ended in another way");
    }

    /// It was cancelled, for which there has to be a cause, or is done.
    bool check_cancelled(std::size_t id, const scope* within) const {
        const observation& seen = of(id);
        if (seen.how == outcome::failed) complain(id, "cannot fail");
        if (seen.how == outcome::done) return false;
        if (!may_be_cancelled(within, *seen.ended)) complain(id, "was cancelled for no reason");
        return true;
    }

    const observation& check(const sequence& what, std::uint64_t after, const scope* within, group& around) {
        const observation& seen = must_begin(what.id, after);
        std::uint64_t last = seen.began->order;
        const observation* end = nullptr;
        for (const step& each : what.steps) {
            if (end != nullptr && end->how != outcome::done) {
                never_begins(each);
                continue;
            }
            end = &check(each, last, within, around);
            last = end->ended->order;
        }
        if (seen.ended->order <= last) complain(what.id, "ended before its last step");
        must_end(what.id, end == nullptr ? outcome::done : end->how, end == nullptr ? 0 : end->error);
        return seen;
    }

    const observation& check(const step& what, std::uint64_t after, const scope* within, group& around) {
        const observation& seen = must_begin(what.id, after);
        if (seen.ended->order <= seen.began->order) complain(what.id, "ended before it began");
        switch (what.what) {
            case action::sleep:
            case action::yield: check_sleep(what, within); break;
            case action::wait: check_wait(what, within); break;
            case action::fail: must_end(what.id, outcome::failed, what.id); break;
            case action::send:
            case action::receive: check_cancelled(what.id, within); break;
            case action::transfer:
            case action::exchange:
                if (!check_cancelled(what.id, within) && is_cancelled_before(within, seen.began->order)) {
                    complain(what.id, "was not cancelled");
                }
                break;
            case action::set:
            case action::close:
            case action::cancel: must_end(what.id, outcome::done); break;
            case action::spawn:
                around.members.push_back({&what.parts[0], seen.began->order});
                must_end(what.id, outcome::done);
                break;
            case action::lock:
            case action::acquire:
                if (of(what.parts[0].id).began) {
                    must_end_as(what, check(what.parts[0], seen.began->order, within, around));
                } else if (!check_cancelled(what.id, within)) {
                    complain(what.id, "did not run its part");
                }
                break;
            case action::group: check_group(what, within); break;
            case action::with_timeout:
            case action::move_on: check_timeout(what, within, around); break;
            case action::shield: must_end_as(what, check(what.parts[0], seen.began->order, nullptr, around)); break;
            case action::attempt: {
                const observation& part = check(what.parts[0], seen.began->order, within, around);
                if (part.how == outcome::failed) {
                    must_end(what.id, outcome::done);
                } else {
                    must_end_as(what, part);
                }
                break;
            }
            case action::clean_up: {
                const observation& part = check(what.parts[0], seen.began->order, within, around);
                must_end_as(what, part);
                const bool is_early = seen.ended->at < part.ended->at + what.time;
                if (part.how == outcome::cancelled && is_early) complain(what.id, "did not clean up");
                break;
            }
            case action::all: check_all(what, within, around); break;
            case action::any: check_any(what, within, around); break;
        }
        return seen;
    }

    void must_end_as(const step& what, const observation& part) const { must_end(what.id, part.how, part.error); }

    void check_sleep(const step& what, const scope* within) const {
        if (check_cancelled(what.id, within)) return;
        const observation& seen = of(what.id);
        const bool is_sleep = what.what == action::sleep;
        const duration due = seen.began->at + (is_sleep ? what.time : duration::zero());
        if (seen.ended->at < due) complain(what.id, "woke too early");
        if (is_cancelled_before(within, seen.began->order)) complain(what.id, "waited in a cancelled scope");
        if (!is_sleep) return;
        // Timers expire in order: a timeout that was due earlier, or a cancel at an earlier time, came first.
        for (; within != nullptr; within = within->outer) {
            const bool came_first = within->cancelled && within->cancelled->at < due;
            if (came_first || within->latest < due) complain(what.id, "was not cancelled");
        }
    }

    void check_wait(const step& what, const scope* within) const {
        if (check_cancelled(what.id, within)) return;
        const observation& seen = of(what.id);
        const std::uint64_t set = set_[what.object];
        if (set > seen.ended->order) complain(what.id, "did not wait");
        const bool has_waited = set > seen.began->order;
        if (has_waited && is_cancelled_before(within, set)) complain(what.id, "was not cancelled");
    }

    void check_timeout(const step& what, const scope* within, group& around) {
        const observation& seen = of(what.id);
        const auto& part_began = of(what.parts[0].id).began;
        scope limited;
        limited.outer = within;
        limited.earliest = seen.began->at + what.time;
        if (part_began) limited.latest = part_began->at + what.time;
        const observation& part = check(what.parts[0], seen.began->order, &limited, around);
        if (part.how != outcome::cancelled) return must_end_as(what, part);
        if (seen.how == outcome::cancelled) {
            if (!may_be_cancelled(within, *seen.ended)) complain(what.id, "was cancelled for no reason");
            return;
        }
        if (what.what == action::move_on) {
            must_end(what.id, outcome::done);
        } else {
            must_end(what.id, outcome::failed, what.id);
        }
        if (seen.ended->at < limited.earliest) complain(what.id, "ran out of time too early");
        if (is_cancelled_before(within, part.ended->order)) complain(what.id, "swallowed a cancel");
    }

    void check_group(const step& what, const scope* within) {
        scope own;
        const auto known = groups_.find(what.id);
        if (known != groups_.end()) own = known->second;
        own.outer = within;
        group inside;
        inside.members.push_back({&what.parts[0], of(what.id).began->order});
        join(what.id, within, own, inside, inside);
    }

    void check_all(const step& what, const scope* within, group& around) {
        scope own;
        own.outer = within;
        group inside;
        for (const sequence& part : what.parts) {
            const observation& end = of(part.id);
            inside.members.push_back({&part, of(what.id).began->order});
            if (end.ended && end.how == outcome::failed) own.may_from = std::min(own.may_from, end.ended->order);
        }
        join(what.id, within, own, inside, around);
    }

    /// Checks the members, those too that are spawned on the way, and what comes out of their group.
    void join(std::size_t id, const scope* within, const scope& own, group& joined, group& spawns_into) {
        const observation& seen = of(id);
        std::uint64_t last = seen.began->order;
        bool was_cancelled = false;
        const observation* first_failure = nullptr;
        for (std::size_t i = 0; i != joined.members.size(); ++i) {
            const member each = joined.members[i];
            const observation& part = check(*each.what, each.after, &own, spawns_into);
            last = std::max(last, part.ended->order);
            was_cancelled |= part.how == outcome::cancelled;
            const bool is_first = first_failure == nullptr || part.ended->order < first_failure->ended->order;
            if (part.how == outcome::failed && is_first) first_failure = &part;
        }
        if (seen.ended->order <= last) complain(id, "a child outlived it");
        if (first_failure != nullptr) return must_end(id, outcome::failed, first_failure->error);
        if (!was_cancelled) return must_end(id, outcome::done);
        const bool cancelled = check_cancelled(id, within);
        if (!cancelled && is_cancelled_before(within, last)) complain(id, "swallowed a cancel");
    }

    void check_any(const step& what, const scope* within, group& around) {
        const observation* first = nullptr;
        for (const sequence& part : what.parts) {
            const observation& seen = of(part.id);
            if (!seen.ended || seen.how == outcome::cancelled) continue;
            if (first == nullptr || seen.ended->order < first->ended->order) first = &seen;
        }
        scope own;
        own.outer = within;
        if (first != nullptr) own.may_from = first->ended->order;
        const observation& seen = of(what.id);
        for (const sequence& part : what.parts) {
            const observation& end = check(part, seen.began->order, &own, around);
            if (seen.ended->order <= end.ended->order) complain(what.id, "a child outlived it");
        }
        if (first != nullptr) return must_end_as(what, *first);
        must_end(what.id, outcome::cancelled);
        check_cancelled(what.id, within);
    }

    const program& plan_;
    const observations& seen_;
    std::vector<std::uint64_t> set_;       // when each event was set first
    std::map<std::size_t, scope> groups_;  // what is known of the groups that were cancelled from inside
};

}  // namespace

void check_order(const program& plan, const observations& seen) {
    order_walk(plan, seen).run();
}

}  // namespace sennit::swarm
