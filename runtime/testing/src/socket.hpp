#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <sennit/operation.hpp>

#include "address.hpp"

struct iovec;
struct msghdr;

namespace sennit::testing::sim {

class network;
class kernel;

using operation_list = sennit::detail::intrusive_list<operation, sennit::detail::backend_tag>;

/// The memory of one transfer.
struct parts {
    const iovec* first;
    std::size_t count;

    std::size_t size() const noexcept;
    /// Copies into the memory; gives how much there was room for.
    std::size_t write(const void* data, std::size_t size) const noexcept;
};

/// A socket of a simulated kernel. Calls give a non-negative number or a negated errno value; -EAGAIN where the call
/// would have to wait. What waits is tried again when the socket says that something has changed.
class sim_socket : public std::enable_shared_from_this<sim_socket> {
  public:
    sim_socket(const sim_socket&) = delete;
    sim_socket& operator=(const sim_socket&) = delete;
    virtual ~sim_socket() = default;

    virtual int bind(const address& where) = 0;
    virtual int listen(int backlog);
    /// Begins to connect, or asks how the attempt that was begun has ended.
    virtual int connect(const address& where) = 0;
    /// Gives the connection that has waited longest.
    virtual int accept(std::shared_ptr<sim_socket>& accepted);
    virtual int receive(const parts& into, int flags, msghdr* message) = 0;
    virtual int send(const parts& from, int flags, const address* to) = 0;
    virtual int shutdown(int how) = 0;
    /// The events of poll(2).
    virtual std::uint32_t ready() const = 0;
    virtual int peer_name(address& peer) const = 0;
    virtual int set_option(int level, int name, const void* value, std::uint32_t size);
    virtual int get_option(int level, int name, void* value, std::uint32_t& size);
    /// Nobody has it open any more. It may go on for the sake of what was sent.
    virtual void close() = 0;

    virtual bool is_listening() const noexcept { return false; }

    const address& local_name() const noexcept { return local_; }
    bool reuses_address() const noexcept { return reuse_address_; }
    bool reuses_port() const noexcept { return reuse_port_; }
    kernel& host() const noexcept { return *host_; }
    int domain() const noexcept { return domain_; }
    int type() const noexcept { return type_; }

    /// Lets an operation wait for something to arrive, or for room.
    void park(operation& what, bool writes) noexcept { (writes ? writers_ : readers_).push_back(what); }

    /// For reports: the task that has sent or received here last.
    void set_last_user(std::coroutine_handle<> task) noexcept { last_user_ = task; }
    std::coroutine_handle<> last_user() const noexcept { return last_user_; }

  protected:
    sim_socket(kernel& host, int domain, int type) noexcept : host_(&host), domain_(domain), type_(type) {}

    network& net() const noexcept;
    void wake_readers() noexcept;
    void wake_writers() noexcept;
    void wake_all() noexcept {
        wake_readers();
        wake_writers();
    }
    int take_error() noexcept { return -std::exchange(error_, 0); }

    // As setsockopt(2) SO_RCVBUF has it: the kernel counts its own needs too, so half of it is for data.
    std::size_t receive_room() const noexcept { return receive_buffer_ / 2; }
    std::size_t send_room() const noexcept { return send_buffer_ / 2; }

    address local_;
    int error_ = 0;  // what SO_ERROR gives
    std::uint32_t receive_buffer_ = 262144;
    std::uint32_t send_buffer_ = 262144;
    bool reuse_address_ = false;
    bool reuse_port_ = false;
    bool keep_alive_ = false;
    bool no_delay_ = false;
    bool v6_only_ = true;
    bool resets_on_close_ = false;  // SO_LINGER with a time of zero

  private:
    kernel* host_;
    int domain_;
    int type_;
    std::coroutine_handle<> last_user_;
    operation_list readers_;
    operation_list writers_;
};

}  // namespace sennit::testing::sim
