// The backend of a simulated host: operations between their submission and their completion. Its one hard idea is that
// everything the kernels leave open is decided by the seed: the order of completions, and for an operation that is
// cancelled and could end with a result as well, which of the two it is.

#include "sim_backend.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>
#include <variant>

#include <sennit/detail/misuse.hpp>
#include <sennit/detail/wait_report.hpp>
#include <sennit/request.hpp>

#include "datagram_socket.hpp"
#include "report.hpp"
#include "unix_stream.hpp"

namespace sennit::testing::sim {

namespace {

// A program that never waits would stop the clock. After so many turns at one moment each takes some time.
constexpr int turns_without_time = 1000;
constexpr int completions_in_a_turn = 16;  // of one operation
constexpr duration time_of_a_turn = std::chrono::microseconds(1);

// What `in_flight.outstanding` says here of an operation that has not ended.
constexpr std::uint8_t was_tried = 1;
constexpr std::uint8_t accepted_one = 2;  // a multishot accept has a connection to deliver, and goes on after that

parts parts_of(const msghdr& message) noexcept {
    return {message.msg_iov, message.msg_iovlen};
}

std::uint64_t place(const operation& what) noexcept {
    return static_cast<std::uint64_t>(descriptor_of(what.what()));
}

}  // namespace

sim_backend::~sim_backend() {
    // As when a process ends.
    kernel_->close_all();
    kernel_->set_loop(nullptr);
}

int sim_backend::poll_descriptor() const noexcept {
    return -ENOTSUP;
}

void sim_backend::submit(operation& what) noexcept {
    ++in_flight_;
    kernel_->attempts().push_back(what);
    // Whoever connects may do it for another task; an accept that stays with a listener belongs to nobody.
    const request asked = what.what();
    const bool uses = what.handle != nullptr && !std::holds_alternative<connect_request>(asked);
    sim_socket* const socket = uses ? kernel_->find(descriptor_of(asked)) : nullptr;
    if (socket != nullptr) socket->set_last_user(sennit::detail::task_of(what.handle));
}

void sim_backend::cancel(operation& what) noexcept {
    const allocations_by simulation(nullptr);
    if (what.in_flight.result_known || what.in_flight.cancel_requested) return;
    auto& link = static_cast<sennit::detail::list_hook<sennit::detail::backend_tag>&>(what);
    // An operation that is in no list has its last completion behind it.
    if (!link.linked()) return;
    what.in_flight.cancel_requested = true;
    if (what.in_flight.outstanding == accepted_one) {
        // A connection is on its way to the listener already: it comes, as the last one.
        what.in_flight.result_known = true;
        return;
    }
    link.unlink();
    if (net_->choose().below(2, "cancel wins") == 0) {
        end(what, -ECANCELED);
    } else {
        // It is tried once more, and has its result if there is one by then.
        kernel_->attempts().push_back(what);
    }
}

bool sim_backend::wait(time_point deadline) {
    const allocations_by simulation(nullptr);
    if (interference_.at_cancellation_point) interference_.at_cancellation_point();
    if (net_->now() != last_turn_) {
        last_turn_ = net_->now();
        turns_at_once_ = 0;
    } else if (++turns_at_once_ > turns_without_time) {
        net_->advance_to(net_->now() + time_of_a_turn);
        last_turn_ = net_->now();
    }
    for (;;) {
        net_->run_due();
        if (pool_->can_take()) kernel_->try_again(unlent_);
        try_all();
        bool something = deliver_ended();
        // What goes on after a completion brings the next ones: a burst of connections comes in one turn.
        for (int more = 1; more < completions_in_a_turn && !kernel_->attempts().empty(); ++more) {
            try_all();
            something |= deliver_ended();
        }
        if (woken_.exchange(false, std::memory_order_acq_rel) || something || deadline <= net_->now()) break;
        // Only the loop of a host that is alone sleeps here; a world drives its hosts without letting them sleep.
        const time_point next = std::min(deadline, net_->next_event());
        if (next == no_deadline) sennit::detail::misuse((nothing_can_happen + describe_waits(*net_)).c_str());
        net_->advance_to(next);
    }
    if (interference_.at_cancellation_point) interference_.at_cancellation_point();
    return deadline <= net_->now();
}

/// Tries an operation once.
struct sim_backend::attempt {
    sim_backend& io;
    operation& what;

    void transfer(int result, bool writes, bool waits, sim_socket& socket) const {
        if (result != -EAGAIN || !waits) return io.end(what, result);
        if (what.in_flight.cancel_requested) return io.end(what, -ECANCELED);
        socket.park(what, writes);
    }

    static int receive(msghdr& message, int flags, sim_socket& socket) {
        return socket.receive(parts_of(message), flags, &message);
    }

    static int send(const msghdr& message, int flags, sim_socket& socket) {
        address to;
        const bool named = message.msg_name != nullptr && message.msg_namelen != 0;
        if (named) {
            const int error = address::read(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen, to);
            if (error < 0) return error;
        }
        return socket.send(parts_of(message), flags, named ? &to : nullptr);
    }

    /// As recvmmsg(2) and sendmmsg(2) do it: up to the first that fails, whose error is the result when it is the first
    /// of all.
    static int each_message(const auto& request, auto transfer_one) {
        unsigned done = 0;
        for (; done < request.count; ++done) {
            mmsghdr& next = request.messages[done];
            const int result = transfer_one(next.msg_hdr);
            if (result < 0) return done == 0 ? result : static_cast<int>(done);
            next.msg_len = static_cast<unsigned>(result);
        }
        return static_cast<int>(done);
    }

    void operator()(const recv_request& request, sim_socket& socket) const {
        const iovec whole{request.data, request.size};
        const bool waits = (request.flags & MSG_DONTWAIT) == 0;
        transfer(socket.receive({&whole, 1}, request.flags, nullptr), false, waits, socket);
    }

    void operator()(const recv_lease_request& request, sim_socket& socket) const {
        sennit::detail::pooled_buffer* const buffer = io.take_buffer();
        if (buffer == nullptr) {
            if (what.in_flight.cancel_requested) return io.end(what, -ECANCELED);
            return io.unlent_.push_back(what);
        }
        io.pool_->unseal(*buffer);
        const iovec whole{buffer->data, io.pool_->buffer_size()};
        const int result = socket.receive({&whole, 1}, request.flags, nullptr);
        if (result > 0) {
            io.pool_->lend(*buffer, result);
            io.filled_.emplace(&what, buffer);
        } else {
            buffer->give_back();
        }
        const bool waits = (request.flags & MSG_DONTWAIT) == 0;
        transfer(result, false, waits, socket);
    }

    void operator()(const recvmsg_request& request, sim_socket& socket) const {
        const bool waits = (request.flags & MSG_DONTWAIT) == 0;
        transfer(receive(*request.message, request.flags, socket), false, waits, socket);
    }

    void operator()(const recvmmsg_request& request, sim_socket& socket) const {
        transfer(each_message(request, [&](msghdr& message) { return receive(message, 0, socket); }), false, true,
                 socket);
    }

    void operator()(const send_request& request, sim_socket& socket) const {
        // The kernel only reads from it; iovec has no const form.
        const iovec whole{const_cast<void*>(request.data), request.size};
        transfer(socket.send({&whole, 1}, request.flags, nullptr), true, true, socket);
    }

    void operator()(const sendmsg_request& request, sim_socket& socket) const {
        transfer(send(*request.message, request.flags, socket), true, true, socket);
    }

    void operator()(const sendmmsg_request& request, sim_socket& socket) const {
        transfer(each_message(request, [&](msghdr& message) { return send(message, 0, socket); }), true, true, socket);
    }

    void operator()(const accept_request& request, sim_socket& socket) const {
        std::shared_ptr<sim_socket> accepted;
        const int result = socket.accept(accepted);
        if (result < 0) return transfer(result, false, true, socket);
        const int fd = io.kernel_->open(std::move(accepted));
        const bool ends = !request.multishot || what.in_flight.cancel_requested ||
                          io.net_->choose().chance(io.kernel_->faults().multishot_end, "multishot ends");
        if (ends) return io.end(what, fd);
        what.in_flight.outstanding = accepted_one;
        what.keep_result(fd);
        io.ended_.push_back(what);
    }

    void operator()(const connect_request& request, sim_socket& socket) const {
        address to;
        const int error = address::read(request.address, request.address_length, to);
        if (error < 0) return io.end(what, error);
        transfer(socket.connect(to), true, true, socket);
    }

    // There are no pipes here: who would hand bytes on through one copies them.
    void operator()(const splice_in_request&, sim_socket&) const { io.end(what, -EINVAL); }
    void operator()(const splice_out_request&, sim_socket&) const { io.end(what, -EINVAL); }

    void operator()(const poll_request& request, sim_socket& socket) const {
        constexpr std::uint32_t always = POLLERR | POLLHUP;
        const std::uint32_t there = socket.ready() & (request.events | always);
        if (there != 0) return io.end(what, static_cast<std::int32_t>(there));
        transfer(-EAGAIN, (request.events & POLLOUT) != 0, true, socket);
    }

    void operator()(const shutdown_request& request, sim_socket& socket) const {
        io.end(what, socket.shutdown(request.how));
    }
};

/// Works off what was submitted, and what may go on since something has changed.
void sim_backend::try_all() {
    while (!kernel_->attempts().empty()) {
        operation& next = kernel_->attempts().pop_front();
        sim_socket* const socket = kernel_->find(descriptor_of(next.what()));
        if (socket == nullptr) {
            end(next, -EBADF);
            continue;
        }
        if (std::exchange(next.in_flight.outstanding, was_tried) == 0 && !next.in_flight.cancel_requested) {
            if (const int failure = interference_.failure_of ? interference_.failure_of(next.what()) : 0) {
                end(next, failure);
                continue;
            }
            if (net_->choose().chance(kernel_->faults().submit_no_memory, "submit: ENOMEM")) {
                end(next, -ENOMEM);
                continue;
            }
        }
        next.what().visit([&](const auto& request) { attempt{*this, next}(request, *socket); });
    }
}

/// The pool is the library's, not the simulation's.
sennit::detail::pooled_buffer* sim_backend::take_buffer() noexcept {
    const allocations_by programs(&interference_.allocation_fails);
    return pool_->take();
}

/// The buffer into which the operation has received, if there is one.
sennit::detail::pooled_buffer* sim_backend::take_filled(const operation& what) noexcept {
    const auto found = filled_.extract(&what);
    return found.empty() ? nullptr : found.mapped();
}

void sim_backend::end(operation& what, std::int32_t result) noexcept {
    what.in_flight.result_known = true;
    what.keep_result(result);
    ended_.push_back(what);
}

/// Delivers what has ended. Returns whether there was anything.
bool sim_backend::deliver_ended() {
    if (ended_.empty()) return false;
    batch_.clear();
    ended_.for_each([&](operation& each) { batch_.push_back(&each); });
    decisions& choose = net_->choose();
    if (net_->shuffles()) {
        for (std::size_t left = batch_.size(); left > 1; --left) {
            std::swap(batch_[left - 1], batch_[choose.below(left, "completion order")]);
        }
    }
    for (operation* const each : batch_) {
        static_cast<sennit::detail::list_hook<sennit::detail::backend_tag>&>(*each).unlink();
        const completion done{each->kept_result(), !each->in_flight.result_known, take_filled(*each)};
        choose.note(name_of(each->what()), place(*each), done.result);
        if (done.more) {
            // In a list while it completes, so that it can be cancelled meanwhile.
            kernel_->attempts().push_back(*each);
        } else {
            --in_flight_;
        }
        net_->count_completion();
        const allocations_by programs(&interference_.allocation_fails);
        each->complete(done);
    }
    return true;
}

int sim_backend::open_socket(int domain, int type, int protocol) noexcept {
    const allocations_by simulation(nullptr);
    int error = 0;
    auto made = kernel_->make_socket(domain, type, protocol, error);
    return made == nullptr ? error : kernel_->open(std::move(made));
}

int sim_backend::open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept {
    const allocations_by simulation(nullptr);
    if (domain != AF_UNIX) return -EOPNOTSUPP;
    int error = 0;
    auto first = kernel_->make_socket(domain, type, protocol, error);
    auto second = kernel_->make_socket(domain, type, protocol, error);
    if (error < 0) return error;
    if (first->type() == SOCK_STREAM) {
        static_cast<unix_stream&>(*first).connect_to(static_cast<unix_stream&>(*second));
    } else {
        static_cast<unix_datagram_socket&>(*first).connect_to(static_cast<unix_datagram_socket&>(*second));
    }
    pair[0] = kernel_->open(std::move(first));
    if (pair[0] < 0) return pair[0];
    pair[1] = kernel_->open(std::move(second));
    if (pair[1] >= 0) return 0;
    kernel_->close(pair[0]);
    return pair[1];
}

int sim_backend::bind(int fd, const sockaddr* where, std::uint32_t length) noexcept {
    const allocations_by simulation(nullptr);
    sim_socket* const socket = kernel_->find(fd);
    if (socket == nullptr) return -EBADF;
    address name;
    const int error = address::read(where, length, name);
    return error < 0 ? error : socket->bind(name);
}

int sim_backend::listen(int fd, int backlog) noexcept {
    const allocations_by simulation(nullptr);
    sim_socket* const socket = kernel_->find(fd);
    return socket == nullptr ? -EBADF : socket->listen(backlog);
}

int sim_backend::local_name(int fd, void* name, std::uint32_t& length) noexcept {
    const allocations_by simulation(nullptr);
    const sim_socket* const socket = kernel_->find(fd);
    if (socket == nullptr) return -EBADF;
    length = socket->local_name().write(name, length);
    return 0;
}

int sim_backend::peer_name(int fd, void* name, std::uint32_t& length) noexcept {
    const allocations_by simulation(nullptr);
    const sim_socket* const socket = kernel_->find(fd);
    if (socket == nullptr) return -EBADF;
    address peer;
    const int error = socket->peer_name(peer);
    if (error < 0) return error;
    length = peer.write(name, length);
    return 0;
}

int sim_backend::set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept {
    const allocations_by simulation(nullptr);
    sim_socket* const socket = kernel_->find(fd);
    return socket == nullptr ? -EBADF : socket->set_option(level, name, value, size);
}

int sim_backend::get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept {
    const allocations_by simulation(nullptr);
    sim_socket* const socket = kernel_->find(fd);
    return socket == nullptr ? -EBADF : socket->get_option(level, name, value, size);
}

int sim_backend::shutdown(int fd, int how) noexcept {
    const allocations_by simulation(nullptr);
    sim_socket* const socket = kernel_->find(fd);
    return socket == nullptr ? -EBADF : socket->shutdown(how);
}

void sim_backend::close(int fd) noexcept {
    const allocations_by simulation(nullptr);
    kernel_->close(fd);
}

void sim_backend::before_resumption() {
    if (interference_.at_cancellation_point) interference_.at_cancellation_point();
}

simulated_machine::name_answer sim_backend::look_up(const std::string& host) {
    const allocations_by simulation(nullptr);
    name_answer answer;
    const auto entry = net_->names().find(host);
    if (entry == net_->names().end()) {
        constexpr int unknown_name = -2;  // EAI_NONAME
        answer.error = unknown_name;
        return answer;
    }
    answer.error = entry->second.error;
    answer.delay = entry->second.delay;
    for (const ip& each : entry->second.addresses) answer.addresses.push_back(to_sockaddr(each));
    return answer;
}

}  // namespace sennit::testing::sim
