#pragma once

#include <atomic>
#include <concepts>
#include <memory>
#include <mutex>
#include <utility>

namespace sennit {
class backend;
}

namespace sennit::detail {

/// A function on its way to the loop's thread.
class letter {
  public:
    virtual ~letter() = default;
    virtual void run() = 0;

  private:
    friend class mailbox;
    letter* next_ = nullptr;
};

template <class Function>
class function_letter final : public letter {
  public:
    explicit function_letter(Function function) : function_(std::move(function)) {}
    void run() override { function_(); }

  private:
    Function function_;
};

/// What other threads hold of an event loop. It may outlive the loop; then it accepts nothing any more.
class mailbox {
  public:
    explicit mailbox(backend& wakes) noexcept : backend_(&wakes) {}
    mailbox(const mailbox&) = delete;
    mailbox& operator=(const mailbox&) = delete;
    ~mailbox();

    /// Hands a letter to the loop, from any thread. False when the loop is gone; the letter is destroyed then. A letter
    /// that was accepted, but not run before the loop ended, is destroyed by the loop's thread.
    bool post(std::unique_ptr<letter> mail);

    /// The same for a function.
    template <class Function>
    requires std::invocable<Function&>
    bool post(Function function) {
        return post(std::unique_ptr<letter>(std::make_unique<function_letter<Function>>(std::move(function))));
    }

    /// For the loop's thread: whether there is something to `take`.
    bool has_mail() const noexcept { return newest_.load(std::memory_order_relaxed) != nullptr; }

    /// For the loop's thread: takes over all that has arrived and gives the oldest letter, empty if there is none.
    std::unique_ptr<letter> take() noexcept;
    /// For the loop's thread: the next of the letters that the last `take` took over, empty after the last.
    std::unique_ptr<letter> take_rest() noexcept;

    /// For the loop's thread, when it ends.
    void close() noexcept;

  private:
    class end_mark final : public letter {
        void run() override {}
    };

    void reverse(letter* newest) noexcept;
    void throw_away() noexcept;

    std::atomic<letter*> newest_{nullptr};
    end_mark closed_;           // `newest_` points to it from the end of the loop on
    letter* oldest_ = nullptr;  // taken from `newest_` and reversed; the loop's thread only
    std::mutex mutex_;          // orders `close` and the use of `backend_`
    backend* backend_;
};

}  // namespace sennit::detail
