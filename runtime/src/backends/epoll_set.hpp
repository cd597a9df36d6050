#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <sennit/operation.hpp>
#include <sennit/time.hpp>

namespace sennit {

using operation_list = detail::intrusive_list<operation, detail::backend_tag>;

/// What the epoll backend knows about one descriptor number. There is one for each connection, idle or not: it is kept
/// small.
struct epoll_descriptor {
    std::uint32_t generation = 0;  ///< tells events of this registration from those of an earlier one
    std::uint16_t interest = 0;    ///< the events whose edges epoll watches for
    bool registered : 1 = false;   ///< with epoll
    bool readable : 1 = true;      ///< false: an EPOLLIN edge will come before a read can succeed
    bool writable : 1 = true;      ///< false: an EPOLLOUT edge will come before a write can succeed
    bool always_try : 1 = false;   ///< a short read does not mean that nothing is left
    bool drained : 1 = false;      ///< a read has come back short
    bool own : 1 = false;          ///< opened or accepted by this backend, hence also closed by it
    bool tcp : 1 = false;
    operation_list waiting;  ///< for an event; who waits to write says so in its `in_flight`

    /// Lets an operation wait that needs nothing but room to write.
    void wait_to_write(operation& what) noexcept {
        what.in_flight.waits_to_write = true;
        waiting.push_back(what);
    }
    /// Lets any other operation wait, a poll for room to write included.
    void wait_for_any(operation& what) noexcept {
        what.in_flight.waits_to_write = false;
        waiting.push_back(what);
    }
    bool has_writers() const noexcept;

    /// Forgets everything but the generation, which moves on.
    void renew() noexcept {
        ++generation;
        interest = 0;
        readable = writable = true;
        registered = always_try = drained = own = tcp = false;
    }
};

/// An epoll instance and the descriptors it knows, by number.
class epoll_set {
  public:
    /// Throws `std::system_error` when there is no descriptor left for it.
    epoll_set();
    epoll_set(const epoll_set&) = delete;
    epoll_set& operator=(const epoll_set&) = delete;
    ~epoll_set();

    int poll_descriptor() const noexcept { return epoll_; }

    /// Null when nothing is known about `fd`. Entries stay where they are: lists hold pointers into them.
    epoll_descriptor* find(int fd) const noexcept {
        const std::size_t number = static_cast<unsigned>(fd);
        if (number / page_size >= pages_.size()) return nullptr;
        page* const found = pages_[number / page_size].get();
        return found == nullptr ? nullptr : &(*found)[number % page_size];
    }

    /// The entry of `fd`, made if need be; null when there is no memory left. For numbers that are known to
    /// be open only: a wild number in a request must not blow up the table.
    epoll_descriptor* obtain(int fd) noexcept;

    /// Notes a descriptor that this backend has just opened.
    void add_own(int fd, bool tcp) noexcept;

    /// Adds `events` to those whose edges are watched for; epoll reports those that are there already. 0 or a negated
    /// errno value.
    int watch(int fd, epoll_descriptor& descriptor, std::uint32_t events) noexcept;

    /// Takes `events` out of what is watched for.
    void ignore(int fd, epoll_descriptor& descriptor, std::uint32_t events) noexcept;

    /// Ends the registration, if there is one, and forgets what is known about the descriptor.
    void unwatch(int fd, epoll_descriptor& descriptor) noexcept;

    /// Watches a descriptor of the backend's own for edges of EPOLLIN; its events carry `tag`, which must be
    /// one of the two below.
    int watch_internal(int fd, std::uint64_t tag) noexcept;
    static constexpr std::uint64_t wake_tag = ~std::uint64_t{0};
    static constexpr std::uint64_t retry_tag = ~std::uint64_t{1};
    static constexpr std::uint64_t far_timer_tag = ~std::uint64_t{2};

    /// The descriptor an event of no internal tag is about.
    static int descriptor_of(const epoll_event& event) noexcept {
        return static_cast<int>(event.data.u64 & 0xffff'ffff);
    }

    /// The entry of that descriptor; null when the registration that made the event is gone.
    epoll_descriptor* subject(const epoll_event& event) const noexcept {
        epoll_descriptor* const found = find(descriptor_of(event));
        return found != nullptr && found->generation == event.data.u64 >> 32 ? found : nullptr;
    }

    /// Sleeps for `rest` at most, `duration::max()` being for ever. The number of events; 0 when time is up
    /// or a signal came. Throws `std::system_error` when the epoll instance is broken.
    int wait(epoll_event* events, int capacity, duration rest);

  private:
    static constexpr std::size_t page_size = 64;
    using page = std::array<epoll_descriptor, page_size>;

    int epoll_;
    bool coarse_timeouts_ = false;
    std::vector<std::unique_ptr<page>> pages_;
};

}  // namespace sennit
