#pragma once

namespace sennit::detail {

/// To be called in a catch block: writes `sennit: <what>: <the exception's text>` to standard error.
void report_exception(const char* what) noexcept;

}  // namespace sennit::detail
