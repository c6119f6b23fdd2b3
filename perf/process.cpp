#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "crew.hpp"

namespace aelle::perf {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// In the child: becomes the command. Never returns.
[[noreturn]] void become(const std::vector<std::string>& command) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // whatever happens to us, no peer is left behind
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    std::fprintf(stderr, "%s: %s\n", words[0], std::strerror(errno));
    _exit(127);
}

int unnamed_file() {
    std::FILE* file = std::tmpfile();
    if (file == nullptr) throw CannotCreate(std::string("temporary file: ") + std::strerror(errno));
    const int copy = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
    std::fclose(file);
    return copy;
}

std::string content(int file) {
    std::string text;
    char part[4096];
    off_t at = 0;
    for (ssize_t count; (count = pread(file, part, sizeof part, at)) > 0; at += count) text.append(part, static_cast<std::size_t>(count));
    return text;
}

std::string last_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const auto end = text.rfind('\n');
    return end == std::string::npos ? text : text.substr(end + 1);
}

/// Largest VmHWM of a process and its descendants. What wait4 tells is no use: after fork and exec it counts this program's memory as well.
double peak_bytes(const std::string& id) {
    double most = 0.0;
    std::ifstream lines("/proc/" + id + "/status");
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("VmHWM:")) most = 1024.0 * std::strtod(line.c_str() + 6, nullptr);
    std::ifstream children("/proc/" + id + "/task/" + id + "/children");
    for (std::string child; children >> child;) most = std::max(most, peak_bytes(child));
    return most;
}

std::string how_it_ended(int status) {
    if (WIFSIGNALED(status)) return std::string("ended by ") + strsignal(WTERMSIG(status));
    return "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Process::Process(std::vector<std::string> command, int first_processor, int threads) : command_(std::move(command)) {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    for (int i = 0; i < threads; ++i) CPU_SET(processors()[static_cast<std::size_t>(first_processor + i) % processors().size()], &mine);
    const std::string count = std::to_string(threads);
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) throw IoError(std::string("pipe: ") + std::strerror(errno));
    errors_ = unnamed_file();
    id_ = fork();
    if (id_ < 0) throw IoError(std::string("fork: ") + std::strerror(errno));
    if (id_ == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        dup2(errors_, STDERR_FILENO);
        sched_setaffinity(0, sizeof mine, &mine);
        for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}) setenv(name, count.c_str(), 1);
        become(command_);
    }
    close(to[0]);
    close(from[1]);
    input_ = to[1];
    output_ = from[0];
}

Process::~Process() {
    if (input_ >= 0) close(input_);
    if (output_ >= 0) close(output_);
    if (errors_ >= 0) close(errors_);
    if (id_ > 0) {
        kill(id_, SIGKILL);
        waitpid(id_, nullptr, 0);
    }
}

void Process::fail(const std::string& what) {
    const std::string said = last_line(content(errors_));
    throw DataError(command_.front() + ": " + what + (said.empty() ? "" : ": " + said));
}

/// Its output has ended; it may live on for all we know.
void Process::fail_at_end() {
    int status = 0;
    for (const auto start = Clock::now(); since(start) < 1; usleep(1000)) {
        if (waitpid(id_, &status, WNOHANG) != id_) continue;
        id_ = -1;
        fail(how_it_ended(status));
    }
    fail("closed its output");
}

void Process::write_line(const std::string& line) {
    const std::string all = line + "\n";
    if (write(input_, all.data(), all.size()) != static_cast<ssize_t>(all.size())) fail("takes no more input");
}

std::string Process::read_line(double timeout) {
    const auto start = Clock::now();
    for (;;) {
        if (const auto end = buffer_.find('\n'); end != std::string::npos) {
            const std::string line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return line;
        }
        const double left = timeout - since(start);
        pollfd ready{output_, POLLIN, 0};
        if (left <= 0 || poll(&ready, 1, static_cast<int>(1000 * left) + 1) == 0) fail("no answer within " + duration(timeout));
        char part[4096];
        const ssize_t count = read(output_, part, sizeof part);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) fail_at_end();
        buffer_.append(part, static_cast<std::size_t>(count));
    }
}

double Process::processor_seconds() const {
    clockid_t clock;
    timespec time{};
    if (id_ <= 0 || clock_getcpuclockid(id_, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0.0;
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Finished run_command(const std::vector<std::string>& command, const std::vector<std::pair<std::string, std::string>>& environment) {
    const int output = unnamed_file();
    const auto start = Clock::now();
    const pid_t id = fork();
    if (id < 0) throw IoError(std::string("fork: ") + std::strerror(errno));
    if (id == 0) {
        const int nothing = open("/dev/null", O_RDONLY);
        dup2(nothing, STDIN_FILENO);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
        become(command);
    }
    Finished result;
    int status = 0;
    for (int i = 0; waitpid(id, &status, WNOHANG) != id; ++i) {
        if (i % 50 == 0) result.peak_bytes = std::max(result.peak_bytes, peak_bytes(std::to_string(id)));
        usleep(2000);
    }
    result.seconds = since(start);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.output = content(output);
    close(output);
    return result;
}

std::string answer_of(const std::vector<std::string>& command) {
    const Finished finished = run_command(command);
    return finished.status == 0 ? last_line(finished.output) : "";
}

TemporaryFolder::TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "aelle-perf-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw CannotCreate(name + ": " + std::strerror(errno));
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace aelle::perf
