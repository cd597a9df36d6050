// Handing one stream on to another. Its one hard idea: the bytes need not come here. splice(2) moves them between a
// socket and a pipe inside the kernel, so they go into a pipe of our own and out of it again. The pipe is empty whenever
// something is put into it: so it never makes anybody wait, and no more is under way than it holds.
//
// - pipe(7): a pipe has 16 slots of a page each, but a user's pipes above /proc/sys/fs/pipe-user-pages-soft have two;
//   through so few copying is faster.
// - A socket that cannot be spliced from says EINVAL before anything has been taken.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>

#include <sennit/backend.hpp>
#include <sennit/event_loop.hpp>
#include <sennit/net/forward.hpp>
#include <sennit/result.hpp>
#include <sennit/yield.hpp>

namespace sennit::net {

namespace {

constexpr std::size_t copied_at_once = 16384;
constexpr std::uint32_t most_at_once = 1 << 20;
constexpr int smallest_pipe = 65536;

/// The two ends of a pipe, neither of which blocks.
class pipe_of_own {
  public:
    pipe_of_own() noexcept = default;
    pipe_of_own(const pipe_of_own&) = delete;
    pipe_of_own& operator=(const pipe_of_own&) = delete;
    ~pipe_of_own() { close(); }

    /// Whether there is a pipe that is worth its while.
    bool open() noexcept {
        if (::pipe2(ends_, O_NONBLOCK | O_CLOEXEC) != 0) return false;
        if (::fcntl(in(), F_GETPIPE_SZ) >= smallest_pipe) return true;
        close();
        return false;
    }
    void close() noexcept {
        for (int& end : ends_) {
            if (end >= 0) ::close(end);
            end = -1;
        }
    }

    int in() const noexcept { return ends_[1]; }
    int out() const noexcept { return ends_[0]; }

  private:
    int ends_[2] = {-1, -1};
};

detail::transfer_awaiter splice_in(stream_socket& from, const pipe_of_own& pipe) {
    const splice_in_request what{from.native_handle(), pipe.in(), most_at_once, 0};
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

/// Whether it was possible. If not, nothing has been taken from the stream.
task<bool> through_pipe(stream_socket& from, stream_socket& to, std::uint64_t& total) {
    pipe_of_own pipe;
    if (!pipe.open()) co_return false;
    for (;;) {
        const auto received = co_await as_result(splice_in(from, pipe));
        if (cannot_be_spliced(received.error())) co_return false;
        if (!received) throw std::system_error(received.error(), "splice_in");
        std::size_t held = *received;
        if (held == 0) co_return true;
        total += held;
        while (held != 0) held -= co_await splice_out(pipe, to, held);
    }
}

task<> through_buffer(stream_socket& from, stream_socket& to, std::uint64_t& total) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(copied_at_once);
    const mutable_bytes room(buffer.get(), copied_at_once);
    while (const std::size_t count = co_await from.recv(room)) {
        co_await to.send(room.first(count));
        total += count;
    }
}

}  // namespace

task<std::uint64_t> forward(stream_socket& from, stream_socket& to) {
    event_loop& loop = co_await current_loop();
    std::uint64_t total = 0;
    bool over = false;
    if (loop.io().simulated() == nullptr) over = co_await through_pipe(from, to, total);
    if (!over) co_await through_buffer(from, to, total);
    co_await to.shutdown_send();
    co_return total;
}

}  // namespace sennit::net
