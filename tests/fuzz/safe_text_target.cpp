// What one stranger's terminal is sent from another: nothing in it does more than print, and what was harmless is left
// as it was.

#include <algorithm>
#include <string>

#include "common/safe_text.hpp"
#include "target.hpp"

namespace sennit::fuzz {

void safe_text(input from) {
    const std::string_view text = from.rest();
    const std::string safe = app::safe_text(text);
    require(safe.size() <= text.size(), "each replacement is shorter");
    require(app::safe_text(safe) == safe, "what is safe stays as it is");
    require(std::ranges::none_of(safe, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; }),
            "no control character is left");
    for (const char* const turned : {"\u202e", "\u2066", "\u200f", "\u2028", "\u009b"}) {
        require(safe.find(turned) == safe.npos, "no character is left that moves others");
    }
    const bool printable = std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
    if (printable) require(safe == text, "printable ASCII stays as it is");
    // Bytes of UTF-8 and of ASCII differ, so what follows something broken is not swallowed by it.
    const auto harmless = [](char c) { return c >= 0x20 && c < 0x7f && c != '?'; };
    std::string kept;
    std::ranges::copy_if(text, std::back_inserter(kept), harmless);
    std::string left;
    std::ranges::copy_if(safe, std::back_inserter(left), harmless);
    require(kept == left, "no printable ASCII is lost");
}

}  // namespace sennit::fuzz
