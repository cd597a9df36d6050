// What waits, and where. Its one hard idea: an awaited coroutine knows only whom to resume, as a handle without a type.
// But every promise of this library begins with a `promise_base`, and none is aligned so strictly that it would stand
// elsewhere in its frame; so the handle can be read as that of a frame with a `promise_base`.

#include <algorithm>

#include <sennit/detail/promise_base.hpp>
#include <sennit/detail/wait_report.hpp>

namespace sennit::detail {

namespace {

constexpr std::size_t most_places = 16;  // tasks can be nested as deep as memory goes
constexpr std::size_t most_indented = 32;

/// Calls `visit` with a waiting coroutine, with the one that awaits it, and so on, as long as that gives true.
template <class Visitor>
void for_each_awaiting(std::coroutine_handle<> waits, Visitor visit) {
    for (;;) {
        const promise_base& promise = promise_of(waits);
        // A spawned task is resumed by the loop: it has itself there.
        const bool is_last = promise.handle == waits || promise.handle == nullptr;
        if (!visit(waits, promise.place) || is_last) return;
        waits = promise.handle;
    }
}

/// Without "../", which says where the compiler was started.
std::string_view without_ascent(std::string_view path) noexcept {
    while (path.starts_with("../")) path.remove_prefix(3);
    return path;
}

bool ends_with_names(std::string_view path, std::string_view names) noexcept {
    if (!path.ends_with(names)) return false;
    return path.size() == names.size() || path[path.size() - names.size() - 1] == '/';
}

}  // namespace

std::vector<listed_wait> list_waits(const cancel_scope& root) {
    struct visit {
        const cancel_scope* scope;
        std::size_t depth;
    };
    std::vector<listed_wait> waits;
    std::vector<const cancel_scope*> headed{&root};  // those around the last wait, from the outside in
    std::vector<visit> left{{&root, 0}};             // not recursive: scopes can be nested as deep as tasks
    std::vector<visit> children;
    while (!left.empty()) {
        const auto [scope, depth] = left.back();
        left.pop_back();
        scope->waiters_.for_each([&](const waiter& each) {
            waits.push_back({&each, depth, {}});
            std::vector<const cancel_scope*> begun;
            std::size_t level = depth;
            for (const auto* at = scope; level >= headed.size() || headed[level] != at; at = at->parent_, --level) {
                begun.push_back(at);
            }
            headed.resize(level + 1);
            for (; !begun.empty(); begun.pop_back()) {
                const cancel_scope& next = *begun.back();
                const char* const kind = next.cancelled_ ? "scope (cancelled)" : next.shielded_ ? "shield" : "scope";
                const std::size_t indentation = 2 * std::min(headed.size() - 1, most_indented);
                waits.back().headings.append(indentation, ' ').append(kind).append(1, '\n');
                headed.push_back(&next);
            }
        });
        children.clear();
        scope->children_.for_each([&](const cancel_scope& each) { children.push_back({&each, depth + 1}); });
        left.insert(left.end(), children.rbegin(), children.rend());
    }
    return waits;
}

std::coroutine_handle<> task_of(std::coroutine_handle<> waits) noexcept {
    std::coroutine_handle<> task;
    for_each_awaiting(waits, [&](std::coroutine_handle<> coroutine, std::source_location) {
        task = coroutine;
        return true;
    });
    return task;
}

void file_names::add(std::string_view path) {
    path = without_ascent(path);
    if (std::find(paths_.begin(), paths_.end(), path) == paths_.end()) paths_.push_back(path);
}

std::string_view file_names::shortened(std::string_view path) const {
    path = without_ascent(path);
    for (std::size_t begin = path.rfind('/'); begin != path.npos && begin != 0; begin = path.rfind('/', begin - 1)) {
        const std::string_view name = path.substr(begin + 1);
        const auto meant_too = [&](std::string_view other) { return other != path && ends_with_names(other, name); };
        if (std::none_of(paths_.begin(), paths_.end(), meant_too)) return name;
    }
    return path;
}

void wait_report::add(const cancel_scope& scope) {
    for (listed_wait& each : list_waits(scope)) {
        std::size_t places = 0;
        for_each_awaiting(each.what->handle, [&](std::coroutine_handle<> coroutine, std::source_location place) {
            if (places++ < most_places) files_.add(place.file_name());
            return standing_in_.emplace(coroutine.address(), waits_.size()).second;
        });
        const wait_details known = each.what->details();
        if (known.held_since.line() != 0) files_.add(known.held_since.file_name());
        waits_.push_back(std::move(each));
    }
}

std::size_t wait_report::wait_of(std::coroutine_handle<> coroutine) const {
    const auto found = standing_in_.find(coroutine.address());
    return found == standing_in_.end() ? size() : found->second;
}

std::string wait_report::name_of(std::source_location place) const {
    return std::string(files_.shortened(place.file_name())) + ":" + std::to_string(place.line());
}

std::string wait_report::describe(std::size_t index) const {
    const waiter& wait = *waits_[index].what;
    std::vector<std::source_location> places;  // from the inside out
    bool all = true;
    for_each_awaiting(wait.handle, [&](std::coroutine_handle<>, std::source_location place) {
        all = places.size() != most_places;
        if (all) places.push_back(place);
        return all;
    });
    std::string text = wait.waiting_for();
    text += all ? " at " : " at ... -> ";
    for (std::size_t left = places.size(); left-- != 0;) {
        text += name_of(places[left]);
        if (left != 0) text += " -> ";
    }
    const wait_details known = wait.details();
    if (known.held_since.line() == 0) return text;
    text += "; locked at " + name_of(known.held_since);
    if (known.holder != nullptr && wait_of(known.holder) != size()) {
        text += ", its holder waits at " + name_of(promise_of(known.holder).place);
    }
    return text;
}

void wait_report::append_line(std::string& text, std::size_t index, const std::string& note) const {
    const listed_wait& wait = waits_[index];
    text.append(wait.headings).append(2 * std::min(wait.depth, most_indented), ' ');
    text.append(describe(index)).append(note).append(1, '\n');
}

}  // namespace sennit::detail
