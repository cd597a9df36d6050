#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <sennit/event_loop.hpp>
#include <sennit/frame_pool.hpp>
#include <sennit/net/endpoint.hpp>

namespace sennit::net::detail {

class socket_operation;

/// Which half of a socket an operation uses. Each half serves one operation at a time.
enum class direction : std::uint8_t { receiving, sending };

/// An open socket: the descriptor, the loop it belongs to, and the operations on their way. It stays until the last of
/// these is back, even when the stream that owned it is long gone; only then is the descriptor closed. Its memory also
/// stays until the last lease is back.
///
/// There is one for each connection, idle or not: it is kept small.
class socket_core : public sennit::detail::loop_resource {
  public:
    /// Takes over `fd`.
    socket_core(sennit::detail::resource_home& home, int fd) noexcept : home_(&home), fd_(fd) { home.attach(*this); }

    /// The descriptor, -1 once closing has begun.
    int fd() const noexcept { return closing_ ? -1 : fd_; }
    /// The descriptor as long as an operation is in flight on it.
    int number() const noexcept { return fd_; }
    event_loop& loop() const noexcept { return home_->loop; }

    /// Ends both halves: pending operations fail with ECANCELED unless they still have a result, and the descriptor
    /// is closed when they are back.
    void close() noexcept;
    void loop_ends() noexcept override;

    /// From now on a receive that would have to wait finds the end of the stream instead; what has arrived is still
    /// received, what arrives afterwards only as far as it cannot be told apart: a peer that never pauses comes to its
    /// end too. The kernel is not told, so that the connection can still be ended politely afterwards.
    void end_receiving() noexcept;
    /// After `end_receiving`: some of what had arrived then has been received.
    void count_received(std::size_t bytes) noexcept {
        had_arrived_ -= bytes < had_arrived_ ? static_cast<std::uint32_t>(bytes) : had_arrived_;
    }
    /// After `end_receiving`: everything that had arrived then has been received.
    bool all_received() const noexcept { return receiving_ended_ && had_arrived_ == 0; }
    /// Receiving waits again.
    void resume_receiving() noexcept {
        receiving_ended_ = false;
        mark_moved(direction::receiving);
    }
    bool receiving_ended() const noexcept { return receiving_ended_; }

    /// What one receive has brought.
    void note_received(std::int32_t bytes) noexcept {
        if (bytes <= most_of_a_small_receive) {
            if (small_receives_ != enough_small_receives) ++small_receives_;
        } else {
            small_receives_ = 0;
        }
    }
    /// Whether the backend may receive more than it is asked for: on a stream of small messages that only this
    /// library reads from.
    bool may_receive_ahead() const noexcept {
        return small_receives_ == enough_small_receives && !receiving_ended_ && !is_shown_;
    }
    /// The descriptor becomes known outside the library, which may read from it.
    int show_descriptor() noexcept;

    /// Gives the descriptor to the caller; this socket is closed then. Nothing may be in flight.
    int take_descriptor() noexcept;

    /// Claims a half for an operation. False when it is taken, or the socket closed.
    bool claim(direction half, socket_operation& user) noexcept {
        socket_operation*& slot = users_[static_cast<std::size_t>(half)];
        if (closing_ || slot != nullptr) [[unlikely]]
            return false;
        slot = &user;
        return true;
    }
    void give_back(direction half) noexcept {
        users_[static_cast<std::size_t>(half)] = nullptr;
        halves_ &= static_cast<std::uint8_t>(~timed_out(half));
        if (closing_) [[unlikely]]
            close_if_unused();
    }

    /// Whether an operation uses this half now.
    bool is_used(direction half) const noexcept { return users_[static_cast<std::size_t>(half)] != nullptr; }
    /// The operation that uses this half has moved something, or has come to its end.
    void mark_moved(direction half) noexcept { halves_ |= moved(half); }
    /// Whether that has happened since the last time this was asked; true the first time.
    bool take_moved(direction half) noexcept {
        const bool has_moved = (halves_ & moved(half)) != 0;
        halves_ &= static_cast<std::uint8_t>(~moved(half));
        return has_moved;
    }
    /// When whoever looks at it now and then has seen it move; means nothing to the socket. For receiving not to be
    /// used between `end_receiving` and the first move after `resume_receiving`.
    std::uint32_t& still_since(direction half) noexcept {
        return half == direction::receiving ? received_nothing_since_ : sent_nothing_since_;
    }
    /// Has the operation that uses this half fail with ETIMEDOUT, unless it still has a result.
    void time_out(direction half) noexcept;
    bool has_timed_out(direction half) const noexcept { return (halves_ & timed_out(half)) != 0; }

    /// Counts the buffers that are lent to receivers of this socket.
    void lease_begins() noexcept { ++leases_; }
    void lease_ended() noexcept {
        --leases_;
        delete_if_unused();
    }
    std::size_t leases() const noexcept { return leases_; }

    /// Socket calls that throw `std::system_error` with the call's name.
    endpoint local_endpoint() const;
    endpoint peer_endpoint() const;
    void bind(const endpoint& where);
    void set_option(int level, int name, int value, const char* what);
    int get_option(int level, int name, const char* what) const;

    void add_reference() noexcept {
        ++references_;
        assert(references_ != 0);
    }
    void drop_reference() noexcept;
    unsigned references() const noexcept { return references_; }

    static void* operator new(std::size_t size) { return sennit::detail::frame_pool::allocate(size); }
    static void operator delete(void* core, std::size_t size) noexcept {
        sennit::detail::frame_pool::deallocate(core, size);
    }

  protected:
    virtual ~socket_core() = default;

    /// Who looks after it, or did so when it was closed.
    sennit::detail::resource_home* home() const noexcept { return home_; }
    void move_to(sennit::detail::resource_home& home) noexcept;

  private:
    // What is copied once more, from the loop's buffer to the receiver's, is to take less time than it saves.
    static constexpr std::int32_t most_of_a_small_receive = 2048;
    static constexpr std::uint8_t enough_small_receives = 4;

    static constexpr std::uint8_t moved(direction half) noexcept {
        return static_cast<std::uint8_t>(1u << static_cast<unsigned>(half));
    }
    static constexpr std::uint8_t timed_out(direction half) noexcept {
        return static_cast<std::uint8_t>(4u << static_cast<unsigned>(half));
    }
    bool busy() const noexcept { return users_[0] != nullptr || users_[1] != nullptr; }
    void delete_if_unused() noexcept {
        if (references_ == 0 && leases_ == 0 && !busy()) delete this;
    }
    void close_if_unused() noexcept;
    void close_descriptor() noexcept;
    void detach() noexcept;
    int open_fd() const;

    sennit::detail::resource_home* home_;
    socket_operation* users_[2] = {nullptr, nullptr};
    int fd_;
    std::uint32_t sent_nothing_since_ = 0;
    union {
        std::uint32_t received_nothing_since_ = 0;
        std::uint32_t had_arrived_;  // at the most, when receiving was ended: since then nobody waits to receive
    };
    std::uint8_t references_ = 0;
    std::uint8_t leases_ : 5 = 0;
    std::uint8_t small_receives_ : 3 = 0;  // one after the other, as far as they count
    std::uint8_t halves_ = moved(direction::receiving) | moved(direction::sending);
    bool closing_ : 1 = false;
    bool receiving_ended_ : 1 = false;
    bool is_shown_ : 1 = false;
};

/// A counted reference to a socket; the last one closes it.
class socket_ref {
  public:
    socket_ref() noexcept = default;
    explicit socket_ref(socket_core& core) noexcept : core_(&core) { core.add_reference(); }
    socket_ref(const socket_ref& other) noexcept : core_(other.core_) {
        if (core_ != nullptr) core_->add_reference();
    }
    socket_ref(socket_ref&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    socket_ref& operator=(socket_ref other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~socket_ref() {
        if (core_ != nullptr) core_->drop_reference();
    }

    socket_core* get() const noexcept { return core_; }
    socket_core* operator->() const noexcept { return core_; }
    explicit operator bool() const noexcept { return core_ != nullptr; }

  private:
    socket_core* core_ = nullptr;
};

/// Takes over `fd`, which is closed when there is no memory for its socket.
socket_ref adopt_socket(event_loop& loop, int fd);

/// Opens a socket on `loop`, ready to be used by its backend. Throws `std::system_error`.
socket_ref open_socket(event_loop& loop, family where, int type);

}  // namespace sennit::net::detail
