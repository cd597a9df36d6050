#pragma once

#include <signal.h>

#include <string>

namespace sennit::testing::sim {

/// While it exists, a program that aborts on this thread says on standard error what it was doing: std::terminate,
/// a failed assertion and the library's own complaints end it without a word of that.
class last_words {
  public:
    explicit last_words(std::string doing);
    last_words(const last_words&) = delete;
    last_words& operator=(const last_words&) = delete;
    ~last_words();

  private:
    static void say(int signal);

    std::string doing_;
    struct sigaction before_ {};
    const char* around_;
};

}  // namespace sennit::testing::sim
