// The names of requests.

#include <sennit/request.hpp>

namespace sennit {

namespace {

struct name_visitor {
    const char* operator()(const accept_request&) const noexcept { return "accept"; }
    const char* operator()(const connect_request&) const noexcept { return "connect"; }
    const char* operator()(const recv_request&) const noexcept { return "recv"; }
    const char* operator()(const recv_lease_request&) const noexcept { return "recv_lease"; }
    const char* operator()(const send_request&) const noexcept { return "send"; }
    const char* operator()(const recvmsg_request&) const noexcept { return "recvmsg"; }
    const char* operator()(const sendmsg_request&) const noexcept { return "sendmsg"; }
    const char* operator()(const recvmmsg_request&) const noexcept { return "recvmmsg"; }
    const char* operator()(const sendmmsg_request&) const noexcept { return "sendmmsg"; }
    const char* operator()(const splice_in_request&) const noexcept { return "splice_in"; }
    const char* operator()(const splice_out_request&) const noexcept { return "splice_out"; }
    const char* operator()(const poll_request&) const noexcept { return "poll"; }
    const char* operator()(const shutdown_request&) const noexcept { return "shutdown"; }
};

}  // namespace

const char* name_of(const request& what) noexcept {
    return what.visit(name_visitor{});
}

}  // namespace sennit
