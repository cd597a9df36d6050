// Connecting to one of several endpoints (Happy Eyeballs, RFC 8305). Its one hard idea: the race ends in one place. An
// attempt only leaves its connection or its error behind; whoever started it looks, cancels the others and waits for
// their end. So a second connection in the same moment is closed like any unused stream, and nothing is left behind.

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <sennit/detail/scope_entry.hpp>
#include <sennit/event.hpp>
#include <sennit/net/connect.hpp>
#include <sennit/net/detail/lookup.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

namespace sennit::net {

namespace {

constexpr duration shortest_delay = std::chrono::milliseconds(10);

/// Families in turn, beginning with that of the first, each in its own order. Source: RFC 8305, section 4, with a
/// First Address Family Count of 1.
std::vector<endpoint> interleaved(const std::vector<endpoint>& candidates) {
    std::vector<endpoint> queues[2];  // of the first one's family, and of the other
    for (const endpoint& each : candidates) {
        queues[each.family() == candidates.front().family() ? 0 : 1].push_back(each);
    }
    std::vector<endpoint> order;
    order.reserve(candidates.size());
    for (std::size_t i = 0; order.size() != candidates.size(); ++i) {
        for (const auto& queue : queues) {
            if (i < queue.size()) order.push_back(queue[i]);
        }
    }
    return order;
}

class connection_race {
  public:
    explicit connection_race(std::vector<endpoint> order) : order_(std::move(order)), errors_(order_.size()) {}

    /// Starts one attempt after the other, until there is a winner or all have failed.
    task<> run(task_group& attempts, duration delay) {
        for (std::size_t next = 0; next != order_.size() && !winner_; ++next) {
            news_.reset();
            attempts.spawn(attempt(next));
            co_await move_on_after(delay, news_.wait());
        }
        while (!winner_ && failed_ != order_.size()) {
            news_.reset();
            co_await news_.wait();
        }
        attempts.cancel();
    }

    std::optional<tcp_stream>& winner() noexcept { return winner_; }

    [[noreturn]] void throw_failure(const std::string& name) const {
        std::string text = "connect to ";
        if (order_.size() == 1) {
            const std::string only = order_.front().to_string();
            text += name.empty() || name == only ? only : name + " (" + only + ")";
        } else {
            text += name.empty() ? "any of " + std::to_string(order_.size()) + " endpoints" : name;
            for (std::size_t i = 0; i != order_.size(); ++i) {
                text += (i == 0 ? " (" : "; ") + order_[i].to_string() + ": " + errors_[i].message();
            }
            text += ")";
        }
        throw std::system_error(errors_.front(), text);
    }

  private:
    task<> attempt(std::size_t index) {
        try {
            tcp_stream stream = co_await tcp_stream::connect(order_[index]);
            if (!winner_) winner_.emplace(std::move(stream));
        } catch (const std::system_error& error) {
            errors_[index] = error.code();
            ++failed_;
        }
        news_.set();
    }

    std::vector<endpoint> order_;
    std::vector<std::error_code> errors_;  // of order_
    std::size_t failed_ = 0;
    std::optional<tcp_stream> winner_;
    event news_;
};

task<tcp_stream> connect_to_first(std::string name, std::vector<endpoint> candidates, connect_options options) {
    const environment where = co_await sennit::detail::current_environment();
    connection_race race(interleaved(candidates));
    task_group attempts(where);

    co_await sennit::detail::enter_scope(attempts.scope());
    try {
        co_await race.run(attempts, std::max(options.attempt_delay, shortest_delay));
    } catch (...) {
        attempts.failed(std::current_exception());
    }
    co_await sennit::detail::enter_scope(*where.scope);

    co_await attempts.join();
    // The result wins: a connection that stands is given even when the scope was cancelled meanwhile.
    if (!race.winner()) {
        attempts.rethrow();
        race.throw_failure(name);
    }
    co_return std::move(*race.winner());
}

}  // namespace

task<tcp_stream> connect(std::string host, std::uint16_t port, connect_options options) {
    const bool has_colon = host.find(':') != std::string::npos;
    const std::string shown = detail::printable_host(host);
    std::string name = (has_colon ? "[" + shown + "]" : shown) + ":" + std::to_string(port);
    resolve_options wanted;
    wanted.family = options.family;
    std::vector<endpoint> candidates = co_await resolve(std::move(host), port, wanted);
    tcp_stream stream = co_await connect_to_first(std::move(name), std::move(candidates), options);
    co_return stream;
}

task<tcp_stream> connect_any(std::vector<endpoint> candidates, connect_options options) {
    if (candidates.empty()) throw std::invalid_argument("net::connect_any: there is no endpoint to connect to");
    for (const endpoint& each : candidates) {
        if (!each.is_ip()) {
            throw std::invalid_argument("net::connect_any: '" + each.to_string() +
                                        "' is no IP endpoint; use net::unix_stream for it");
        }
    }
    tcp_stream stream = co_await connect_to_first(std::string(), std::move(candidates), options);
    co_return stream;
}

}  // namespace sennit::net
