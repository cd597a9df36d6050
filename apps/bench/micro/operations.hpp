// The operations whose cost is measured: by Google Benchmark in nanoseconds, by callgrind in instructions.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace micro {

/// Something that can be done many times in a row. Making it sets up all that is not to be measured.
class operation {
  public:
    virtual ~operation() = default;
    /// Does it `count` times.
    virtual void run(std::size_t count) = 0;
};

struct entry {
    const char* name;
    std::unique_ptr<operation> (*make)();
    bool one_thread;  ///< and so does the same instructions each time
};

template <class Operation>
std::unique_ptr<operation> make() {
    return std::make_unique<Operation>();
}

std::span<const entry> operations();
/// What some of them would take by the shortest code that does the same; under the same names.
std::span<const entry> floors();

}  // namespace micro
