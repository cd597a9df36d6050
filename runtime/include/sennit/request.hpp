#pragma once

#include <cstddef>
#include <variant>

#include <sennit/requests.hpp>

namespace sennit {

/// Any one of the requests, the most frequent ones first, as a visit looks for them in this order. For backends: what
/// waits keeps its own kind, so that programs need not compile this.
class request : public std::variant<recv_request, send_request, recv_lease_request, accept_request, connect_request,
                                    recvmsg_request, sendmsg_request, recvmmsg_request, sendmmsg_request,
                                    splice_in_request, splice_out_request, poll_request, shutdown_request> {
  public:
    using variant::variant;

    /// What `visitor` returns for the one that this is. `std::visit` of so many goes through a table of functions,
    /// which the compiler does not see through.
    template <typename Visitor>
    decltype(auto) visit(Visitor&& visitor) const {
        return visit_from<0>(visitor);
    }

  private:
    static constexpr std::size_t frequent = 3;

    template <std::size_t first>
    decltype(auto) visit_from(auto& visitor) const {
        if constexpr (first + 1 != std::variant_size_v<variant>) {
            if (index() != first) {
                if constexpr (first + 1 == frequent) {
                    return visit_infrequent(visitor);
                } else {
                    return visit_from<first + 1>(visitor);
                }
            }
        }
        return visitor(*std::get_if<first>(this));
    }
    // By itself, so that the few kinds before it share a short function, with few registers to save.
    [[gnu::noinline]] decltype(auto) visit_infrequent(auto& visitor) const { return visit_from<frequent>(visitor); }
};

/// The descriptor a request is about; every request has exactly one.
inline int descriptor_of(const request& what) noexcept {
    return what.visit([](const auto& each) noexcept { return each.fd; });
}

/// The request's name for messages: "recv", "accept", ...
const char* name_of(const request& what) noexcept;

}  // namespace sennit
