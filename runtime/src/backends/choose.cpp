// The choice of a backend: the only file that names the kernel backends. Its one hard idea: "not available
// here" and "broken" are different things. A kernel or container without io_uring means epoll and a reason
// for it that can be read; running out of descriptors is an error on either backend and is not papered over.

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <sennit/backend.hpp>

#include "epoll_backend.hpp"
#if SENNIT_HAVE_IO_URING
#include "uring_backend.hpp"
#endif

namespace sennit {

namespace {

/// Whose wish it is to use a certain backend.
enum class wish_of { nobody, program, variable };

const char* in_words(wish_of whose) {
    return whose == wish_of::program ? "the program" : "SENNIT_BACKEND";
}

backend_kind kind_from_environment() {
    const char* const value = std::getenv("SENNIT_BACKEND");
    if (value == nullptr || *value == '\0') return backend_kind::automatic;
    const std::string_view name = value;
    if (name == "auto") return backend_kind::automatic;
    if (name == "io_uring") return backend_kind::io_uring;
    if (name == "epoll") return backend_kind::epoll;
    throw std::invalid_argument("SENNIT_BACKEND is \"" + std::string(name) + "\"; it may be auto, io_uring or epoll");
}

#if SENNIT_HAVE_IO_URING

uring_options::rung rung_from_environment() {
    using rung = uring_options::rung;
    const char* const value = std::getenv("SENNIT_IO_URING_RUNG");
    if (value == nullptr || *value == '\0') return rung::automatic;
    const std::string_view name = value;
    if (name == "defer") return rung::defer;
    if (name == "coop") return rung::coop;
    if (name == "plain") return rung::plain;
    throw std::invalid_argument("SENNIT_IO_URING_RUNG is \"" + std::string(name) +
                                "\"; it may be defer, coop or plain");
}

#endif

chosen_backend choose_io_uring(wish_of whose, const event_loop_options& wanted) {
    std::error_code error(ENOTSUP, std::system_category());
    std::string why = "built without liburing";
#if SENNIT_HAVE_IO_URING
    uring_options options;
    options.wanted = rung_from_environment();
    options.pollable = wanted.hosted;
    try {
        return make_uring_backend(options, wanted.receive_buffers);
    } catch (const uring_unavailable& unavailable) {
        error = unavailable.code();
        why = unavailable.reason();
    }
#endif
    if (whose == wish_of::nobody) return {make_epoll_backend(wanted), "epoll: " + why};
    throw std::system_error(error, std::string("io_uring was requested by ") + in_words(whose) +
                                       " and cannot be used: " + why + "; allow it, or request epoll or auto");
}

}  // namespace

chosen_backend make_backend(const event_loop_options& options) {
    backend_kind kind = options.backend;
    wish_of whose = wish_of::program;
    if (kind == backend_kind::automatic) {
        kind = kind_from_environment();
        whose = kind == backend_kind::automatic ? wish_of::nobody : wish_of::variable;
    }
    if (kind != backend_kind::epoll) return choose_io_uring(whose, options);
    return {make_epoll_backend(options), std::string("epoll: requested by ") + in_words(whose)};
}

}  // namespace sennit
