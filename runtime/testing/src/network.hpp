#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sennit/testing/sim_options.hpp>
#include <sennit/time.hpp>

#include "address.hpp"
#include "decisions.hpp"

namespace sennit::testing::sim {

class kernel;
class sim_socket;

/// Something that happens at its time: a packet that arrives, a timer of the simulated kernels.
class event {
  public:
    virtual ~event() = default;
    /// `self` is this event, which may be put into the queue again.
    virtual void happen(std::unique_ptr<event> self) = 0;

    time_point when{};
    std::uint64_t sequence = 0;
};

/// One direction between two hosts.
struct link {
    link_options options;
    bool cut = false;
    time_point free_at{};  // when the last packet has left, where bandwidth is limited

    /// Whether packets take no time and never get lost, as between programs of one host.
    bool is_ideal() const noexcept;
};

/// What a host name stands for.
struct name_entry {
    std::vector<ip> addresses;
    int error = 0;  // EAI_*
    duration delay{};
};

/// What the hosts share: the clock, the queue of what happens next, the links, and the names.
class network {
  public:
    explicit network(const sim_options& options);
    network(const network&) = delete;
    network& operator=(const network&) = delete;
    ~network();

    decisions& choose() noexcept { return choose_; }
    bool shuffles() const noexcept { return shuffle_; }

    time_point now() const noexcept { return now_; }
    /// When the next thing happens by itself; `no_deadline` if nothing does.
    time_point next_event() const noexcept { return queue_.empty() ? no_deadline : queue_.front()->when; }
    void at(time_point when, std::unique_ptr<event> what);
    /// Moves the clock, never backwards, and not past the next event.
    void advance_to(time_point moment) noexcept;
    /// Lets everything happen whose time has come.
    void run_due();

    /// How many operations have completed, on any host.
    std::uint64_t completions() const noexcept { return completions_; }
    void count_completion() noexcept { ++completions_; }

    /// A new host; it lives as long as the network.
    kernel& add_host(std::string name, std::vector<ip> addresses);
    std::size_t size() const noexcept { return kernels_.size(); }
    kernel& host(std::size_t index) const noexcept { return *kernels_[index]; }
    /// The host that has this address, seen from `from`; null when nobody has it.
    kernel* owner_of(const ip& where, kernel& from) const noexcept;

    link& between(const kernel& from, const kernel& to);
    /// Whether a packet of this size is lost now.
    bool loses(const link& path);
    /// When a packet of this size that is sent now arrives.
    time_point arrival(link& path, std::size_t bytes);

    std::map<std::string, name_entry>& names() noexcept { return names_; }

    /// Keeps a socket that nobody has open alive until what it has sent has arrived.
    void keep(std::shared_ptr<sim_socket> what);
    void release(sim_socket& what) noexcept { kept_.erase(&what); }

  private:
    bool shuffle_;
    decisions choose_;
    time_point now_;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t completions_ = 0;
    std::vector<std::unique_ptr<kernel>> kernels_;  // before what holds sockets, which use them to the end
    std::vector<std::unique_ptr<event>> queue_;     // a heap, the earliest at the front
    std::map<std::pair<std::size_t, std::size_t>, link> links_;
    std::map<ip, kernel*> hosts_;
    std::map<std::string, name_entry> names_;
    std::map<sim_socket*, std::shared_ptr<sim_socket>> kept_;  // searched by address, never walked through
};

}  // namespace sennit::testing::sim
