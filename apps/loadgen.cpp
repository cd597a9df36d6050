// loadgen: puts an echo server under load, checks every byte that comes back, and tells how fast it was

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sennit/sennit.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/byte_pattern.hpp"
#include "common/command_line.hpp"
#include "common/load_report.hpp"
#include "common/program.hpp"
#include "common/progress_bar.hpp"
#include "common/resolve.hpp"

using namespace sennit;
using namespace std::chrono_literals;

struct options : app::client_flags {
    std::string protocol;
    std::uint64_t connections = 64;
    std::uint64_t size = 64;     // bytes of a message
    std::uint64_t depth = 1;     // messages on their way, for each connection
    std::uint64_t messages = 0;  // for each connection; 0: as many as there is time for
    duration length = 2s;
    duration warm_up = 0s;
    duration timeout = 2s;
    bool json = false;
};

// What all connections share. A message is `started` when it is sent and `answered` when all of it has come back.
struct load {
    load(const options& wanted, event_loop& on, net::endpoint target) : flags(wanted), loop(on), server(target) {}

    bool may_start(std::uint64_t started_by_connection) const {
        return !ending && (flags.messages == 0 || started_by_connection < flags.messages);
    }
    void count_answer(time_point sent_at, time_point now) {
        ++answered;
        if (counting) report.latencies.record(now - sent_at);
    }

    const options& flags;
    event_loop& loop;
    net::endpoint server;
    app::byte_pattern pattern;
    semaphore connecting{256};  // attempts at the same time: a server's backlog is finite
    std::uint64_t connected = 0;
    std::uint64_t running = 0;  // connections that have not ended
    event start;                // all are connected
    bool counting = false;
    bool ending = false;
    std::uint64_t started = 0;
    std::uint64_t answered = 0;
    app::load_report report;
};

// ---- TCP: one task sends, one receives, so that messages longer than all socket buffers cannot block each other.

struct tcp_flow {
    tcp_flow(load& owner, std::uint64_t number) : all(owner), first_byte(number * 7919), sent_at(owner.flags.depth) {}

    load& all;
    const std::uint64_t first_byte;   // where in the pattern this connection begins; each elsewhere
    std::vector<time_point> sent_at;  // of the messages on their way: message n at n % depth
    std::uint64_t to_start = 0;       // messages that the sender should send now
    std::uint64_t started = 0;
    std::uint64_t answered = 0;
    bool finished = false;
    event changed;  // `to_start` or `finished`
};

task<> send_messages(net::tcp_stream& stream, tcp_flow& flow) {
    load& all = flow.all;
    std::uint64_t position = flow.first_byte;
    while (!flow.finished) {
        const std::uint64_t messages = std::exchange(flow.to_start, 0);
        const time_point now = all.loop.now();
        for (std::uint64_t i = 0; i != messages; ++i) flow.sent_at[flow.started++ % flow.sent_at.size()] = now;
        all.started += messages;
        for (std::uint64_t left = messages * all.flags.size; left != 0;) {
            const auto size = std::min<std::uint64_t>(left, app::byte_pattern::longest_piece);
            co_await stream.send(all.pattern.piece(position, size));
            position += size;
            left -= size;
        }
        if (flow.to_start == 0 && !flow.finished) {
            flow.changed.reset();
            co_await flow.changed.wait();
        }
    }
}

task<> receive_answers(net::tcp_stream& stream, tcp_flow& flow) {
    load& all = flow.all;
    const std::uint64_t size = all.flags.size;
    std::vector<std::byte> buffer(std::min<std::uint64_t>(size * all.flags.depth, 65536));
    std::uint64_t received = 0;
    while (!flow.finished) {
        const std::size_t count = co_await stream.recv(buffer);
        if (count == 0)
            throw std::system_error(std::make_error_code(std::errc::connection_reset), "closed by the server");
        const bool expected = received + count <= flow.started * size;
        if (!expected || !all.pattern.matches(flow.first_byte + received, const_bytes(buffer).first(count))) {
            ++all.report.mismatched;
            throw std::system_error(std::make_error_code(std::errc::bad_message), "something else came back");
        }
        received += count;
        const time_point now = all.loop.now();
        for (; flow.answered != received / size; ++flow.answered) {
            all.count_answer(flow.sent_at[flow.answered % flow.sent_at.size()], now);
            if (all.may_start(flow.started + flow.to_start)) ++flow.to_start;
        }
        flow.finished = flow.answered == flow.started + flow.to_start;
        if (flow.to_start != 0 || flow.finished) flow.changed.set();
    }
}

task<net::tcp_stream> connect_within_limit(load& all) {
    co_await all.connecting.acquire();
    auto stream = co_await as_result(net::tcp_stream::connect(all.server));
    all.connecting.release();
    co_return std::move(stream).value();
}

task<> run_tcp(load& all, std::uint64_t number) {
    auto stream = co_await connect_within_limit(all);
    ++all.connected;
    co_await all.start.wait();
    tcp_flow flow(all, number);
    while (flow.to_start < all.flags.depth && all.may_start(flow.to_start)) ++flow.to_start;
    flow.finished = flow.to_start == 0;
    co_await when_all(send_messages(stream, flow), receive_answers(stream, flow));
}

// ---- UDP: each datagram begins with its number, so that an answer is known even when others are lost.

struct udp_message {
    std::uint64_t number = 0;
    time_point sent_at{};
    bool on_its_way = false;
};

class udp_flow {
  public:
    udp_flow(load& owner, net::udp_socket& to)
        : all_(owner), socket_(to), messages_(owner.flags.depth), text_(owner.flags.size) {
        for (std::size_t i = 0; i != messages_.size(); ++i) messages_[i].number = i;
    }

    task<> run() {
        std::vector<std::byte> buffer(all_.flags.size + 1);  // one more, to notice what is too long
        for (udp_message& each : messages_) co_await send(each);
        while (on_their_way_ != 0) {
            const auto got = co_await move_on_after(all_.flags.timeout, socket_.recv(buffer));
            if (got) {
                udp_message* const answered = take(const_bytes(buffer).first(got->size));
                if (answered != nullptr) co_await send(*answered);
            }
            if (all_.loop.now() < next_look_) continue;
            next_look_ = all_.loop.now() + all_.flags.timeout / 4;
            for (udp_message& each : messages_) {
                if (!each.on_its_way || all_.loop.now() - each.sent_at < all_.flags.timeout) continue;
                give_up(each);
                co_await send(each);
            }
        }
    }

  private:
    /// Sends this message, if there is to be another one, under its next number.
    task<> send(udp_message& message) {
        if (!all_.may_start(started_)) co_return;
        message.number += messages_.size();
        message.sent_at = all_.loop.now();
        message.on_its_way = true;
        ++on_their_way_;
        ++started_;
        ++all_.started;
        std::memcpy(text_.data(), &message.number, sizeof message.number);
        const const_bytes rest = rest_of(message.number);
        std::copy_n(rest.data(), rest.size(), text_.data() + sizeof message.number);
        co_await socket_.send(text_);
    }

    /// The message that this is the answer to, if one waits for it.
    udp_message* take(const_bytes answer) {
        std::uint64_t number = 0;
        const bool whole = answer.size() == text_.size();
        if (whole) std::memcpy(&number, answer.data(), sizeof number);
        udp_message& message = messages_[number % messages_.size()];
        if (!whole || number > message.number || answer.subspan(sizeof number).text() != rest_of(number).text()) {
            ++all_.report.mismatched;
            return nullptr;
        }
        if (number != message.number || !message.on_its_way) {
            ++all_.report.late;
            return nullptr;
        }
        give_up(message);
        all_.count_answer(message.sent_at, all_.loop.now());
        return &message;
    }

    void give_up(udp_message& message) {
        message.on_its_way = false;
        --on_their_way_;
    }

    const_bytes rest_of(std::uint64_t number) const {
        return all_.pattern.piece(number * 7919, text_.size() - sizeof number);
    }

    load& all_;
    net::udp_socket& socket_;
    std::vector<udp_message> messages_;  // `depth` of them, with numbers that are `depth` apart
    std::vector<std::byte> text_;
    std::uint64_t on_their_way_ = 0;
    std::uint64_t started_ = 0;
    time_point next_look_ = time_point::min();
};

task<> run_udp(load& all) {
    auto socket = co_await net::udp_socket::connect(all.server);
    ++all.connected;
    co_await all.start.wait();
    udp_flow flow(all, socket);
    co_await flow.run();
}

// ---- The course of the test.

task<> run_connection(load& all, std::uint64_t number) {
    try {
        if (all.flags.protocol == "tcp") {
            co_await run_tcp(all, number);
        } else {
            co_await run_udp(all);
        }
    } catch (const std::system_error& error) {
        ++all.report.broken_connections;
        if (all.report.first_trouble.empty()) all.report.first_trouble = error.what();
    }
    --all.running;
}

// Waits until `done()`, a moment longer at the most, and shows how far it is. False when there is no point in waiting
// on: the user has had enough, nothing is left that runs, or nothing comes back any more.
template <class Done, class Part>
task<bool> wait_until(load& all, Done done, Part part) {
    app::progress_bar bar;
    // A datagram may have been lost when nothing has come for as long as it is waited for; the next one is the proof.
    const duration longest_silence = all.flags.protocol == "udp" ? 2 * all.flags.timeout : all.flags.timeout;
    std::uint64_t answered = all.answered + all.connected;
    time_point give_up = all.loop.now() + longest_silence;
    while (!done()) {
        co_await sleep_for(20ms);
        if (all.answered + all.connected != answered) give_up = all.loop.now() + longest_silence;
        answered = all.answered + all.connected;
        const bool had_enough = all.loop.stop().requested() && !all.ending;
        if (had_enough || all.running == 0 || all.loop.now() > give_up) co_return done();
        bar.show(part(), fmt::format("{} connected, {} messages", all.connected, all.answered));
    }
    co_return true;
}

task<> conduct(load& all, task_group& connections) {
    const options& flags = all.flags;
    for (std::uint64_t i = 0; i != flags.connections; ++i) connections.spawn(run_connection(all, i));
    all.running = flags.connections;

    const auto all_connected = [&] { return all.connected == flags.connections; };
    const auto part_connected = [&] {
        return static_cast<double>(all.connected) / static_cast<double>(flags.connections);
    };
    const bool ready = co_await wait_until(all, all_connected, part_connected);

    if (ready) {
        all.start.set();
        const bool timed = flags.messages == 0;
        if (timed) co_await sleep_for(flags.warm_up);
        all.counting = true;
        const time_point begin = all.loop.now();
        const auto part = [&] {
            if (timed) return std::chrono::duration<double>(all.loop.now() - begin) / flags.length;
            return static_cast<double>(all.answered) / static_cast<double>(flags.messages * flags.connections);
        };
        const auto done = [&] { return timed ? all.loop.now() - begin >= flags.length : all.running == 0; };
        co_await wait_until(all, done, part);
        all.counting = false;
        all.report.elapsed = all.loop.now() - begin;
        all.ending = true;
        // What is on its way may still come back.
        const auto all_ended = [&] { return all.running == 0; };
        const auto whole = [] { return 1.0; };
        co_await wait_until(all, all_ended, whole);
    }
    connections.cancel();
}

task<int> generate(const options& flags) {
    event_loop& loop = co_await current_loop();
    // Ctrl-C ends the measurement, which is then reported; it does not cancel.
    const stop_state::drain_guard reporting(loop.stop());
    const net::endpoint server = co_await app::resolve(flags);
    load all(flags, loop, server);
    co_await with_task_group([&](task_group& connections) { return conduct(all, connections); });

    app::load_report& report = all.report;
    report.lost = all.started - all.answered;
    report.not_connected = flags.connections - all.connected;
    const app::load_description load{flags.protocol,    server.to_string(), std::string(loop.backend_name()),
                                     flags.connections, flags.size,         flags.depth};
    if (flags.json) {
        report.print_json(load);
    } else {
        report.print(load);
    }
    co_return report.is_good() ? 0 : 1;
}

int main(int argc, char** argv) {
    options flags;
    app::command_line(
        "Puts an echo server under load: each connection keeps DEPTH messages on their way and sends a new one\n"
        "for each that comes back. Every byte is checked. Status 1 when something was lost or wrong.")
        .choice("PROTOCOL", flags.protocol, {"tcp", "udp"}, "tcp or udp")
        .add(flags)
        .number("--connections", flags.connections, 1, 1'000'000, "connections at the same time")
        .number("--size", flags.size, 1, 16 << 20, "bytes of a message (for udp 8 to 65507)")
        .number("--depth", flags.depth, 1, 65536, "messages on their way on each connection")
        .number("--messages", flags.messages, 0, 1'000'000'000,
                "ends after so many on each connection; 0: after --duration")
        .time("--duration", flags.length, "how long to measure")
        .time("--warm-up", flags.warm_up, "how long to run before that")
        .time("--timeout", flags.timeout,
              "when to give up a datagram, and a server from which nothing comes (of datagrams: twice as long)")
        .flag("--json", flags.json, "prints the result as one JSON object")
        .parse(argc, argv);
    if (flags.protocol == "udp" && (flags.size < 8 || flags.size > 65507)) {
        app::refuse(fmt::format("--size: '{}' does not fit a datagram; write a number from 8 to 65507", flags.size));
    }
    if (flags.connections + 64 > app::descriptor_limit()) {
        app::refuse(fmt::format(
            "--connections: '{}' needs as many descriptors, and {} are allowed here (ulimit -Hn); write less",
            flags.connections, app::descriptor_limit()));
    }
    return app::run(flags, generate(flags));
}
