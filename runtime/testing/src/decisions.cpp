// Choices and their record. Its one hard idea: the distributions of the standard library differ between
// implementations, so every choice is made here by integer arithmetic that is the same everywhere.
//
// The generator is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): a counter
// behind a mixing function, which the record's hash uses too.

#include "decisions.hpp"

#include <string>

namespace sennit::testing::sim {

namespace {

std::uint64_t scrambled(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

}  // namespace

std::uint64_t decisions::next() noexcept {
    state_ += 0x9e3779b97f4a7c15u;
    return scrambled(state_);
}

void decisions::mix(std::uint64_t value) noexcept {
    hash_ = scrambled(hash_ ^ value) + 0x9e3779b97f4a7c15u;
}

std::uint64_t decisions::below(std::uint64_t bound, const char* what) {
    // The high half of a 128-bit product: even enough for any bound that occurs here.
    __extension__ typedef unsigned __int128 wide;
    const auto choice = static_cast<std::uint64_t>(wide{next()} * bound >> 64);
    mix(choice);
    if (sink_) sink_(std::string(what) + ": " + std::to_string(choice) + " of " + std::to_string(bound));
    return choice;
}

bool decisions::chance(parts_per_million probability, const char* what) {
    constexpr parts_per_million always = 1'000'000;
    return probability != 0 && below(always, what) < probability;
}

duration decisions::up_to(duration longest, const char* what) {
    if (longest <= duration::zero()) return duration::zero();
    return duration(static_cast<duration::rep>(below(static_cast<std::uint64_t>(longest.count()) + 1, what)));
}

void decisions::note(const char* what, std::uint64_t where, std::int64_t number) {
    mix(where);
    mix(static_cast<std::uint64_t>(number));
    if (sink_) sink_(std::string(what) + " " + std::to_string(where) + ": " + std::to_string(number));
}

}  // namespace sennit::testing::sim
