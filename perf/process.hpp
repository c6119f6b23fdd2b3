#pragma once
/// A program started by this one, talked to line by line through pipes.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace aelle::perf {

class Process {
public:
    /// `first_processor`, `threads`: index into processors() and how many from there on it may use; environment variables that BLAS and OpenMP
    /// read are set to `threads`.
    Process(std::vector<std::string> command, int first_processor, int threads);
    ~Process();  ///< ends it at once
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    void write_line(const std::string& line);
    /// The next line of its output; DataError says how it ended, with its last line of errors, or that none came in time.
    std::string read_line(double timeout);
    double processor_seconds() const;  ///< of all of its threads so far

private:
    [[noreturn]] void fail(const std::string& what);
    [[noreturn]] void fail_at_end();

    std::vector<std::string> command_;
    pid_t id_ = -1;
    int input_ = -1, output_ = -1, errors_ = -1;
    std::string buffer_;
};

struct Finished {
    int status = 0;
    double seconds = 0.0;
    double peak_bytes = 0.0;  ///< largest resident memory of one process among it and its descendants, as seen every 0.1 s
    std::string output;       ///< and errors
};

/// Runs a command to its end, its output kept out of the way.
Finished run_command(const std::vector<std::string>& command, const std::vector<std::pair<std::string, std::string>>& environment = {});

/// The answer of a command, without the line's end; empty where it failed.
std::string answer_of(const std::vector<std::string>& command);

/// A folder that is removed with the object.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace aelle::perf
