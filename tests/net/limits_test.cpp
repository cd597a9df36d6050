// What happens when descriptors run out. Its one hard idea: the limit is lowered to the lowest number that is free, so
// that exactly no descriptor is left, and each one that is closed leaves exactly one.

#include <sys/resource.h>

#include <array>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <sennit/net/tcp.hpp>
#include <sennit/net/udp.hpp>
#include <sennit/net/unix.hpp>
#include <sennit/task_group.hpp>

#include "support/descriptor_limit.hpp"
#include "support/sockets.hpp"

namespace sennit::testing::limits_test {

class Limits : public SocketTest {};
SENNIT_ON_ALL_BACKENDS(Limits);

TEST_P(Limits, AcceptFailsWithoutDescriptorsAndRecovers) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        std::vector<raw_socket> clients;
        for (int i = 0; i != 4; ++i) {
            clients.push_back(raw_connect(listener.local_endpoint()));
            clients.back().send("x");
        }
        std::optional<net::tcp_stream> first;
        std::optional<net::tcp_stream> second;
        {
            const descriptor_limit limit(2);
            // What the kernel accepts ahead takes descriptors too: two connections come, then none.
            first.emplace(co_await listener.accept());
            second.emplace(co_await listener.accept());
            for (int i = 0; i != 3; ++i) {
                const std::error_code error = co_await error_of(listener.accept());
                EXPECT_EQ(error, std::errc::too_many_files_open);
            }
            first->close();
            auto third = co_await listener.accept();
            const std::string text = co_await read_exactly(third, 1);
            EXPECT_EQ(text, "x");
            const std::string reason = co_await text_of(listener.accept());
            EXPECT_EQ(reason, "accept: Too many open files");
        }
        auto last = co_await listener.accept();
        const std::string text = co_await read_exactly(last, 1);
        EXPECT_EQ(text, "x");
    });
}

TEST_P(Limits, PendingAcceptIsToldWhenTheLastDescriptorIsGone) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        raw_socket client = raw_stream(net::family::ipv4);
        std::error_code error;
        {
            const descriptor_limit limit(0);
            co_await with_task_group([&](task_group& group) -> task<> {
                group.spawn([&]() -> task<> { error = co_await error_of(listener.accept()); });
                co_await settle();
                EXPECT_TRUE(raw_connect(client, listener.local_endpoint()));
            });
        }
        EXPECT_EQ(error, std::errc::too_many_files_open);
        const auto stream = co_await listener.accept();
        EXPECT_TRUE(stream.is_open());
    });
}

TEST_P(Limits, OpeningFailsCleanlyAndWorksAgain) {
    run([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
        const net::endpoint where = listener.local_endpoint();
        const std::size_t before = open_descriptors();
        const scratch_directory directory;
        const auto path = net::endpoint::unix_path(directory / "socket");
        std::vector<std::error_code> errors;
        {
            const descriptor_limit limit(0);
            errors.push_back(co_await error_of(net::tcp_stream::connect(where)));
            errors.push_back(co_await error_of(net::tcp_listener::bind({"127.0.0.1", 0})));
            errors.push_back(co_await error_of(net::udp_socket::bind({"127.0.0.1", 0})));
            errors.push_back(co_await error_of(net::udp_socket::connect(where)));
            errors.push_back(co_await error_of(net::unix_stream::pair()));
            errors.push_back(co_await error_of(net::unix_listener::bind(path)));
        }
        {
            const descriptor_limit limit(1);
            errors.push_back(co_await error_of(net::unix_stream::pair()));
        }
        for (const std::error_code& error : errors) EXPECT_EQ(error, std::errc::too_many_files_open);
        EXPECT_EQ(open_descriptors(), before);
        auto stream = co_await net::tcp_stream::connect(where);
        EXPECT_TRUE(stream.is_open());
    });
}

}  // namespace sennit::testing::limits_test
