#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include <sennit/detail/mailbox.hpp>

namespace sennit {
class backend;
}

namespace sennit::detail {

/// The loop's side of its mailbox, for the loop's thread.
class loop_mailbox final : public mailbox {
  public:
    explicit loop_mailbox(backend& wakes) noexcept : backend_(&wakes) {}
    ~loop_mailbox();

    /// Whether there is something to `take`.
    bool has_mail() const noexcept { return newest_.load(std::memory_order_relaxed) != nullptr; }

    /// Takes over all that has arrived and gives the oldest letter, empty if there is none.
    std::unique_ptr<letter> take() noexcept;
    /// The next of the letters that the last `take` took over, empty after the last.
    std::unique_ptr<letter> take_rest() noexcept;

    /// The loop ends.
    void close() noexcept;

  private:
    friend class mailbox;

    class end_mark final : public letter {
        void run() override {}
    };

    /// For `mailbox::post`, on any thread.
    bool add(std::unique_ptr<letter> mail);
    void reverse(letter* newest) noexcept;
    void throw_away() noexcept;

    std::atomic<letter*> newest_{nullptr};
    end_mark closed_;           // `newest_` points to it from the end of the loop on
    letter* oldest_ = nullptr;  // taken from `newest_` and reversed; the loop's thread only
    std::mutex mutex_;          // orders `close` and the use of `backend_`
    backend* backend_;
};

}  // namespace sennit::detail
