#pragma once

#include <cstdint>

#include <sennit/net/detail/socket_core.hpp>
#include <sennit/net/serve_options.hpp>
#include <sennit/time.hpp>

namespace sennit::net::detail {

/// How long the operations of a server's connections may wait.
class wait_limits {
  public:
    wait_limits(const serve_options& options, time_point start) noexcept;

    bool exist() const noexcept { return idle_ != no_limit || stalled_ != no_limit; }

    /// How long to wait before all connections are looked at again.
    duration pause(bool full) const noexcept;

    /// What `look_at` calls now, in milliseconds.
    std::uint32_t moment(time_point now) const noexcept;

    /// Ends what has waited for too long on this connection. Nothing is resumed from here.
    void look_at(socket_core& connection, std::uint32_t now, bool full) noexcept;

  private:
    static constexpr std::uint32_t no_limit = static_cast<std::uint32_t>(-1);
    static std::uint32_t milliseconds(const std::optional<duration>& limit) noexcept;
    std::uint32_t at_present(std::uint32_t limit, bool full) const noexcept;

    time_point start_;
    std::uint32_t idle_;
    std::uint32_t stalled_;
    std::uint32_t when_full_;
    serve_counters* counters_;
};

}  // namespace sennit::net::detail
