#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace sennit::net::detail {

/// The file that a Unix socket made when it was bound. Removed at the end, unless the path is another file's by then.
/// The socket must still be open: it keeps the file's number from being used again.
class bound_path {
  public:
    /// Nothing to remove: the name is abstract.
    bound_path() noexcept = default;
    /// Remembers which file `path` is now.
    explicit bound_path(std::string path) noexcept;
    bound_path(bound_path&& other) noexcept
        : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}
    bound_path& operator=(bound_path&& other) noexcept {
        bound_path moved(std::move(other));
        std::swap(path_, moved.path_);
        std::swap(device_, moved.device_);
        std::swap(inode_, moved.inode_);
        return *this;
    }
    ~bound_path();

  private:
    std::string path_;
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
};

}  // namespace sennit::net::detail
