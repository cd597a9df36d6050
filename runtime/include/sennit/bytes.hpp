#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sennit {

namespace detail {

template <class T>
inline constexpr bool is_byte_like = sizeof(T) == 1 && std::is_trivially_copyable_v<T> &&
                                     (std::is_same_v<std::remove_cv_t<T>, std::byte> ||
                                      std::is_integral_v<T>)&&!std::is_same_v<std::remove_cv_t<T>, bool>;

/// Containers and spans of bytes or characters; not arrays, which `const char[]` literals would be mistaken for.
template <class Container>
concept byte_container = !std::is_array_v<std::remove_cvref_t<Container>> && requires(Container & container) {
    requires is_byte_like<std::remove_pointer_t<decltype(container.data())>>;
    { container.size() } -> std::convertible_to<std::size_t>;
};

}  // namespace detail

/// Memory to receive into: a pointer and a length, made implicitly from arrays, vectors, strings and spans of bytes
/// or characters. It owns nothing.
class mutable_bytes {
  public:
    constexpr mutable_bytes() noexcept = default;
    mutable_bytes(void* data, std::size_t size) noexcept : data_(static_cast<std::byte*>(data)), size_(size) {}

    template <detail::byte_container Container>
    requires(!std::is_const_v<std::remove_pointer_t<decltype(std::declval<Container&>().data())>>)
        mutable_bytes(Container&& container)
    noexcept : mutable_bytes(container.data(), container.size()) {}

    template <class Byte, std::size_t Size>
    requires(detail::is_byte_like<Byte> && !std::is_const_v<Byte>) mutable_bytes(Byte (&array)[Size])
    noexcept : mutable_bytes(array, Size) {}

    std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    mutable_bytes first(std::size_t count) const noexcept { return {data_, count}; }
    mutable_bytes subspan(std::size_t offset) const noexcept { return {data_ + offset, size_ - offset}; }

  private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Memory to send from, made implicitly from everything `mutable_bytes` is made from, const or not, and from
/// string literals and `const char*`, which end at their NUL. It owns nothing.
class const_bytes {
  public:
    constexpr const_bytes() noexcept = default;
    const_bytes(const void* data, std::size_t size) noexcept
        : data_(static_cast<const std::byte*>(data)), size_(size) {}
    const_bytes(mutable_bytes bytes) noexcept : const_bytes(bytes.data(), bytes.size()) {}
    const_bytes(const char* text) noexcept : const_bytes(text, std::string_view(text).size()) {}

    template <detail::byte_container Container>
    requires(!std::is_same_v<std::remove_cvref_t<Container>, mutable_bytes> &&
             !std::is_same_v<std::remove_cvref_t<Container>, const_bytes>) const_bytes(Container&& container)
    noexcept : const_bytes(container.data(), container.size()) {}

    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const_bytes first(std::size_t count) const noexcept { return {data_, count}; }
    const_bytes subspan(std::size_t offset) const noexcept { return {data_ + offset, size_ - offset}; }
    /// The same bytes as characters.
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

  private:
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sennit
