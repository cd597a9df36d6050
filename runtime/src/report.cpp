// Exceptions that have no one to go to.

#include <exception>
#include <string>

#include <sennit/cancel.hpp>
#include <sennit/detail/misuse.hpp>
#include <sennit/detail/report.hpp>

namespace sennit::detail {

void report_exception(const char* what) noexcept {
    try {
        try {
            throw;
        } catch (const std::exception& error) {
            report((std::string(what) + ": " + error.what()).c_str());
        } catch (const cancelled&) {
            report((std::string(what) + ": cancelled").c_str());
        } catch (...) {
            report((std::string(what) + ": an exception that is not derived from std::exception").c_str());
        }
    } catch (...) {
        report(what);  // no memory for the whole text
    }
}

}  // namespace sennit::detail
