#pragma once

// The kernel's accesses to memory are invisible to AddressSanitizer: a recv into a freed buffer would go
// unnoticed. So a backend asks, at the moment it takes a request, whether the memory named by it may be used.

#if defined(__SANITIZE_ADDRESS__)
#define SENNIT_CHECK_BUFFERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SENNIT_CHECK_BUFFERS 1
#endif
#endif
#ifndef SENNIT_CHECK_BUFFERS
#define SENNIT_CHECK_BUFFERS 0
#endif

#include <sennit/operation.hpp>

#if SENNIT_CHECK_BUFFERS
#include <sanitizer/asan_interface.h>
#include <sys/socket.h>

#include <cstddef>
#include <sennit/detail/misuse.hpp>
#include <sennit/request.hpp>
#endif

namespace sennit::detail {

#if SENNIT_CHECK_BUFFERS

/// Aborts when a byte of the memory that `what` names is not addressable.
class buffer_check {
  public:
    void operator()(const accept_request&) const noexcept {}
    void operator()(const recv_lease_request&) const noexcept {}
    void operator()(const splice_in_request&) const noexcept {}
    void operator()(const splice_out_request&) const noexcept {}
    void operator()(const poll_request&) const noexcept {}
    void operator()(const shutdown_request&) const noexcept {}

    void operator()(const connect_request& what) const noexcept {
        require(what.address, what.address_length, "address passed to connect is not addressable");
    }
    void operator()(const recv_request& what) const noexcept {
        require(what.data, what.size, "buffer passed to recv is not addressable");
    }
    void operator()(const send_request& what) const noexcept {
        require(what.data, what.size, "buffer passed to send is not addressable");
    }
    void operator()(const recvmsg_request& what) const noexcept {
        require_message(what.message, "buffer passed to recvmsg is not addressable");
    }
    void operator()(const sendmsg_request& what) const noexcept {
        require_message(what.message, "buffer passed to sendmsg is not addressable");
    }
    void operator()(const recvmmsg_request& what) const noexcept {
        require_messages(what.messages, what.count, "buffer passed to recvmmsg is not addressable");
    }
    void operator()(const sendmmsg_request& what) const noexcept {
        require_messages(what.messages, what.count, "buffer passed to sendmmsg is not addressable");
    }

  private:
    static void require(const void* data, std::size_t size, const char* message) noexcept {
        // The interface takes a pointer to non-const although it only looks at the shadow memory.
        if (size != 0 && __asan_region_is_poisoned(const_cast<void*>(data), size) != nullptr) misuse(message);
    }

    static void require_message(const msghdr* message, const char* text) noexcept {
        require(message, sizeof *message, text);
        require(message->msg_name, message->msg_name == nullptr ? 0 : message->msg_namelen, text);
        require(message->msg_control, message->msg_control == nullptr ? 0 : message->msg_controllen, text);
        require(message->msg_iov, message->msg_iovlen * sizeof(iovec), text);
        for (std::size_t i = 0; i < message->msg_iovlen; ++i) {
            require(message->msg_iov[i].iov_base, message->msg_iov[i].iov_len, text);
        }
    }

    static void require_messages(const mmsghdr* messages, unsigned count, const char* text) noexcept {
        require(messages, count * sizeof *messages, text);
        for (unsigned i = 0; i < count; ++i) require_message(&messages[i].msg_hdr, text);
    }
};

inline void check_buffers(const operation& what) noexcept {
    what.what().visit(buffer_check{});
}

#else

inline void check_buffers(const operation&) noexcept {}

#endif

}  // namespace sennit::detail
