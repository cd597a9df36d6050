#pragma once

#include <sennit/backend.hpp>

namespace sennit {

/// What the backends that talk to a Linux kernel share: its clock, the socket calls that do not wait, and an
/// eventfd that other threads and signal handlers write to.
class kernel_backend : public backend {
  public:
    ~kernel_backend() override;

    time_point now() noexcept final;
    void wake() noexcept final;

    int open_socket(int domain, int type, int protocol) noexcept override;
    int open_socket_pair(int domain, int type, int protocol, int (&pair)[2]) noexcept override;
    int bind(int fd, const sockaddr* address, std::uint32_t length) noexcept override;
    int listen(int fd, int backlog) noexcept override;
    int local_name(int fd, void* address, std::uint32_t& length) noexcept override;
    int peer_name(int fd, void* address, std::uint32_t& length) noexcept override;
    int set_option(int fd, int level, int name, const void* value, std::uint32_t size) noexcept override;
    int get_option(int fd, int level, int name, void* value, std::uint32_t& size) noexcept override;
    int shutdown(int fd, int how) noexcept override;
    int splice_out(int pipe, int fd, std::uint32_t size) noexcept override;
    void close(int fd) noexcept override;

  protected:
    /// The mode of the sockets this backend opens and accepts.
    enum class socket_mode { blocking, non_blocking };

    /// Throws `std::system_error` when there is no descriptor left for the eventfd.
    explicit kernel_backend(socket_mode mode);

    /// SOCK_CLOEXEC, and SOCK_NONBLOCK if that is the mode: for socket(2) and accept4(2).
    int socket_flags() const noexcept { return socket_flags_; }

    /// The eventfd. Each call of `wake` is an edge for whoever watches it, so nobody needs to read it.
    int wake_descriptor() const noexcept { return wake_descriptor_; }

  private:
    int socket_flags_;
    int wake_descriptor_;
};

}  // namespace sennit
