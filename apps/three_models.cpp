// three_models: the same three jobs one after another, on three threads, and interleaved by the event loop

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <sennit/sennit.hpp>
#include <system_error>
#include <thread>
#include <vector>

#include "common/command_line.hpp"

using namespace sennit;
using namespace std::chrono_literals;

constexpr int job_count = 3;
constexpr int rounds = 4;             // of a job: work, ask the server, wait for its answer
constexpr duration work_time = 20ms;  // of the processor
constexpr duration answer_time = 60ms;
constexpr int columns = 72;  // of a timeline

// ---- The jobs. They do not know in which model they run.

enum class activity { working, waiting, done };

/// From `at` on a job did `what`.
struct mark {
    int job;
    activity what;
    duration at;
};

class recorder {
  public:
    void note(int job, activity what) {
        const duration since_start = std::chrono::steady_clock::now() - start_;
        marks_[static_cast<std::size_t>(job)].push_back({job, what, since_start});
    }
    std::vector<mark> all() const {
        std::vector<mark> result;
        for (const auto& each : marks_) result.insert(result.end(), each.begin(), each.end());
        return result;
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::array<std::vector<mark>, job_count> marks_;  // one for each job, so threads share none
};

duration processor_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

void work() {
    for (const duration end = processor_time() + work_time; processor_time() < end;) {
    }
}

task<> job(int number, net::endpoint server, recorder& record) {
    record.note(number, activity::waiting);
    auto stream = co_await net::tcp_stream::connect(server);
    std::array<char, 64> answer;
    for (int round = 0; round != rounds; ++round) {
        record.note(number, activity::working);
        work();
        record.note(number, activity::waiting);
        co_await stream.send("what next?");
        co_await stream.recv(answer);
    }
    record.note(number, activity::done);
}

// ---- The three models.

using model = void (*)(net::endpoint server, recorder& record, const event_loop_options& options);

task<> each_in_turn(net::endpoint server, recorder& record) {
    for (int i = 0; i != job_count; ++i) co_await job(i, server, record);
}

void one_after_another(net::endpoint server, recorder& record, const event_loop_options& options) {
    event_loop(options).run(each_in_turn(server, record));
}

void three_threads(net::endpoint server, recorder& record, const event_loop_options& options) {
    std::vector<std::thread> threads;
    for (int i = 0; i != job_count; ++i) {
        threads.emplace_back([&, i] { event_loop(options).run(job(i, server, record)); });
    }
    for (std::thread& each : threads) each.join();
}

task<> all_at_once(net::endpoint server, recorder& record) {
    co_await when_all(job(0, server, record), job(1, server, record), job(2, server, record));
}

void interleaved(net::endpoint server, recorder& record, const event_loop_options& options) {
    event_loop(options).run(all_at_once(server, record));
}

// ---- Each model runs in a process of its own, which makes its memory its own. All are made by fork(2) before this
// process has threads or an event loop, neither of which survive it.

struct child {
    pid_t process;
    int output;  // what `body` writes to the descriptor it is given
};

child start(const std::function<void(int output)>& body) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::system_error(errno, std::system_category(), "pipe");
    const pid_t process = ::fork();
    if (process < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (process == 0) {
        ::close(ends[0]);
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // no child outlives us, however we end
        try {
            body(ends[1]);
            ::_exit(0);
        } catch (const std::exception& error) {
            fmt::print(stderr, "error: {}\n", error.what());
            ::_exit(1);
        }
    }
    ::close(ends[1]);
    return {process, ends[0]};
}

template <class T>
bool read_from(int descriptor, T& value) {
    return ::read(descriptor, &value, sizeof value) == static_cast<ssize_t>(sizeof value);
}

template <class T>
void write_to(int descriptor, const T& value) {
    if (::write(descriptor, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) {
        throw std::system_error(errno, std::system_category(), "pipe");
    }
}

task<> answer_slowly(net::tcp_stream peer) {
    std::array<std::byte, 64> question;
    while (co_await peer.recv(question) != 0) {
        co_await sleep_for(answer_time);
        co_await peer.send("that");
    }
}

task<> serve_slowly(int output) {
    auto listener = co_await net::tcp_listener::bind({"127.0.0.1", 0});
    write_to(output, listener.local_endpoint().port());
    co_await net::serve(listener, answer_slowly);
}

struct outcome {
    std::vector<mark> marks;
    duration total{};
    long peak_kilobytes = 0;
};

outcome measure(model run_model, net::endpoint server, const event_loop_options& options) {
    const child measured = start([&](int output) {
        recorder record;
        run_model(server, record, options);
        for (const mark& each : record.all()) write_to(output, each);
    });
    outcome result;
    for (mark each; read_from(measured.output, each);) {
        result.marks.push_back(each);
        result.total = std::max(result.total, each.at);
    }
    ::close(measured.output);
    int status = 0;
    rusage usage{};
    ::wait4(measured.process, &status, 0, &usage);
    if (status != 0) throw std::runtime_error("a model did not come to its end");
    result.peak_kilobytes = usage.ru_maxrss;
    return result;
}

// ---- The timelines.

std::string row(const outcome& from, int job, duration column) {
    std::string line(columns, ' ');
    const mark* begun = nullptr;
    for (const mark& each : from.marks) {
        if (each.job != job) continue;
        if (begun != nullptr) {
            const auto first = begun->at / column;
            const auto last = std::min<std::int64_t>(each.at / column, columns - 1);
            for (auto i = first; i <= last; ++i) {
                char& cell = line[static_cast<std::size_t>(i)];
                if (begun->what == activity::working || cell == ' ')
                    cell = begun->what == activity::working ? '#' : '.';
            }
        }
        begun = &each;
    }
    return line;
}

void show(const char* name, const outcome& of, duration column) {
    fmt::print("\n{}: {} ms, peak memory {:.1f} MiB\n", name, of.total / 1ms,
               static_cast<double>(of.peak_kilobytes) / 1024);
    for (int i = 0; i != job_count; ++i) fmt::print("  job {} |{}|\n", i + 1, row(of, i, column));
}

int main(int argc, char** argv) {
    app::loop_flags flags;
    app::command_line("Shows three ways to run three jobs that mostly wait, and what each costs.")
        .add(flags)
        .parse(argc, argv);
    const event_loop_options options{flags.backend};
    try {
        const child server = start([&](int output) { ::_exit(sennit::run(serve_slowly(output), options)); });
        std::uint16_t port = 0;
        if (!read_from(server.output, port)) throw std::runtime_error("the server did not start");
        const net::endpoint where("127.0.0.1", port);

        const outcome in_turn = measure(one_after_another, where, options);
        const outcome threaded = measure(three_threads, where, options);
        const outcome evented = measure(interleaved, where, options);
        ::kill(server.process, SIGTERM);
        ::waitpid(server.process, nullptr, 0);

        const duration column = std::max({in_turn.total, threaded.total, evented.total}) / columns + 1ns;
        fmt::print(
            "Three jobs; each {} times works for {} ms (#) and waits {} ms for a server (.). A column is {} ms.\n",
            rounds, work_time / 1ms, answer_time / 1ms, column / 1ms);
        show("one after another", in_turn, column);
        show("on three threads", threaded, column);
        show("interleaved on one thread by the event loop", evented, column);
    } catch (const std::exception& error) {
        fmt::print(stderr, "error: {}\n", error.what());
        return 1;
    }
}
