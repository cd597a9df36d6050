#pragma once

// What the tests against the machine's own kernels share. How much they do can be said in the environment: the usual
// run is short, tests/run --full asks for more.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include <sennit/backend.hpp>
#include "support/sockets.hpp"

namespace sennit::testing {

/// How much there is to do: what the variable says, or this; a tenth of it where sanitizers slow everything down.
inline std::uint64_t amount(const char* variable, std::uint64_t usual) {
    const char* const wanted = std::getenv(variable);
    if (wanted != nullptr) return std::stoull(wanted);
    return sanitized ? usual / 10 : usual;
}

/// A test of what only a kernel does. It leaves no descriptor and no operation behind.
class KernelTest : public SocketTest {
  protected:
    void SetUp() override {
        SocketTest::SetUp();
        if (IsSkipped()) return;
        descriptors_ = open_descriptors();
        in_flight_ = loop().io().in_flight();
    }
    void TearDown() override {
        if (!IsSkipped()) expect_baseline();
        SocketTest::TearDown();
    }

    void expect_baseline() {
        // What was closed last is closed by the kernel in the next turn.
        loop().run([]() -> task<> { co_await settle(); }());
        EXPECT_EQ(open_descriptors(), descriptors_);
        EXPECT_EQ(loop().io().in_flight(), in_flight_);
    }

    /// For the table of what the tests have shown.
    static void record(const char* what, std::uint64_t count) { RecordProperty(what, std::to_string(count)); }

  private:
    std::size_t descriptors_ = 0;
    std::size_t in_flight_ = 0;
};

/// Sends back what it receives.
inline task<> echo(net::tcp_stream peer) {
    std::vector<std::byte> buffer(16384);
    while (const std::size_t count = co_await peer.recv(buffer)) {
        co_await peer.send(const_bytes(buffer).first(count));
    }
}

#define SENNIT_ON_KERNEL_BACKENDS(Fixture)                                                                       \
    INSTANTIATE_TEST_SUITE_P(Backends, Fixture,                                                                  \
                             ::testing::Values(::sennit::backend_kind::epoll, ::sennit::backend_kind::io_uring), \
                             ::sennit::testing::backend_label)

}  // namespace sennit::testing
