// Where libFuzzer enters. SENNIT_FUZZ_TARGET is the function of the parser that this program is for.

#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sennit;
    fuzz::SENNIT_FUZZ_TARGET(fuzz::input({reinterpret_cast<const char*>(data), size}));
    return 0;
}
