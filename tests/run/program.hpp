#pragma once
/// Runs the program as a user does, in a scratch folder of its own.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "aelle/io/h5.hpp"

namespace aelle::test {

namespace fs = std::filesystem;

inline const std::string program = AELLE_PROGRAM;  // set by CMake
inline const fs::path source = AELLE_SOURCE;

struct Outcome {
    int status = -1;  ///< exit status, or 128 + signal
    std::string out, err;
    double seconds = 0.0;
};

inline std::string slurp(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// A started process, in a session of its own so that a launcher and its ranks can be killed together.
class Process {
public:
    /// `file_limit`: largest file in bytes that it may write, 0 for none.
    Process(const std::vector<std::string>& words, const fs::path& scratch, rlim_t file_limit = 0)
        : out_(scratch / ("out-" + std::to_string(++counter()))), err_(out_.string() + ".err"), start_(std::chrono::steady_clock::now()) {
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        pid_ = fork();
        if (pid_ == 0) {
            setsid();
            redirect(out_, STDOUT_FILENO);
            redirect(err_, STDERR_FILENO);
            close(STDIN_FILENO);
            open("/dev/null", O_RDONLY);
            if (file_limit > 0) {
                const rlimit limit{file_limit, file_limit};
                setrlimit(RLIMIT_FSIZE, &limit);
            }
            execvp(argv[0], argv.data());
            _exit(127);
        }
    }
    ~Process() {
        if (!waited_) {
            kill_session();
            wait();
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const { ::kill(pid_, number); }

    /// Every process of the session, and until none is left but this one's child: mpirun's ranks share the session, not its process group.
    void kill_session() const {
        while (kill_others() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

    /// Until the program handles a signal, which would end it before.
    void wait_for_handler(int number) {
        const auto handles = [&] {
            std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
            for (std::string line; std::getline(status, line);)
                if (line.starts_with("SigCgt:")) return (std::stoull(line.substr(7), nullptr, 16) >> (number - 1) & 1) != 0;
            return false;
        };
        while (running() && !handles()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

    bool running() {
        if (waited_) return false;
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) == 0) return true;
        finish(status);
        return false;
    }

    Outcome wait() {
        if (!waited_) {
            int status = 0;
            waitpid(pid_, &status, 0);
            finish(status);
        }
        outcome_.out = slurp(out_);
        outcome_.err = slurp(err_);
        return outcome_;
    }

private:
    /// Kills the child, and others of its session that have not ended yet, which it counts.
    int kill_others() const {
        int others = 0;
        for (const auto& entry : fs::directory_iterator("/proc")) {
            const std::string name = entry.path().filename();
            if (name.find_first_not_of("0123456789") != std::string::npos) continue;
            const auto member = static_cast<pid_t>(std::stol(name));
            if (getsid(member) != pid_) continue;
            ::kill(member, SIGKILL);
            const std::string stat = slurp(entry.path() / "stat");  // PID (NAME) STATE
            const std::size_t state = stat.rfind(')') + 2;
            others += member != pid_ && state < stat.size() && stat[state] != 'Z' && stat[state] != 'X' ? 1 : 0;
        }
        return others;
    }
    static int& counter() {
        static int count = 0;
        return count;
    }
    static void redirect(const fs::path& file, int descriptor) {
        const int opened = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(opened, descriptor);
        close(opened);
    }
    void finish(int status) {
        waited_ = true;
        outcome_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        outcome_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

    fs::path out_, err_;
    std::chrono::steady_clock::time_point start_;
    pid_t pid_ = -1;
    bool waited_ = false;
    Outcome outcome_;
};

class ProgramTest : public ::testing::Test {
protected:
    void SetUp() override {
        const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
        scratch_ = fs::temp_directory_path() / ("aelle-run-" + std::to_string(getpid()) + "-" + test->name());
        fs::remove_all(scratch_);
        fs::create_directories(scratch_);
    }
    void TearDown() override {
        if (!HasFailure()) fs::remove_all(scratch_);
    }

    Outcome aelle(std::vector<std::string> words) const {
        words.insert(words.begin(), program);
        return Process(words, scratch_).wait();
    }

    /// Runs a command again and again, each time stopped by its time limit, until it ends; how often. The limit grows from `seconds`: on a busy machine
    /// a run may get nowhere in so little time.
    int runs_until_done(std::vector<std::string> words, double seconds) const {
        words.insert(words.end(), {"--time-limit", ""});
        int status = 75, runs = 0;
        for (; status == 75 && runs < 40; ++runs, seconds *= 1.15) {
            words.back() = std::to_string(seconds);
            status = aelle(words).status;
        }
        EXPECT_EQ(status, 0);
        return runs;
    }

    /// Which of these modules python3 lacks, in words; empty when it has all.
    std::string absent_from_python(const std::vector<std::string>& modules) const {
        std::vector<std::string> words{"python3", "-c", "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None])"};
        words.insert(words.end(), modules.begin(), modules.end());
        const Outcome outcome = Process(words, scratch_).wait();
        if (outcome.status != 0) return "no python3";
        return outcome.out == "\n" ? "" : "python3 has no module " + outcome.out;
    }

    static std::vector<std::string> mpirun(int ranks, const std::vector<std::string>& words) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
        std::vector<std::string> all{"mpirun", "--oversubscribe", "--bind-to", "none", "-n", std::to_string(ranks), program};
        all.insert(all.end(), words.begin(), words.end());
        return all;
    }

    /// `aelle run runs/tiny.toml` made smaller: about two seconds on one core, four with `epochs` = 15.
    std::vector<std::string> small_run(const fs::path& output, int epochs = 4, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> words{"run", (source / "runs" / "tiny.toml").string(), "-o", output.string(), "--set",
                                       "training.epochs=" + std::to_string(epochs), "--set", "spectrum.epochs=[0," + std::to_string(epochs) + "]", "--set", "variants.hidden=[160]", "--set", "variants.count=24",
                                       "--set", "analysis.repeats=3", "--set", "analysis.steps=200", "--quiet"};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }

    /// Every dataset of both files, bit by bit.
    static void expect_same_datasets(const fs::path& a, const fs::path& b) {
        for (const char* name : {"study.h5", "analysis.h5"}) {
            const io::H5Reader left(a / name), right(b / name);
            int compared = 0;
            compare_groups(left, right, "/", compared);
            EXPECT_GT(compared, 10) << name;
        }
    }

    fs::path scratch_;

private:
    static void compare_groups(const io::H5Reader& a, const io::H5Reader& b, const std::string& group, int& compared) {
        ASSERT_EQ(a.datasets(group), b.datasets(group)) << group;
        for (const std::string& name : a.datasets(group)) {
            const std::string path = group == "/" ? name : group + "/" + name;
            ASSERT_EQ(a.dims(path), b.dims(path)) << path;
            EXPECT_EQ(a.raw_bytes(path), b.raw_bytes(path)) << a.file() << " and " << b.file() << " differ in " << path;
            ++compared;
        }
        ASSERT_EQ(a.groups(group), b.groups(group)) << group;
        for (const std::string& name : a.groups(group)) compare_groups(a, b, group == "/" ? name : group + "/" + name, compared);
    }
};

}  // namespace aelle::test
