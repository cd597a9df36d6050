// chat_server: a chat for any number of clients, line by line; who reads too slowly is dropped

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <sennit/sennit.hpp>
#include <string>
#include <vector>

#include "common/command_line.hpp"
#include "common/program.hpp"
#include "common/safe_text.hpp"
#include "common/serving.hpp"

using namespace sennit;
using namespace std::chrono_literals;

constexpr std::size_t longest_line = 1000;
constexpr std::size_t longest_name = 20;
constexpr std::size_t longest_queue = 256;  // messages that wait for one client
constexpr auto goodbye_time = 5s;           // for a client that has left to receive what waits for it

using message = std::shared_ptr<const std::string>;  // one copy, however many receive it

// One client: its task that reads says what is to be said, its task that writes sends what waits in the outbox.
struct member {
    explicit member(net::tcp_stream& connection) : stream(connection) {}

    /// Never waits: this is what keeps one client from holding up the others.
    void deliver(message text) {
        if (outbox.is_closed() || outbox.try_send(std::move(text))) return;
        too_slow = true;
        outbox.close();
        stream.close();  // both tasks of this client get an error, and end
    }

    net::tcp_stream& stream;
    std::string name;
    channel<message> outbox{longest_queue};
    event outbox_sent;
    bool too_slow = false;
};

class chat_room {
  public:
    void tell(member& receiver, const std::string& text) {
        receiver.deliver(std::make_shared<std::string>(text + '\n'));
    }

    void tell_others(const member& sender, const std::string& text) {
        const auto shared = std::make_shared<std::string>(text + '\n');
        for (member* each : members_) {
            if (each != &sender) each->deliver(shared);
        }
    }

    void join(member& newcomer) {
        do {
            newcomer.name = fmt::format("guest{}", ++guests_);
        } while (is_taken(newcomer.name));
        members_.push_back(&newcomer);
        tell(newcomer, fmt::format("* welcome, {}; /nick NAME, /who, /quit", newcomer.name));
        tell_others(newcomer, fmt::format("* {} has joined", newcomer.name));
    }

    void leave(member& leaver) {
        if (std::erase(members_, &leaver) == 0) return;
        tell_others(leaver,
                    fmt::format("* {} {}", leaver.name, leaver.too_slow ? "was too slow and is out" : "has left"));
        leaver.outbox.close();
    }

    void rename(member& who, const std::string& name) {
        constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
        const bool fits = !name.empty() && name.size() <= longest_name && name.find_first_not_of(allowed) == name.npos;
        if (!fits) return tell(who, fmt::format("* a name has 1 to {} letters, digits, _ and -", longest_name));
        if (is_taken(name)) return tell(who, fmt::format("* the name {} is taken", name));
        tell_others(who, fmt::format("* {} is now {}", who.name, name));
        who.name = name;
        tell(who, fmt::format("* you are now {}", name));
    }

    std::string names() const {
        std::vector<std::string_view> all;
        for (const member* each : members_) all.push_back(each->name);
        return fmt::format("{}", fmt::join(all, ", "));
    }

  private:
    bool is_taken(std::string_view name) const {
        return std::any_of(members_.begin(), members_.end(), [&](const member* each) { return each->name == name; });
    }

    std::vector<member*> members_;
    std::size_t guests_ = 0;
};

task<> write_messages(member& self) {
    std::string text;
    while (const auto first = co_await self.outbox.recv()) {
        text = **first;
        while (const auto next = self.outbox.try_recv()) text += **next;
        co_await self.stream.send(text);
    }
    self.outbox_sent.set();
}

task<> read_lines(member& self, chat_room& room) {
    net::line_reader lines(self.stream, net::line_reader_options{longest_line});
    for (;;) {
        const auto line = co_await as_result(lines.read_line());
        if (!line && line.error() == std::errc::message_size) {
            co_await lines.discard_line();
            room.tell(self, fmt::format("* that was longer than {} bytes and was not sent", longest_line));
            continue;
        }
        if (!line || !*line) co_return;

        const std::string text = app::safe_text(**line);
        if (text == "/quit") co_return;
        if (text == "/who") {
            room.tell(self, "* here: " + room.names());
        } else if (text.starts_with("/nick ")) {
            room.rename(self, text.substr(6));
        } else if (text.starts_with('/')) {
            room.tell(self, "* the commands are /nick NAME, /who and /quit");
        } else if (!text.empty()) {
            room.tell_others(self, fmt::format("<{}> {}", self.name, text));
        }
        // At most one line from each client in a turn of the event loop, in which the others are written to. Otherwise
        // whoever sends many lines at once would fill the queues of those who read as fast as they can.
        co_await sleep_for(0s);
    }
}

/// Whatever ends a client's task, also an exception or a cancellation, takes it out of the room.
class membership {
  public:
    membership(chat_room& room, member& self) : room_(room), self_(self) { room.join(self); }
    membership(const membership&) = delete;
    membership& operator=(const membership&) = delete;
    ~membership() { room_.leave(self_); }

  private:
    chat_room& room_;
    member& self_;
};

task<> serve_member(net::tcp_stream stream, chat_room& room) {
    member self(stream);
    const membership joined(room, self);
    try {
        co_await with_task_group([&](task_group& tasks) -> task<> {
            tasks.spawn(write_messages(self));
            co_await read_lines(self, room);
            room.leave(self);
            co_await move_on_after(goodbye_time, self.outbox_sent.wait());
            tasks.cancel();
        });
    } catch (const std::system_error&) {
        // The connection broke, or was closed because it was too slow.
    }
}

task<> serve(const app::stream_server_flags& flags) {
    auto listener = co_await net::tcp_listener::bind(flags.where());
    co_await app::announce(listener.local_endpoint(), flags.verbose);
    chat_room room;
    const auto handler = [&room](net::tcp_stream client) { return serve_member(std::move(client), room); };
    co_await net::serve(listener, handler, flags.limits);
}

int main(int argc, char** argv) {
    app::stream_server_flags flags;
    flags.limits.idle_timeout = 60min;  // a guest may only read, and a room may be quiet
    app::command_line("A chat, line by line: connect to it with `nc` or `telnet`.").add(flags).parse(argc, argv);
    return app::run(flags, serve(flags));
}
