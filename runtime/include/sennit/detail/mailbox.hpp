#pragma once

#include <concepts>
#include <memory>
#include <utility>

namespace sennit::detail {

/// A function on its way to the loop's thread.
class letter {
  public:
    virtual ~letter() = default;
    virtual void run() = 0;

  private:
    friend class loop_mailbox;
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
    mailbox(const mailbox&) = delete;
    mailbox& operator=(const mailbox&) = delete;

    /// Hands a letter to the loop, from any thread. False when the loop is gone; the letter is destroyed then. A letter
    /// that was accepted, but not run before the loop ended, is destroyed by the loop's thread.
    bool post(std::unique_ptr<letter> mail);

    /// The same for a function.
    template <class Function>
    requires std::invocable<Function&>
    bool post(Function function) {
        return post(std::unique_ptr<letter>(new function_letter<Function>(std::move(function))));
    }

  private:
    // Every mailbox is one: what threads share need not be compiled by those who only post.
    friend class loop_mailbox;
    mailbox() noexcept = default;
    ~mailbox() = default;
};

}  // namespace sennit::detail
