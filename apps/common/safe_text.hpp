#pragma once

#include <string>
#include <string_view>

namespace app {

/// The text with everything replaced by `?` that could do more to a terminal than print: control characters, what is
/// not UTF-8 (RFC 3629), and the characters that turn the direction of writing. Tabs stay.
std::string safe_text(std::string_view text);

}  // namespace app
