// What the peers written in C++ share: the command line of peer.h.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

inline constexpr std::size_t echo_buffer_size = 16 * 1024;
inline constexpr std::size_t proxy_buffer_size = 64 * 1024;

struct peer_options {
    std::string_view mode;
    std::string_view backend = "auto";
    std::uint16_t port = 0;
    std::uint16_t upstream = 0;
    bool lease = false;
    int spin = 0;  ///< microseconds
};

/// Ends the program when the command line is not understood.
inline peer_options read_peer_options(int argc, char** argv) {
    peer_options options;
    if (argc > 1) options.mode = argv[1];
    bool understood = options.mode == "tcp" || options.mode == "udp" || options.mode == "proxy";
    for (int i = 2; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const char* const value = argv[i + 1];  // the array ends with a null pointer
        if (name == "--lease") {
            options.lease = true;
            --i;  // it has no value
        } else if (value == nullptr) {
            understood = false;
        } else if (name == "--port") {
            options.port = static_cast<std::uint16_t>(std::atoi(value));
        } else if (name == "--upstream") {
            options.upstream = static_cast<std::uint16_t>(std::atoi(value));
        } else if (name == "--backend") {
            options.backend = value;
        } else if (name == "--spin") {
            options.spin = std::atoi(value);
        } else if (name != "--size") {  // a hint that only some have a use for
            understood = false;
        }
    }
    if (!understood || (options.mode == "proxy" && options.upstream == 0)) {
        std::fprintf(stderr,
                     "%s tcp|udp|proxy --port P [--size BYTES] [--upstream P] [--backend NAME] [--lease] [--spin US]\n",
                     argv[0]);
        std::exit(2);
    }
    return options;
}

inline void announce(unsigned port, std::string_view remark = {}) {
    std::printf("listening %u %.*s\n", port, static_cast<int>(remark.size()), remark.data());
    std::fflush(stdout);
}
