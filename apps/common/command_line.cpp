// The command lines of all demos, and the only user of CLI11, which takes long to compile. Its one hard idea: CLI11
// splits the arguments into names and values, and everything else happens here and in command_values.cpp, so that every
// mistake is answered with what to write instead.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "common/command_line.hpp"
#include "common/command_values.hpp"

namespace app {

using namespace sennit;

struct command_line::state {
    explicit state(const char* description) : parser(description) {
        parser.set_help_flag("-h,--help", "shows this and ends");
        parser.allow_extras();  // they are reported in `parse`, by name
    }

    /// `wanted` says what to write, for when the value is missing.
    void add(const std::string& name, const std::string& type, const std::string& wanted,
             const std::string& shown_default, const std::string& help, std::function<void(const std::string&)> take) {
        const bool positional = !name.starts_with('-');
        const auto read = [name, take](const CLI::results_t& values) {
            try {
                take(values.back());
            } catch (const bad_value& mistake) {
                refuse(fmt::format("{}: {}", name, mistake.what()));
            }
            return true;
        };
        CLI::Option* const option = parser.add_option(name, read, help);
        option->type_name(positional ? "" : type);
        option->expected(1);
        option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        if (positional) {
            required.emplace_back(name, option);
        } else {
            option->default_str(shown_default);
        }
        wanted_for[name] = wanted;
    }

    CLI::App parser;
    std::vector<std::pair<std::string, CLI::Option*>> required;
    std::map<std::string, std::string> wanted_for;
};

command_line::command_line(const char* description) : state_(std::make_unique<state>(description)) {}
command_line::~command_line() = default;

command_line& command_line::add(loop_flags& flags) {
    state_->add("--backend", "NAME", "auto, io_uring or epoll", "auto", "auto, io_uring or epoll",
                [&flags](const std::string& text) { flags.backend = backend_from(text); });
    return *this;
}

command_line& command_line::add(server_flags& flags) {
    state_->add("--host", "ADDRESS", "an IP address", flags.host, "the IP address to listen on, 0.0.0.0 for all",
                [&flags](const std::string& text) { flags.host = ip_from(text); });
    state_->add("--port", "NUMBER", "a number from 0 to 65535", std::to_string(flags.port),
                "the port to listen on, 0 for any that is free",
                [&flags](const std::string& text) { flags.port = port_from(text, 0); });
    flag("--verbose", flags.verbose, "also prints why the backend was chosen");
    return add(static_cast<loop_flags&>(flags));
}

command_line& command_line::add(client_flags& flags) {
    state_->add("--host", "HOST", "a name or an IP address", flags.host, "name or IP address of the server",
                [&flags](const std::string& text) { flags.host = host_from(text); });
    state_->add("--port", "NUMBER", "a number from 1 to 65535", std::to_string(flags.port), "port of the server",
                [&flags](const std::string& text) { flags.port = port_from(text, 1); });
    return add(static_cast<loop_flags&>(flags));
}

command_line& command_line::add(unix_path& path) {
    state_->add("--path", "PATH", "a path, or @NAME", path.text,
                "the Unix socket: a path, or @NAME for an abstract name, which leaves no file",
                [&path](const std::string& text) { path.text = check_path(text); });
    return *this;
}

command_line& command_line::add(stream_server_flags& flags) {
    add(static_cast<server_flags&>(flags));
    return add(flags.limits);
}

command_line& command_line::add(sennit::net::serve_options& limits) {
    time("--idle-timeout", *limits.idle_timeout, "ends a connection on which nothing moves for so long");
    return time("--send-timeout", *limits.send_timeout, "ends a connection whose peer reads nothing for so long");
}

command_line& command_line::add(unix_server_flags& flags) {
    add(flags.path);
    add(flags.limits);
    flag("--verbose", flags.verbose, "also prints why the backend was chosen");
    return add(static_cast<loop_flags&>(flags));
}

command_line& command_line::flag(const char* name, bool& value, const char* help) {
    state_->parser.add_flag(name, value, help);
    return *this;
}

command_line& command_line::number(const char* name, std::uint64_t& value, std::uint64_t least, std::uint64_t most,
                                   const char* help) {
    state_->add(name, "NUMBER", fmt::format("a number from {} to {}", least, most), std::to_string(value), help,
                [&value, least, most](const std::string& text) { value = number_between(text, least, most); });
    return *this;
}

command_line& command_line::time(const char* name, duration& value, const char* help) {
    state_->add(name, "TIME", "a time such as 2s, 500ms or 1m", time_text(value), help,
                [&value](const std::string& text) { value = time_from(text); });
    return *this;
}

command_line& command_line::choice(const char* name, std::string& value, std::initializer_list<const char*> choices,
                                   const char* help) {
    const std::vector<std::string> known(choices.begin(), choices.end());
    const std::string list = fmt::format("{}", fmt::join(known, ", "));
    state_->add(name, "", "one of " + list, "", help, [&value, known, list](const std::string& text) {
        if (std::find(known.begin(), known.end(), text) == known.end()) {
            throw bad_value(fmt::format("'{}' is not known; write one of {}", text, list));
        }
        value = text;
    });
    return *this;
}

command_line& command_line::listening_place(const char* name, host_and_port& value, const char* help) {
    state_->add(name, "", "[ADDRESS:]PORT", "", help, [&value](const std::string& text) {
        value = place_from(text, 0);
        value.host = ip_from(value.host);
    });
    return *this;
}

command_line& command_line::target_place(const char* name, host_and_port& value, const char* help) {
    state_->add(name, "", "[HOST:]PORT", "", help, [&value](const std::string& text) { value = place_from(text, 1); });
    return *this;
}

void command_line::parse(int argc, char** argv) {
    CLI::App& parser = state_->parser;
    parser.name(std::filesystem::path(argv[0]).filename());
    try {
        parser.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        for (const auto& [name, option] : state_->required) option->required();  // shown without brackets
        fmt::print("{}", parser.help());
        std::exit(0);
    } catch (const CLI::ParseError& error) {
        // CLI11 writes "--port: 1 required TEXT missing" and the like: the name is worth keeping.
        const std::string text = error.what();
        const std::string name = text.substr(0, text.find(':'));
        const auto wanted = state_->wanted_for.find(name);
        if (wanted == state_->wanted_for.end()) refuse(text);
        refuse(fmt::format("{}: the value is missing; write {}", name, wanted->second));
    }
    if (const auto unknown = parser.remaining(); !unknown.empty()) {
        refuse(fmt::format("'{}' is not known here", unknown.front()));
    }
    for (const auto& [name, option] : state_->required) {
        if (option->count() == 0) refuse(fmt::format("{} is missing; write {}", name, state_->wanted_for[name]));
    }
}

void refuse(const std::string& message) {
    fmt::print(stderr, "{}; --help shows all there is\n", message);
    std::exit(2);
}

}  // namespace app
