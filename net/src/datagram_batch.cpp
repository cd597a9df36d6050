// Batches of datagrams: the kernel's tables for recvmmsg(2) and sendmmsg(2) and how their answers are read. Its one
// hard idea: one table serves both ways. The address and the length that a receive leaves in an entry are what a send
// needs there, so that an answer in place costs no copy.
//
// - sendmmsg(2) ends at the first datagram that fails, and tells the error only when that is the first of the call. So
//   the rest is sent again from there: either the error comes now, or the datagram goes.

#include "batch_storage.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include <sennit/net/datagram_batch.hpp>
#include <sennit/net/detail/batch_operation.hpp>

namespace sennit::net {

namespace detail {

namespace {

constexpr std::size_t most_datagrams = 1024;  // UIO_MAXIOV, what the two calls take at once
constexpr std::size_t longest_datagram = 65535;

std::size_t checked(std::size_t value, std::size_t most, const char* name) {
    if (value != 0 && value <= most) return value;
    throw std::invalid_argument(std::string("sennit::net::datagram_batch: ") + name + " must be from 1 to " +
                                std::to_string(most));
}

}  // namespace

batch_storage::batch_storage(std::size_t capacity, std::size_t longest)
    : longest_(checked(longest, longest_datagram, "longest")),
      headers_(checked(capacity, most_datagrams, "capacity")),
      parts_(capacity),
      names_(capacity),
      errors_(capacity),
      bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity * longest)) {
    for (std::size_t i = 0; i < capacity; ++i) {
        msghdr& header = headers_[i].msg_hdr;
        header.msg_iov = &parts_[i];
        header.msg_iovlen = 1;
        header.msg_name = names_[i].bytes;
        header.msg_namelen = sizeof names_[i].bytes;
        parts_[i] = {room(i).data(), longest_};
    }
}

endpoint batch_storage::peer(std::size_t index) const noexcept {
    return endpoint::from_sockaddr(names_[index].bytes, headers_[index].msg_hdr.msg_namelen);
}

void batch_storage::require_to_fit(std::size_t size) const {
    if (size <= longest_) return;
    throw std::length_error("sennit::net::datagram_batch: a datagram of " + std::to_string(size) +
                            " bytes where the longest may have " + std::to_string(longest_));
}

void batch_storage::resize(std::size_t index, std::size_t size) {
    require_to_fit(size);
    parts_[index].iov_len = size;
}

bool batch_storage::push_back(const_bytes bytes, const endpoint* receiver) {
    require_to_fit(bytes.size());
    if (size_ == capacity()) return false;
    if (bytes.size() != 0) std::memcpy(room(size_).data(), bytes.data(), bytes.size());
    parts_[size_].iov_len = bytes.size();
    msghdr& header = headers_[size_].msg_hdr;
    header.msg_namelen = receiver == nullptr ? 0 : receiver->to_sockaddr(names_[size_].bytes);
    header.msg_flags = 0;
    errors_[size_] = 0;
    ++size_;
    return true;
}

void batch_storage::prepare_to_receive() noexcept {
    // What was not used since the last time is as it was.
    for (std::size_t i = 0; i < size_; ++i) {
        parts_[i].iov_len = longest_;
        headers_[i].msg_hdr.msg_namelen = sizeof names_[i].bytes;
        errors_[i] = 0;
    }
    size_ = 0;
}

void batch_storage::received(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) parts_[i].iov_len = std::min<std::size_t>(headers_[i].msg_len, longest_);
    size_ = count;
}

void batch_storage::prepare_to_send() noexcept {
    std::fill_n(errors_.begin(), size_, 0);
}

recv_batch_awaiter::recv_batch_awaiter(const socket_ref& core, datagram_batch& batch) noexcept
    : request_on_socket(core, direction::receiving, recvmmsg_request{core ? core->fd() : -1, nullptr, 0}),
      batch_(&batch.storage()) {}

bool recv_batch_awaiter::prepare() noexcept {
    batch_->prepare_to_receive();
    request_.messages = batch_->headers();
    request_.count = static_cast<unsigned>(batch_->capacity());
    return true;
}

void recv_batch_awaiter::complete(completion done) noexcept {
    if (done.result > 0) batch_->received(static_cast<std::size_t>(done.result));
    finish_on_socket(done.result);
}

send_batch_awaiter::send_batch_awaiter(const socket_ref& core, datagram_batch& batch) noexcept
    : request_on_socket(core, direction::sending, sendmmsg_request{core ? core->fd() : -1, nullptr, 0}),
      batch_(&batch.storage()) {}

bool send_batch_awaiter::await_ready() const noexcept {
    return batch_->size() == 0;
}

bool send_batch_awaiter::prepare() noexcept {
    batch_->prepare_to_send();
    request_.messages = batch_->headers();
    request_.count = static_cast<unsigned>(batch_->size());
    return true;
}

void send_batch_awaiter::complete(completion done) noexcept {
    if (done.result == -ECANCELED || done.result == -EBADF) return finish_on_socket(done.result);
    sendmmsg_request& rest = request_;
    unsigned over = 1;
    if (done.result > 0) {
        over = static_cast<unsigned>(done.result);
        sent_ += over;
    } else {
        batch_->fail(batch_->size() - rest.count, -done.result);
    }
    rest.messages += over;
    rest.count -= over;
    if (rest.count == 0) {
        finish_on_socket(0);
    } else {
        continue_or_finish();
    }
}

}  // namespace detail

datagram_batch::datagram_batch(std::size_t capacity, std::size_t longest)
    : storage_(std::make_unique<detail::batch_storage>(capacity, longest)) {}
datagram_batch::datagram_batch(datagram_batch&&) noexcept = default;
datagram_batch& datagram_batch::operator=(datagram_batch&&) noexcept = default;
datagram_batch::~datagram_batch() = default;

mutable_bytes datagram_batch::item::bytes() const noexcept {
    return room().first(storage_->size_of(index_));
}

mutable_bytes datagram_batch::item::room() const noexcept {
    return storage_->room(index_);
}

endpoint datagram_batch::item::peer() const noexcept {
    return storage_->peer(index_);
}

bool datagram_batch::item::truncated() const noexcept {
    return storage_->truncated(index_);
}

std::error_code datagram_batch::item::error() const noexcept {
    return {storage_->error(index_), std::system_category()};
}

void datagram_batch::item::resize(std::size_t size) const {
    storage_->resize(index_, size);
}

std::size_t datagram_batch::size() const noexcept {
    return storage_->size();
}

std::size_t datagram_batch::capacity() const noexcept {
    return storage_->capacity();
}

std::size_t datagram_batch::longest() const noexcept {
    return storage_->longest();
}

bool datagram_batch::push_back(const_bytes bytes, const endpoint& receiver) {
    return storage_->push_back(bytes, &receiver);
}

bool datagram_batch::push_back(const_bytes bytes) {
    return storage_->push_back(bytes, nullptr);
}

void datagram_batch::clear() noexcept {
    storage_->prepare_to_receive();
}

}  // namespace sennit::net
