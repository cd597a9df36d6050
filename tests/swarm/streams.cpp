// Streams, and both of their ends. The one hard idea: a client begins with the number of its conversation, so that the
// end that echoes knows with whom it speaks, and each end writes down in one ledger what it says before it says it.

#include "streams.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sennit/net/serve.hpp>
#include <sennit/sleep.hpp>
#include <sennit/timeout.hpp>
#include <sennit/when_all.hpp>

#include "dice.hpp"

namespace sennit::swarm {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t chunk = 5000;
constexpr duration longest_echo = 10s;  // of a connection, while things go wrong
constexpr duration promptly = 30s;      // whatever TCP still has to send again by then

}  // namespace

/// A connection that the server has not ended.
class streams::visit {
  public:
    explicit visit(streams& all) noexcept : all_(all) { ++all_.served_; }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit() {
        if (--all_.served_ == 0) all_.none_served_.set();
    }

  private:
    streams& all_;
};

/// The part of one side in a conversation: its end is written down before its stream is closed.
class streams::part {
  public:
    part(streams& all, conversation& talk, side who) noexcept : all_(all), talk_(talk), who_(who) {}
    part(const part&) = delete;
    part& operator=(const part&) = delete;
    ~part() {
        talk_.said.finishes(who_);
        (who_ == side::client ? talk_.ended_by_client : talk_.ended_by_server) = all_.where_->now();
        if (who_ == side::client) talk_.ended_in_quiet = all_.where_->is_quiet();
    }

  private:
    streams& all_;
    conversation& talk_;
    side who_;
};

task<> streams::listen(net::endpoint address) {
    listener_.emplace(co_await net::tcp_listener::bind(address));
    address_ = listener_->local_endpoint();
}

task<> streams::serve() {
    net::serve_options options;
    options.on_accept_error = [](std::error_code) {};  // some accepts are made to fail
    const auto handler = [this](net::tcp_stream peer) { return answer(std::move(peer)); };
    co_await net::serve(*listener_, handler, options);
}

task<> streams::answer(net::tcp_stream peer) {
    const visit counted(*this);
    try {
        co_await converse(peer);
    } catch (const std::system_error&) {
        // The client has gone, or something went wrong on the way.
    }
}

task<> streams::converse(net::tcp_stream& peer) {
    std::array<std::byte, sizeof(std::uint64_t)> header;
    const std::size_t heard = co_await peer.recv_exactly(header);
    if (heard != header.size()) co_return;  // it gave up early
    std::uint64_t number = 0;
    std::memcpy(&number, header.data(), sizeof number);
    if (number >= conversations_.size()) {
        found_->note("a stream began with the number " + std::to_string(number) + ", which nobody has sent");
        co_return;
    }
    conversation& talk = conversations_[number];
    const part here(*this, talk, side::server);
    talk.was_answered = true;
    bool has_ended_half = false;
    while (const auto lease = co_await peer.recv_lease()) {
        found_->of([&] { talk.said.hears(side::server, lease); });
        const bool is_enough = talk.how != manner::echo && talk.said.heard(side::server) > talk.echoed_at_most;
        if (is_enough && talk.how == manner::hang_up) co_return;
        if (is_enough && !has_ended_half) {
            has_ended_half = true;
            talk.said.finishes(side::server);
            co_await peer.shutdown_send();
        }
        if (has_ended_half) continue;
        talk.said.sends(side::server, lease.size());
        co_await peer.send(lease);
        talk.said.has_sent(side::server, lease.size());
    }
    found_->of([&] { talk.said.hears_the_end(side::server); });
}

task<> streams::transfer(std::size_t id, std::size_t size) {
    // The server is odd at the first attempt alone, or it would take chance for all to get through.
    dice random(id);
    manner how = static_cast<manner>(random.below(3));
    for (;;) {
        conversation& talk = conversations_.emplace_back(conversations_.size(), how, random.below(size + 1));
        how = manner::echo;
        const bool is_quiet = where_->is_quiet();
        std::error_code broken;
        if (is_quiet) {
            const auto done = co_await as_result(echo_once(size, talk));
            broken = done.error();
        } else {
            const auto done = co_await as_result(with_timeout(longest_echo, echo_once(size, talk)));
            broken = done.error();
        }
        if (!broken) co_return;
        if (!is_quiet) {
            co_await sleep_for(100ms);
        } else if (talk.how == manner::echo) {
            found_->note("stream " + std::to_string(talk.said.number()) + " broke for no reason: " + broken.message());
        }
    }
}

task<> streams::echo_once(std::size_t size, conversation& talk) {
    auto stream = co_await net::tcp_stream::connect(address_);
    const part here(*this, talk, side::client);
    co_await when_all(send_all(stream, size, talk), receive_all(stream, size, talk));
}

task<> streams::send_all(net::tcp_stream& stream, std::size_t size, conversation& talk) {
    const std::uint64_t number = talk.said.number();
    std::array<std::byte, sizeof number> header;
    std::memcpy(header.data(), &number, sizeof number);
    co_await stream.send(header);
    std::vector<std::byte> bytes;
    for (std::size_t sent = 0; sent != size; sent += bytes.size()) {
        bytes.resize(std::min(chunk, size - sent));
        for (std::size_t i = 0; i != bytes.size(); ++i) bytes[i] = talk.said.at(sent + i);
        talk.said.sends(side::client, bytes.size());
        co_await stream.send(bytes);
        talk.said.has_sent(side::client, bytes.size());
    }
    talk.said.finishes(side::client);
    co_await stream.shutdown_send();
}

task<> streams::receive_all(net::tcp_stream& stream, std::size_t size, conversation& talk) {
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = co_await stream.recv(buffer)) {
        found_->of([&] { talk.said.hears(side::client, const_bytes(buffer).first(count)); });
        bytes_ += count;
    }
    // Where not even the number has been heard, the server did not know whom to take leave of.
    if (talk.was_answered) found_->of([&] { talk.said.hears_the_end(side::client); });
    if (talk.said.heard(side::client) != size) {
        throw std::system_error(std::make_error_code(std::errc::connection_aborted));
    }
}

task<> streams::all_ended() {
    while (served_ != 0) {
        none_served_.reset();
        co_await none_served_.wait();
    }
}

void streams::must_have_ended_promptly() {
    for (const conversation& each : conversations_) {
        if (!each.ended_in_quiet || !each.ended_by_server) continue;
        if (*each.ended_by_server <= *each.ended_by_client + promptly) continue;
        found_->note("stream " + std::to_string(each.said.number()) + ": the server did not notice its end");
    }
}

}  // namespace sennit::swarm
