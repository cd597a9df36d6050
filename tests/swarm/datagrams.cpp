// Datagrams in every way of sending and receiving. The one hard idea: so few are on their way at a time that there is
// always room for them; so whatever is missing while nothing goes wrong has been lost by sennit.

#include "datagrams.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/task_group.hpp>
#include <sennit/timeout.hpp>

#include "dice.hpp"

namespace sennit::swarm {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t largest = 4096;
constexpr std::size_t largest_of_batches = 1024;  // at the peer; what is longer is cut off and echoed so
constexpr std::size_t small_room = 64;
constexpr std::size_t room_of_turn = 30'000;
constexpr duration longest_attempt = 10s;  // while things go wrong, as is the next
constexpr duration longest_lull = 300ms;
constexpr duration shortest_wait = 20us;  // of those who cancel their receives

/// What a datagram takes of a receive buffer of the kernel at the most.
constexpr std::size_t cost(std::size_t size) noexcept {
    return 2 * size + 1024;
}

class returned_turn {
  public:
    explicit returned_turn(semaphore& owner) noexcept : owner_(owner) {}
    returned_turn(const returned_turn&) = delete;
    returned_turn& operator=(const returned_turn&) = delete;
    ~returned_turn() { owner_.release(); }

  private:
    semaphore& owner_;
};

}  // namespace

struct datagrams::errand {
    explicit errand(net::udp_socket opened) : socket(std::move(opened)), home(socket.local_endpoint()) {}

    net::udp_socket socket;
    net::endpoint home;
    net::endpoint server;
    bool is_connected = false;
    bool sends_batches = false;
    bool receives_batches = false;
    bool is_impatient = false;  // cancels its receives
    bool is_quiet = false;      // nothing may get lost
    std::size_t room = largest;
    std::vector<std::uint64_t> missing;
};

task<> datagrams::listen(net::endpoint one, net::endpoint other) {
    each_.emplace(co_await net::udp_socket::bind(one));
    batches_.emplace(co_await net::udp_socket::bind(other));
    to_each_ = each_->local_endpoint();
    to_batches_ = batches_->local_endpoint();
}

task<> datagrams::serve() {
    co_await with_task_group([this](task_group& group) -> task<> {
        group.spawn(serve_each(std::move(*each_)));
        co_await serve_batches(std::move(*batches_));
    });
}

bool datagrams::goes_on(std::error_code failure) {
    if (!failure || !where_->is_quiet()) return true;
    found_->note("the peer's datagram socket failed: " + failure.message());
    return false;
}

task<> datagrams::serve_each(net::udp_socket socket) {
    std::vector<std::byte> buffer(2 * largest);
    for (;;) {
        const auto got = co_await as_result(socket.recv_from(buffer));
        if (!goes_on(got.error())) co_return;
        if (!got) continue;
        const const_bytes bytes = const_bytes(buffer).first(got->size);
        bool may_double = false;
        std::uint64_t number = 0;
        found_->of([&] {
            number = ledger_.hears(side::server, bytes, buffer.size(), got->truncated, got->sender);
            may_double = where_->may_double();
            ledger_.sends(side::server, number, bytes.size(), may_double);
        });
        const auto sent = co_await as_result(socket.send_to(bytes, got->sender));
        if (!goes_on(sent.error())) co_return;
        if (!sent) found_->of([&] { ledger_.was_refused(side::server, number, may_double); });
    }
}

task<> datagrams::serve_batches(net::udp_socket socket) {
    net::datagram_batch batch(8, largest_of_batches);
    std::vector<std::uint64_t> numbers;
    for (;;) {
        const auto got = co_await as_result(socket.recv_batch(batch));
        if (!goes_on(got.error())) co_return;
        if (!got) continue;
        const bool may_double = where_->may_double();
        numbers.clear();
        found_->of([&] {
            for (const auto each : batch) {
                numbers.push_back(
                    ledger_.hears(side::server, each.bytes(), batch.longest(), each.truncated(), each.peer()));
                ledger_.sends(side::server, numbers.back(), each.bytes().size(), may_double);
            }
        });
        if (numbers.size() != batch.size()) co_return;  // that was a complaint
        const auto sent = co_await as_result(socket.send_batch(batch));
        if (!goes_on(sent.error())) co_return;
        if (!sent) continue;
        found_->of([&] {
            for (std::size_t i = 0; i != batch.size(); ++i) {
                if (batch[i].error()) ledger_.was_refused(side::server, numbers[i], may_double);
            }
        });
    }
}

task<> datagrams::exchange(std::uint64_t choices) {
    co_await turns_.acquire();
    const returned_turn later(turns_);
    for (;;) {
        if (where_->is_quiet()) {
            const auto done = co_await as_result(attempt(choices));
            if (!done) found_->note("datagrams failed for no reason: " + done.error().message());
            co_return;
        }
        const auto done = co_await as_result(with_timeout(longest_attempt, attempt(choices)));
        if (done) co_return;
        co_await sleep_for(100ms);
    }
}

task<> datagrams::attempt(std::uint64_t choices) {
    dice random(choices);
    const bool to_batches = random.percent(50);
    const net::endpoint server = to_batches ? to_batches_ : to_each_;
    const bool is_connected = random.percent(50);
    std::optional<errand> made;
    if (is_connected) {
        made.emplace(co_await net::udp_socket::connect(server));
    } else {
        made.emplace(co_await net::udp_socket::bind(home_));
    }
    errand& what = *made;
    what.server = server;
    what.is_connected = is_connected;
    what.is_quiet = where_->is_quiet();
    what.sends_batches = random.percent(50);
    what.receives_batches = random.percent(50);
    what.is_impatient = random.percent(50);
    if (random.percent(30)) what.room = small_room;
    std::size_t costs = 0;
    for (std::uint64_t left = 1 + random.below(12); left != 0; --left) {
        const std::size_t size = random.percent(10) ? 0 : random.below(std::uint64_t{1} << (1 + random.below(12)));
        costs += cost(std::max(size, datagram_ledger::shortest));
        if (costs > room_of_turn) break;
        what.missing.push_back(ledger_.write(size, what.home));
    }
    while (!what.missing.empty()) {
        if (what.sends_batches) {
            co_await send_batch(what);
        } else {
            co_await send_each(what);
        }
        co_await receive(what);
    }
}

task<> datagrams::send_each(errand& what) {
    const std::vector<std::uint64_t> numbers = what.missing;
    for (const std::uint64_t each : numbers) {
        const std::vector<std::byte> text = ledger_.text(each);
        const bool may_double = where_->may_double();
        ledger_.sends(side::client, each, text.size(), may_double);
        std::error_code failure;
        if (what.is_connected) {
            const auto sent = co_await as_result(what.socket.send(text));
            failure = sent.error();
        } else {
            const auto sent = co_await as_result(what.socket.send_to(text, what.server));
            failure = sent.error();
        }
        if (!failure) continue;
        found_->of([&] { ledger_.was_refused(side::client, each, may_double); });
        throw std::system_error(failure);
    }
}

task<> datagrams::send_batch(errand& what) {
    net::datagram_batch batch(what.missing.size(), largest);
    const bool may_double = where_->may_double();
    const std::vector<std::uint64_t> numbers = what.missing;
    for (const std::uint64_t each : numbers) {
        const std::vector<std::byte> text = ledger_.text(each);
        if (what.is_connected) {
            batch.push_back(text);
        } else {
            batch.push_back(text, what.server);
        }
        ledger_.sends(side::client, each, text.size(), may_double);
    }
    const std::size_t sent = co_await what.socket.send_batch(batch);
    std::error_code failure;
    std::size_t refused = 0;
    for (std::size_t i = 0; i != numbers.size(); ++i) {
        if (!batch[i].error()) continue;
        failure = batch[i].error();
        ++refused;
        found_->of([&] { ledger_.was_refused(side::client, numbers[i], may_double); });
    }
    if (sent + refused != numbers.size()) found_->note("a batch counts what it has sent in another way");
    if (failure) throw std::system_error(failure);
}

task<> datagrams::receive(errand& what) {
    duration wait = shortest_wait;
    while (!what.missing.empty()) {
        if (!what.is_quiet) {
            const bool heard = co_await move_on_after(longest_lull, receive_some(what));
            if (!heard) co_return;
        } else if (what.is_impatient) {
            co_await move_on_after(wait, receive_some(what));
            wait *= 2;
        } else {
            co_await receive_some(what);
        }
    }
}

task<> datagrams::receive_some(errand& what) {
    if (what.receives_batches) {
        net::datagram_batch batch(4, what.room);
        co_await what.socket.recv_batch(batch);
        for (const auto each : batch) has_heard(what, each.bytes(), each.truncated(), each.peer());
    } else {
        std::vector<std::byte> buffer(what.room);
        const net::datagram got = co_await what.socket.recv_from(buffer);
        has_heard(what, const_bytes(buffer).first(got.size), got.truncated, got.sender);
    }
}

void datagrams::has_heard(errand& what, const_bytes bytes, bool truncated, const net::endpoint& sender) {
    if (sender != what.server) {
        // The echo for an earlier socket that had the same port may come from the other of the peer's sockets.
        const bool is_the_peers = sender == to_each_ || sender == to_batches_;
        if (what.is_connected || !is_the_peers) found_->note("a datagram came from " + sender.to_string());
    }
    found_->of([&] {
        const std::uint64_t number = ledger_.hears(side::client, bytes, what.room, truncated, what.home);
        const auto found = std::find(what.missing.begin(), what.missing.end(), number);
        if (found != what.missing.end()) what.missing.erase(found);
    });
}

}  // namespace sennit::swarm
