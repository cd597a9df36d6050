#pragma once

#include <cstddef>
#include <set>

namespace sennit::testing {

/// An object that knows whether it is alive: what is copied bit by bit, destroyed twice or never shows up here.
/// Sanitizers miss the first two where the memory stays valid, as in a coroutine's frame.
class tracked {
  public:
    explicit tracked(int number = 0) : value(number) { enter(); }
    tracked(const tracked& other) : value(other.value) {
        ++counts().copies;
        enter();
    }
    tracked(tracked&& other) noexcept : value(other.value) {
        other.value = -1;
        enter();
    }
    tracked& operator=(const tracked& other) = default;
    tracked& operator=(tracked&& other) = default;
    ~tracked() {
        if (alive().erase(this) == 0) ++counts().wrong_ends;
    }

    int value;

    struct tally {
        std::size_t made = 0;
        std::size_t copies = 0;
        std::size_t wrong_ends = 0;  ///< destructions of what was not alive
    };
    static tally& counts() {
        static tally all;
        return all;
    }
    static std::size_t living() { return alive().size(); }
    /// Forgets everything, for the next test.
    static void reset() {
        counts() = {};
        alive().clear();
    }

  private:
    void enter() noexcept {
        ++counts().made;
        alive().insert(this);
    }
    static std::set<const void*>& alive() {
        static std::set<const void*> all;
        return all;
    }
};

}  // namespace sennit::testing
