// The length of a turn. Its one hard idea: the clock is read only in turns that come to the limit, and what such a turn
// took is known where the one before it came to the limit as well, since the loop does not sleep between the two. Busy
// loops learn, and the others pay nothing.

#include <algorithm>
#include <chrono>

#include <sennit/detail/turn_budget.hpp>

namespace sennit::detail {

namespace {

constexpr duration wanted = std::chrono::microseconds(500);
constexpr int most = 1024;  // a thousandth of a look for each is cheap enough

}  // namespace

void turn_budget::used_up(time_point now) noexcept {
    if (one_after_another_) {
        // Twice as many at the most: the next ones may take longer than these.
        const duration took = std::max(now - last_, wanted / 2);
        const auto fitting = static_cast<duration::rep>(resumptions_) * wanted.count() / took.count();
        resumptions_ = static_cast<int>(std::clamp<duration::rep>(fitting, 1, most));
    }
    one_after_another_ = true;
    last_ = now;
}

}  // namespace sennit::detail
