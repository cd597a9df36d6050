// Owns the order in which timers expire.
//
// The one hard idea: write the time as eleven digits of six bits. A timer is kept at the level of the highest
// digit in which its deadline differs from the wheel's time, `base_`, in the slot named by the deadline's
// digit there. It follows that
//
// - all occupied slots of a level lie at or after base_, so the earliest timer is in the first occupied slot
//   of the lowest occupied level, which two bit scans find;
// - while base_ stands still equal deadlines share a slot, and lists are first in, first out;
// - when base_ reaches the start of a slot, each timer in it now differs from base_ only in lower digits: it
//   moves down, at most ten times in its life. The slots below are empty then, so moving a list in order
//   keeps its order.
//
// All of it holds as long as every timer is where base_ says. Therefore base_ moves only after the timers it
// passes have left, and the slot it enters is emptied into the lower levels at once.

#include "timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace sennit::detail {

namespace {

// How many timers of a slot `next_deadline` looks at before it settles for the slot's start.
constexpr int scan_limit = 16;

time_point time_of(std::uint64_t tick) noexcept {
    return time_point(duration(static_cast<duration::rep>(tick)));
}

}  // namespace

timer_wheel::timer_wheel() noexcept {
    for (timer_link& head : lists_) head.previous_ = head.next_ = &head;
}

timer_wheel::~timer_wheel() {
    assert(size_ == 0);
}

void timer_wheel::arm(timer& what, time_point deadline) noexcept {
    assert(!what.armed());
    what.deadline_ = deadline;
    ++size_;
    quiet_until_ = 0;
    if (deadline == no_deadline) {
        append(never_list, what);
    } else {
        place(what);
    }
}

bool timer_wheel::cancel(timer& what) noexcept {
    if (!what.armed()) return false;
    timer_link* const before = what.previous_;
    timer_link* const after = what.next_;
    before->next_ = after;
    after->previous_ = before;
    // Only a list's head is on both sides of a timer, and its address says which list has become empty:
    // timers need not know where they are.
    if (before == after) vacate(static_cast<std::size_t>(before - lists_.data()));
    what.previous_ = what.next_ = nullptr;
    --size_;
    quiet_until_ = 0;
    return true;
}

std::size_t timer_wheel::advance_to(std::uint64_t now) noexcept {
    assert(!advancing_);
    advancing_ = true;
    quiet_until_ = 0;
    // The wheel's time never becomes no_deadline, or next_deadline could not tell "due now" from "never".
    collect_due(std::min(now, tick_of(no_deadline) - 1));
    // Only now is anybody told. What is armed from here on goes into the wheel, at the new time, and not into
    // this list; what is cancelled leaves the list like any other.
    std::size_t expired = 0;
    while (occupied(due_list)) {
        timer& first = static_cast<timer&>(*lists_[due_list].next_);
        cancel(first);
        first.expire();
        ++expired;
    }
    advancing_ = false;
    return expired;
}

time_point timer_wheel::find_next() const noexcept {
    if (occupied(due_list)) return time_of(base_);
    const std::size_t slot = first_slot();
    quiet_until_ = slot == due_list ? tick_of(no_deadline) : start_of(slot);
    next_ = earliest_of(slot, time_of(quiet_until_));
    return next_;
}

// The earliest deadline in a slot that begins at `start`; `start` where finding it would take long.
time_point timer_wheel::earliest_of(std::size_t slot, time_point start) const noexcept {
    if (slot < slots_per_level || slot == due_list) return start;  // At the lowest level a slot is one tick.
    time_point earliest = no_deadline;
    int scanned = 0;
    const timer_link& head = lists_[slot];
    for (const timer_link* link = head.next_; link != &head; link = link->next_) {
        if (++scanned > scan_limit) return start;
        earliest = std::min(earliest, static_cast<const timer&>(*link).deadline_);
    }
    return earliest;
}

// Moves the timers that are due at `now` into the due list, in order, and the wheel's time to `now`.
void timer_wheel::collect_due(std::uint64_t now) noexcept {
    for (;;) {
        const std::size_t slot = first_slot();
        if (slot == due_list) break;
        const std::uint64_t start = start_of(slot);
        if (start > now) break;
        base_ = start;
        // A timer alone in the first slot is the earliest of all: it need not be sorted level by level.
        const timer_link& head = lists_[slot];
        const bool sole = head.next_ == head.previous_;
        if (slot < slots_per_level || (sole && tick_of(static_cast<timer&>(*head.next_).deadline_) <= now)) {
            move_to_due(slot);
        } else {
            cascade(slot);
        }
    }
    // Every remaining slot starts after `now`: going there changes no digit that a timer's place depends on.
    base_ = now;
}

void timer_wheel::place(timer& what) noexcept {
    const std::uint64_t tick = std::max(tick_of(what.deadline_), base_);
    // Setting the lowest bit makes a difference of zero belong to the lowest level without a branch.
    const auto highest_bit = static_cast<unsigned>(std::bit_width((tick ^ base_) | 1) - 1);
    const unsigned level = highest_bit / digit_bits;
    const std::size_t digit = (tick >> (level * digit_bits)) % slots_per_level;
    append(level * slots_per_level + digit, what);
}

// Empties a slot whose start base_ has reached into the levels below.
void timer_wheel::cascade(std::size_t slot) noexcept {
    timer_link& head = lists_[slot];
    timer_link* link = head.next_;
    head.previous_ = head.next_ = &head;
    vacate(slot);
    while (link != &head) {
        timer_link* const following = link->next_;
        place(static_cast<timer&>(*link));
        link = following;
    }
    assert(!occupied(slot));
}

// Hangs a whole slot behind what is due already.
void timer_wheel::move_to_due(std::size_t slot) noexcept {
    timer_link& head = lists_[slot];
    timer_link& due = lists_[due_list];
    head.next_->previous_ = due.previous_;
    due.previous_->next_ = head.next_;
    head.previous_->next_ = &due;
    due.previous_ = head.previous_;
    mark(due_list);
    head.previous_ = head.next_ = &head;
    vacate(slot);
}

// The first occupied slot of the lowest occupied level; `due_list`, behind all slots, when there is none.
std::size_t timer_wheel::first_slot() const noexcept {
    const auto level = static_cast<std::size_t>(std::countr_zero(occupied_levels_ | (std::uint64_t{1} << levels)));
    if (level == levels) return due_list;
    return level * slots_per_level + static_cast<std::size_t>(std::countr_zero(occupied_[level]));
}

// The earliest tick of a slot: base_ down to the slot's level, then the slot's digit, then zeros.
std::uint64_t timer_wheel::start_of(std::size_t slot) const noexcept {
    const auto shift = static_cast<unsigned>(slot / slots_per_level) * digit_bits;
    // At the highest level the one is shifted out of the word, which leaves a mask of ones, as it should.
    const std::uint64_t below = (std::uint64_t{slots_per_level} << shift) - 1;
    return (base_ & ~below) | (std::uint64_t{slot % slots_per_level} << shift);
}

bool timer_wheel::occupied(std::size_t list) const noexcept {
    return (occupied_[list / slots_per_level] >> (list % slots_per_level) & 1) != 0;
}

void timer_wheel::mark(std::size_t list) noexcept {
    occupied_[list / slots_per_level] |= std::uint64_t{1} << (list % slots_per_level);
    occupied_levels_ |= std::uint64_t{1} << (list / slots_per_level);
}

void timer_wheel::vacate(std::size_t list) noexcept {
    std::uint64_t& row = occupied_[list / slots_per_level];
    row &= ~(std::uint64_t{1} << (list % slots_per_level));
    if (row == 0) occupied_levels_ &= ~(std::uint64_t{1} << (list / slots_per_level));
}

void timer_wheel::append(std::size_t list, timer_link& link) noexcept {
    timer_link& head = lists_[list];
    link.previous_ = head.previous_;
    link.next_ = &head;
    head.previous_->next_ = &link;
    head.previous_ = &link;
    mark(list);
}

}  // namespace sennit::detail
