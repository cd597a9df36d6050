// Handing one stream on to another. Its one hard idea: bytes that come in quantity need not come here. splice(2) moves
// them between a socket and a pipe inside the kernel, so they go into a pipe of our own and out of it again. The pipe
// is empty whenever something is put into it: so it never makes anybody wait, and no more is under way than it takes.
//
// The facts that shaped it, measured on loopback:
// - Two calls and what protects them cost more than to copy a few KiB: messages of 64 bytes took 1.5 times as long on
//   epoll and 3 times on io_uring. So bytes are copied until they come faster than they are handed on.
// - What the pipe takes at once counts: through 64 KiB, splicing took 0.8 of the time of copying on epoll and 1.5 on
//   io_uring, through 256 KiB 0.6 and 0.85; more gained nothing.
// - pipe(7): what a user's pipes may hold together is limited (/proc/sys/fs/pipe-user-pages-soft). Where no pipe
//   of that size is to be had, the bytes are copied.
// - A socket that cannot be spliced from says EINVAL before anything has been taken.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include <sennit/backend.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/net/forward.hpp>
#include <sennit/result.hpp>
#include <sennit/yield.hpp>

namespace sennit::net {

namespace {

constexpr std::size_t copied_at_once = 16384;
constexpr int full_buffers_of_a_flood = 4;
constexpr int pipe_size = 1 << 18;
constexpr std::uint32_t most_spliced = pipe_size;
constexpr std::size_t least_spliced = 65536;  // below that the flood is over

/// The two ends of a pipe, neither of which blocks.
class pipe_of_own {
  public:
    pipe_of_own() noexcept = default;
    pipe_of_own(const pipe_of_own&) = delete;
    pipe_of_own& operator=(const pipe_of_own&) = delete;
    ~pipe_of_own() { close(); }

    /// Whether there is a pipe now that is worth its while.
    bool open() noexcept {
        if (::pipe2(ends_, O_NONBLOCK | O_CLOEXEC) != 0) return false;
        if (::fcntl(in(), F_SETPIPE_SZ, pipe_size) >= pipe_size) return true;
        close();
        return false;
    }
    bool is_open() const noexcept { return in() >= 0; }

    int in() const noexcept { return ends_[1]; }
    int out() const noexcept { return ends_[0]; }

  private:
    void close() noexcept {
        for (int& end : ends_) {
            if (end >= 0) ::close(std::exchange(end, -1));
        }
    }

    int ends_[2] = {-1, -1};
};

detail::transfer_awaiter splice_in(stream_socket& from, const pipe_of_own& pipe) {
    const splice_in_request what{from.native_handle(), pipe.in(), most_spliced, 0};
    return {from.core(), detail::direction::receiving, what};
}

detail::transfer_awaiter splice_out(const pipe_of_own& pipe, stream_socket& to, std::size_t size) {
    const splice_out_request what{to.native_handle(), pipe.out(), static_cast<std::uint32_t>(size)};
    return {to.core(), detail::direction::sending, what};
}

/// What a socket says that has no such function, and a filter of system calls that does not know the call.
bool cannot_be_spliced(const std::error_code& error) {
    return error == std::errc::invalid_argument || error == std::errc::function_not_supported ||
           error == std::errc::operation_not_permitted;
}

}  // namespace

task<std::uint64_t> forward(stream_socket& from, stream_socket& to) {
    event_loop& loop = co_await current_loop();
    bool may_splice = loop.io().simulated() == nullptr;
    pipe_of_own pipe;
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(copied_at_once);
    const mutable_bytes room(buffer.get(), copied_at_once);
    int full_buffers = 0;  // one after the other
    std::uint64_t total = 0;
    for (;;) {
        if (may_splice && full_buffers == full_buffers_of_a_flood) {
            may_splice = pipe.is_open() || pipe.open();
            if (!may_splice) continue;
            const auto received = co_await as_result(splice_in(from, pipe));
            may_splice = !cannot_be_spliced(received.error());
            if (!may_splice) continue;
            if (!received) throw std::system_error(received.error(), "splice_in");
            const std::size_t count = *received;
            if (count == 0) break;
            for (std::size_t left = count; left != 0;) left -= co_await splice_out(pipe, to, left);
            total += count;
            if (count < least_spliced) full_buffers = 0;
        } else {
            const std::size_t count = co_await from.recv(room);
            if (count == 0) break;
            co_await to.send(room.first(count));
            total += count;
            if (count != room.size())
                full_buffers = 0;
            else if (full_buffers != full_buffers_of_a_flood)
                ++full_buffers;
        }
    }
    co_await to.shutdown_send();
    co_return total;
}

}  // namespace sennit::net
