#include "aelle/report/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "aelle/base/error.hpp"

extern char** environ;

namespace aelle::report {
namespace {

struct Actions {
    posix_spawn_file_actions_t value;
    Actions() { posix_spawn_file_actions_init(&value); }
    ~Actions() { posix_spawn_file_actions_destroy(&value); }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
};

std::string read_all(int descriptor) {
    std::string text;
    std::array<char, 65536> buffer;
    for (;;) {
        const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

int wait_for(pid_t process) {
    int status = 0;
    while (::waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return status;
}

}  // namespace

std::optional<std::filesystem::path> find_gnuplot() {
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t end = rest.find(':');
        const std::filesystem::path candidate = std::filesystem::path(rest.substr(0, end)) / "gnuplot";
        // An empty entry means the working folder, where a program is not looked for.
        if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
        rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    }
    return std::nullopt;
}

std::string gnuplot_quoted(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '\'') quoted += "’";  // doubled it would do, but not as the first character
        else quoted += code < 0x20 || code == 0x7F ? ' ' : c;
    }
    return quoted + "'";
}

std::string run_gnuplot(const std::filesystem::path& gnuplot, const std::filesystem::path& folder, const std::string& script_name) {
    const auto fail = [&](const std::string& what) -> void { throw IoError((folder / script_name).string() + ": gnuplot: " + what); };
    // Messages go to a file without a name: a pipe for each of the two streams could fill while the other is read.
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> messages(std::tmpfile(), &std::fclose);
    std::array<int, 2> drawing{};
    if (!messages || ::pipe2(drawing.data(), O_CLOEXEC) != 0) fail(std::strerror(errno));
    Actions actions;
    posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions.value, drawing[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions.value, fileno(messages.get()), STDERR_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions.value, folder.c_str());
    std::string program = gnuplot.string(), option = "--default-settings", script = script_name;
    std::array<char*, 4> arguments{program.data(), option.data(), script.data(), nullptr};
    pid_t process = 0;
    const int error = posix_spawn(&process, program.c_str(), &actions.value, nullptr, arguments.data(), environ);
    ::close(drawing[1]);
    std::string svg = error == 0 ? read_all(drawing[0]) : "";
    ::close(drawing[0]);
    if (error != 0) fail(std::strerror(error));
    const int status = wait_for(process);
    std::rewind(messages.get());
    const std::string said = read_all(fileno(messages.get()));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(said.empty() ? "ended without a message" : said);
    if (svg.find("</svg>") == std::string::npos) fail("drew nothing" + (said.empty() ? "" : ": " + said));
    return svg;
}

}  // namespace aelle::report
