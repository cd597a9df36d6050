// A server's life beyond accept and handler. Its one hard idea is the polite end: a connection that drains is told "end
// of stream" by us, not by the kernel, as soon as it has received everything that arrived. Its handler then finishes as
// it would for any client that is done, and afterwards the socket is closed in the order that loses nothing:
// our end of stream goes out, then we wait for the peer's.

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "server.hpp"

#include <sennit/detail/report.hpp>
#include <sennit/detail/scope_entry.hpp>
#include <sennit/net/detail/acceptor_core.hpp>
#include <sennit/net/detail/connection_handler.hpp>
#include <sennit/net/detail/socket_operation.hpp>
#include <sennit/result.hpp>
#include <sennit/sleep.hpp>
#include <sennit/timeout.hpp>

namespace sennit::net::detail {

namespace {

constexpr duration first_back_off = std::chrono::milliseconds(10);
constexpr duration longest_back_off = std::chrono::seconds(1);
constexpr duration between_complaints = std::chrono::seconds(1);
constexpr std::size_t spare_descriptors = 128;

std::size_t most_connections(const serve_options& options) {
    const std::size_t wanted = std::max<std::size_t>(1, options.max_connections);
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
    const auto all = static_cast<std::size_t>(limit.rlim_cur);
    const std::size_t usable = all - std::min(spare_descriptors, all / 2);
    const std::size_t possible = usable / std::max<std::size_t>(1, options.descriptors_per_connection);
    return std::min(wanted, std::max<std::size_t>(1, possible));
}

bool descriptors_ran_out(const std::error_code& error) {
    switch (error.value()) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return true;
        default: return false;
    }
}

bool is_cancellation(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const cancelled&) {
        return true;
    } catch (...) {
        return false;
    }
}

bool peer_went_away(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_reset || error.code() == std::errc::broken_pipe ||
               error.code() == std::errc::timed_out || error.code() == std::errc::not_connected;
    } catch (...) {
        return false;
    }
}

}  // namespace

served_connection::served_connection(server& owner, socket_ref socket, peer_count* counted)
    : owner_(owner), socket_(std::move(socket)), counted_(counted) {
    owner.served_.push_back(*this);
    owner.arrived_.set();
    if (owner.options_.counters != nullptr) ++owner.options_.counters->served;
    if (owner.draining_) socket_->end_receiving();
}

served_connection::~served_connection() {
    unlink();
    if (counted_ != nullptr && --counted_->second == 0) owner_.per_peer_.erase(counted_->first);
    owner_.ended_.set();
}

void served_connection::child_ended(sennit::detail::promise<void>& handler) noexcept {
    server& owner = owner_;
    std::unique_ptr<served_connection> self(this);
    try {
        if (handler.error != nullptr && !is_cancellation(handler.error)) {
            owner.report(*this, std::exchange(handler.error, nullptr));
        }
        // What the handler held is gone when the goodbye has its first turn, and then it shows who else uses the
        // socket.
        if (handler.error == nullptr && owner.draining_) owner.connections_.spawn(owner.say_goodbye(std::move(self)));
    } catch (...) {
        handler.error = std::current_exception();
    }
    self.reset();
    owner.connections_.child_ended(handler);
}

bool served_connection::is_draining() const noexcept {
    return owner_.draining_ && socket_->references() == 1 && socket_->fd() >= 0;
}

server::server(environment where, const serve_options& options)
    : where_(where),
      options_(options),
      max_connections_(most_connections(options)),
      guard_(where.loop->stop()),
      limits_(options, where.loop->now()),
      connections_(where),
      helpers_(where) {
    accepting_.attach(*where.scope);
}

void server::start() {
    helpers_.spawn(watch_for_stop());
    if (limits_.exist()) helpers_.spawn(end_long_waits());
}

task<> server::end_long_waits() {
    for (;;) {
        // Without connections it sleeps for good: an idle program is not woken for nothing.
        if (served_.empty()) {
            arrived_.reset();
            co_await arrived_.wait();
        }
        if (is_pressed()) {
            co_await sleep_for(limits_.pause(true));
        } else {
            has_become_full_.reset();
            co_await move_on_after(limits_.pause(false), has_become_full_.wait());
        }
        const std::uint32_t now = limits_.moment(where_.loop->now());
        const bool full = is_pressed();
        served_.for_each([&](served_connection& each) { limits_.look_at(each.socket(), each.so_far(), now, full); });
    }
}

task<> server::watch_for_stop() {
    co_await where_.loop->stop().requested_event();
    accepting_.cancel();
}

task<bool> server::accept_failed(std::error_code error) {
    if (error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor) co_return false;
    if (error == std::errc::connection_aborted || error.value() == EPROTO) co_return true;
    if (!descriptors_ran_out(error)) throw std::system_error(error, "accept");

    back_off_ = std::clamp(2 * back_off_, first_back_off, longest_back_off);
    has_become_full_.set();
    if (may_complain()) {
        sennit::detail::report(("accept: " + error.message() + "; waiting before the next try").c_str());
    }
    ended_.reset();
    co_await move_on_after(back_off_, ended_.wait());
    co_return true;
}

admission server::admit(const socket_core& socket) {
    back_off_ = duration::zero();
    if (options_.max_connections_per_peer == serve_options::unlimited) return {true, nullptr};
    try {
        const endpoint peer = socket.peer_endpoint();
        if (!peer.is_ip()) return {true, nullptr};
        peer_count& counted = *per_peer_.try_emplace(peer.address(), 0).first;
        if (counted.second >= options_.max_connections_per_peer) {
            if (options_.counters != nullptr) ++options_.counters->refused;
            return {false, nullptr};
        }
        ++counted.second;
        return {true, &counted};
    } catch (const std::system_error&) {
        return {false, nullptr};  // the peer is gone already
    }
}

void server::report(const served_connection& connection, std::exception_ptr failure) {
    if (options_.on_error != nullptr) {
        endpoint peer;
        try {
            peer = connection.socket().peer_endpoint();
        } catch (const std::system_error&) {
            // The peer is gone, and its name with it.
        }
        options_.on_error(peer, std::move(failure));
    } else if (!peer_went_away(failure) && may_complain()) {
        try {
            std::rethrow_exception(failure);
        } catch (...) {
            sennit::detail::report_exception("a connection failed");
        }
    }
}

bool server::may_complain() noexcept {
    const time_point now = where_.loop->now();
    if (now < next_complaint_) return false;
    next_complaint_ = now + between_complaints;
    return true;
}

task<> server::say_goodbye(std::unique_ptr<served_connection> connection) {
    if (!connection->is_draining()) co_return;
    const socket_ref socket = connection->reference();
    // Without captures, so its frame holds all it needs.
    const auto finish = [](socket_ref connected) -> task<> {
        const auto finished = co_await as_result(
            plain_awaiter(connected, direction::sending, shutdown_request{connected->fd(), SHUT_WR}));
        if (!finished) co_return;
        connected->resume_receiving();
        std::array<std::byte, 512> ignored;
        for (;;) {
            const auto got = co_await as_result(transfer_awaiter(
                connected, direction::receiving, recv_request{connected->fd(), ignored.data(), ignored.size(), 0}));
            if (!got || *got == 0) co_return;
        }
    };
    co_await move_on_after(options_.goodbye_timeout, finish(socket));
}

task<> server::end_after_timeout() {
    co_await sleep_for(options_.drain_timeout);
    connections_.cancel();
}

task<> server::drain(std::exception_ptr failure) {
    draining_ = true;
    served_.for_each([](served_connection& each) { each.socket().end_receiving(); });
    helpers_.spawn(end_after_timeout());
    co_await connections_.join();
    helpers_.cancel();
    co_await helpers_.join();

    const bool only_asked_to_stop = accepting_.is_cancelled() && !where_.scope->is_cancelled();
    if (failure != nullptr) {
        try {
            std::rethrow_exception(std::move(failure));
        } catch (const cancelled&) {
            if (!only_asked_to_stop) throw;
        }
    }
    helpers_.rethrow();
    connections_.rethrow();
}

namespace {

void start_connection(server& owner, connection_handler& handler, socket_ref socket, peer_count* counted) {
    auto connection = std::make_unique<served_connection>(owner, socket, counted);
    try {
        task<> handling = handler.handle(std::move(socket));
        owner.run(std::move(handling), std::move(connection));
    } catch (...) {
        owner.report(*connection, std::current_exception());
    }
}

task<> accept_all(server& owner, acceptor_core* listener, connection_handler& handler) {
    for (;;) {
        if (owner.is_full()) {
            co_await owner.room();
            continue;
        }
        auto accepted = co_await as_result(accept_awaiter<socket_ref>(listener));
        if (!accepted) {
            const bool go_on = co_await owner.accept_failed(accepted.error());
            if (!go_on) co_return;
            continue;
        }
        const admission decision = owner.admit(*accepted->get());
        if (!decision.granted) continue;
        start_connection(owner, handler, std::move(*accepted), decision.counted);
    }
}

}  // namespace

task<> run_server(acceptor_core* listener, connection_handler& handler, serve_options options) {
    const environment where = co_await sennit::detail::current_environment();
    server owner(where, options);
    owner.start();

    std::exception_ptr failure;
    co_await sennit::detail::enter_scope(owner.accepting());
    try {
        co_await accept_all(owner, listener, handler);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await sennit::detail::enter_scope(*where.scope);

    if (listener != nullptr) listener->close();
    co_await owner.drain(std::move(failure));
}

}  // namespace sennit::net::detail
