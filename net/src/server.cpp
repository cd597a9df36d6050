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
#include <new>
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

bool ran_out(const std::error_code& error) {
    switch (error.value()) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return true;
        default: return false;
    }
}

void complain_about_accept(const std::error_code& error) noexcept {
    try {
        sennit::detail::report(("accept: " + error.message() + "; waiting before the next try").c_str());
    } catch (const std::bad_alloc&) {
        sennit::detail::report("accept: out of memory; waiting before the next try");
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

// What each idle connection takes beside the frame of its handler; a block of the heap has a word of its own.
static_assert(sizeof(void*) != 8 || sizeof(served_socket) + sizeof(void*) <= 80);

served_socket::served_socket(server& owner, accepted_connection&& accepted) noexcept
    : socket_core(owner, accepted.release()) {
    add_reference();
    owner.arrived_.set();
}

server& served_socket::owner() const noexcept {
    return static_cast<server&>(*home());
}

void served_socket::leave() noexcept {
    owner().peers_.leaves(*this);
    owner().ended_.set();
    // Whoever has the stream now may keep it for longer than the server lives.
    if (linked()) move_to(loop().home());
    drop_reference();
}

void served_socket::child_ended(sennit::detail::promise<void>& handler) noexcept {
    server& owner = this->owner();
    served_connection self(this);
    try {
        if (handler.error != nullptr && !is_cancellation(handler.error)) {
            owner.report(*this, std::exchange(handler.error, nullptr));
        }
        // What the handler held is gone when the goodbye has its first turn, and then it shows who else uses the
        // socket.
        if (handler.error == nullptr && owner.draining_.is_set()) owner.start_goodbye(std::move(self));
    } catch (...) {
        handler.error = std::current_exception();
    }
    self.reset();
    owner.connections_.child_ended(handler);
}

bool served_socket::is_draining() const noexcept {
    return owner().draining_.is_set() && references() == 1 && fd() >= 0;
}

server::server(environment where, const serve_options& options)
    : resource_home(*where.loop),
      where_(where),
      options_(options),
      max_connections_(most_connections(options)),
      guard_(where.loop->stop()),
      limits_(options, where.loop->now()),
      retry_(*where.loop, ended_),
      peers_(options),
      connections_(where),
      helpers_(where) {
    accepting_.attach(*where.scope);
}

void server::start() {
    helpers_.spawn(watch_for_stop());
    helpers_.spawn(end_after_timeout());
    if (limits_.exist()) helpers_.spawn(end_long_waits());
}

task<> server::end_long_waits() {
    event_timer pause(*where_.loop, has_become_full_);
    for (;;) {
        // Without connections it sleeps for good: an idle program is not woken for nothing.
        if (resources.empty()) {
            arrived_.reset();
            co_await arrived_.wait();
        }
        if (is_pressed()) {
            co_await sleep_for(limits_.pause(true));
        } else {
            has_become_full_.reset();
            pause.start(limits_.pause(false));
            co_await has_become_full_.wait();
        }
        const std::uint32_t now = limits_.moment(where_.loop->now());
        const bool full = is_pressed();
        for_each_connection([&](served_socket& each) { limits_.look_at(each, now, full); });
    }
}

task<> server::watch_for_stop() {
    co_await where_.loop->stop().requested_event();
    accepting_.cancel();
}

bool server::goes_on_after(std::error_code error) {
    if (error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor) return false;
    if (error == std::errc::connection_aborted || error.value() == EPROTO) {
        ended_.set();  // the next try is due at once
        return true;
    }
    if (!ran_out(error)) throw std::system_error(error, "accept");

    back_off_ = std::clamp(2 * back_off_, first_back_off, longest_back_off);
    has_become_full_.set();
    ended_.reset();
    retry_.start(back_off_);
    if (options_.on_accept_error != nullptr) {
        options_.on_accept_error(error);
    } else if (may_complain()) {
        complain_about_accept(error);
    }
    return true;
}

bool server::admit(const served_socket& connection) {
    back_off_ = duration::zero();
    if (!peers_.admit(connection, options_.counters)) return false;
    if (options_.counters != nullptr) ++options_.counters->served;
    return true;
}

void server::report(const served_socket& connection, std::exception_ptr failure) {
    if (options_.on_error != nullptr) {
        endpoint peer;
        try {
            peer = connection.peer_endpoint();
        } catch (const std::exception&) {
            // The peer is gone, and its name with it; or there is not even memory to say so.
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

void server::start_goodbye(served_connection connection) {
    try {
        connections_.spawn(say_goodbye(std::move(connection)));
    } catch (const std::bad_alloc&) {
        // This connection is closed without a goodbye; the others have theirs.
    }
}

task<> server::say_goodbye(served_connection connection) {
    if (!connection->is_draining()) co_return;
    const socket_ref socket(*connection);
    // Without captures, so its frame holds all it needs.
    const auto finish = [](socket_ref connected) -> task<> {
        const auto finished = co_await as_result(shutdown_awaiter(connected, SHUT_WR));
        if (!finished) co_return;
        connected->resume_receiving();
        std::array<std::byte, 512> ignored;
        for (;;) {
            const auto got = co_await as_result(transfer_awaiter(
                connected, direction::receiving, recv_request{connected->fd(), ignored.data(), ignored.size(), 0}));
            if (!got || *got == 0) co_return;
        }
    };
    try {
        co_await move_on_after(options_.goodbye_timeout, finish(socket));
    } catch (const std::bad_alloc&) {
        // As in `start_goodbye`.
    }
}

task<> server::end_after_timeout() {
    co_await draining_.wait();
    co_await sleep_for(options_.drain_timeout);
    connections_.cancel();
}

void server::begin_draining() noexcept {
    draining_.set();
    for_each_connection([](served_socket& each) { each.end_receiving(); });
}

void server::rethrow(std::exception_ptr failure) {
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

void start_connection(server& owner, connection_handler& handler, accepted_connection accepted) {
    served_connection connection(new served_socket(owner, std::move(accepted)));
    if (!owner.admit(*connection)) return;
    try {
        task<> handling = handler.handle(socket_ref(*connection));
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
        std::error_code failure;
        try {
            auto accepted = co_await as_result(accept_awaiter<accepted_connection>(listener));
            failure = accepted.error();
            if (accepted) start_connection(owner, handler, std::move(*accepted));
        } catch (const std::bad_alloc&) {
            // The connection is closed, as it is when the kernel has no memory for it.
            failure = std::make_error_code(std::errc::not_enough_memory);
        }
        if (failure) {
            if (!owner.goes_on_after(failure)) co_return;
            co_await owner.next_try();
        }
    }
}

}  // namespace

task<> run_server(acceptor_core* listener, connection_handler& handler, serve_options options) {
    const environment where = co_await sennit::detail::current_environment();
    server owner(where, options);

    std::exception_ptr failure;
    co_await sennit::detail::enter_scope(owner.accepting());
    try {
        owner.start();
        co_await accept_all(owner, listener, handler);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await sennit::detail::enter_scope(*where.scope);

    // No coroutine from here on: there may be no memory for one, and the connections have to be waited for.
    if (listener != nullptr) listener->close();
    owner.begin_draining();
    co_await owner.connections().join();
    owner.helpers().cancel();
    co_await owner.helpers().join();
    owner.rethrow(std::move(failure));
}

}  // namespace sennit::net::detail
