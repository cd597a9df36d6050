// Where coroutines wait. Its one hard idea: an awaited coroutine knows only whom to resume, as a handle without a type.
// But every promise of this library begins with a `promise_base`, and none is aligned so strictly that it would stand
// elsewhere in its frame; so the handle can be read as that of a frame with a `promise_base`.

#include <vector>

#include <sennit/task.hpp>

namespace sennit::detail {

namespace {

constexpr std::size_t most_places = 16;  // tasks can be nested as deep as memory goes

}  // namespace

void append_places(std::string& text, std::coroutine_handle<> waits) {
    std::vector<std::source_location> places;  // from the inside out
    bool all = false;
    while (places.size() != most_places && !all) {
        const promise_base& promise = promise_of(waits);
        places.push_back(promise.place);
        // A spawned task is resumed by the loop: it has itself there.
        all = promise.handle == waits || promise.handle == nullptr;
        waits = promise.handle;
    }
    if (!all) text += "... -> ";
    for (std::size_t left = places.size(); left-- != 0;) {
        text.append(places[left].file_name()).append(1, ':').append(std::to_string(places[left].line()));
        if (left != 0) text += " -> ";
    }
}

}  // namespace sennit::detail
