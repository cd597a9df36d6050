#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <vector>

#include "raw_socket.hpp"

namespace sennit::testing {

/// Leaves this process, or the simulated host of the test, exactly so many descriptors more, until the end of the
/// scope. Holes below the highest number in use are filled meanwhile.
class descriptor_limit {
  public:
    explicit descriptor_limit(int more) : simulated_(raw_calls::simulated) {
        if (simulated_ != nullptr) {
            const auto allowed = simulated_->open_descriptors() + static_cast<std::size_t>(more);
            simulated_->faults().max_descriptors = static_cast<std::uint32_t>(allowed);
            return;
        }
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int highest = highest_in_use();
        int next = take_lowest();
        while (next < highest) {
            fillers_.push_back(next);
            next = take_lowest();
        }
        ::close(next);
        rlimit lowered = before_;
        lowered.rlim_cur = static_cast<rlim_t>(next + more);
        if (::setrlimit(RLIMIT_NOFILE, &lowered) != 0) {
            throw std::system_error(errno, std::system_category(), "setrlimit");
        }
    }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit() {
        if (simulated_ != nullptr) {
            simulated_->faults().max_descriptors = sim_faults().max_descriptors;
            return;
        }
        ::setrlimit(RLIMIT_NOFILE, &before_);
        for (const int fd : fillers_) ::close(fd);
    }

  private:
    static int take_lowest() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
    static int highest_in_use() {
        for (int fd = 1023;; --fd) {
            if (fd < 0 || ::fcntl(fd, F_GETFD) != -1) return fd;
        }
    }

    sim::kernel* simulated_;
    rlimit before_{};
    std::vector<int> fillers_;
};

}  // namespace sennit::testing
