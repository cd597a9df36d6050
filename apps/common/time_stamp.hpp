#pragma once

#include <string>

namespace app {

/// The local time as ctime(3) writes it, in brackets: `[Mon Nov 23 21:07:41 2026]`.
std::string time_stamp();

}  // namespace app
