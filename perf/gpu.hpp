#pragma once
/// aelle_perf --gpu: what the device does, beside what it could do and what NVIDIA's libraries do. Cases are checked against the host before they are timed,
/// and each row is out before the next case begins, so that a run that is stopped has said what it knew.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "kernels/cuda/companion.hpp"
#include "output.hpp"

namespace aelle::perf {

struct GpuOptions {
    double seconds = 95.0;  ///< the whole run; cases that would go beyond are shortened, then left out
    bool tiny = false;      ///< sizes that emulation on the host gets through, for testing this program
    std::vector<std::regex> select;
};

/// Time as the clock on the wall has it.
class Stopwatch {
public:
    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// One row in the making.
struct GpuCase {
    Case what;
    Check check = {};
    std::vector<double> seconds;  ///< per unit, a sample a round
    double peak = 0.0;            ///< FLOP or bytes a second; 0 where unknown
    std::vector<std::string> notes = {};
    std::optional<Opponent> opponent = {};
    std::map<std::string, double> most = {};  ///< of `error` or a column of the check: beyond it, or where it is NaN, the case has failed
};

class GpuBench {
public:
    GpuBench(const GpuOptions& options, Output& output, const backend::GroupEngine& engine, const cuda::Opened& opened);

    const backend::GroupEngine& engine() const { return engine_; }
    const cuda::Library& library() const { return library_; }
    const cuda::BenchTable* bench() const { return bench_.ok ? &bench_.table : nullptr; }
    const cuda::LibraryTable* nvidia() const { return nvidia_.ok ? &nvidia_.table : nullptr; }
    const cuda::DeviceFacts& facts() const { return facts_; }
    const cuda::BenchFacts& peaks() const { return peaks_; }
    bool tiny() const { return options_.tiny; }
    double left() const { return options_.seconds - watch_.seconds(); }
    int device() const { return library_.device(); }

    /// Whether a case is selected and there is time for it; says so where there is none.
    bool wanted(const std::string& name);
    /// Whether more than `seconds` are left, or sizes are tiny; says so where not.
    bool time_until(double seconds, const std::string& name);
    void row(GpuCase made);
    /// f(), which makes rows; what it throws becomes a row of its own.
    void attempt(const std::string& name, const std::function<void()>& f);
    void wait() const;  ///< for all that was queued
    void check_bench(int status, const std::string& attempt) const;
    void check_nvidia(int status, const std::string& attempt) const;
    void say(const std::string& line) { output_.say(line); }
    /// Goes into the last line, in the order of its first mention.
    void remember(const std::string& words) { summary_.push_back(words); }

    /// Seconds per unit in up to three rounds of about budget / 3 each; `run` does units and waits. It has run before. apart: what that many units
    /// take by themselves is measured too and taken off, for calls that cost something whatever they do.
    std::vector<double> time(const std::function<void(int64_t units)>& run, double budget, int64_t most_units = 1 << 20,
                             int64_t apart = 0) const;

    /// The last line; false when a case failed.
    bool finish();

private:
    GpuOptions options_;
    Output& output_;
    const backend::GroupEngine& engine_;
    cuda::Library library_;
    cuda::DeviceFacts facts_;
    cuda::OpenedPart<cuda::BenchTable> bench_;
    cuda::OpenedPart<cuda::LibraryTable> nvidia_;
    cuda::BenchFacts peaks_;
    cuda::DeviceMemory byte_;
    Stopwatch watch_;
    std::vector<std::string> summary_;
    int rows_ = 0, failed_ = 0, late_ = 0;
};

void add_gpu_ceilings(GpuBench& bench);
void add_gpu_qr(GpuBench& bench, double until);  ///< until: seconds to be left afterwards
void add_gpu_chains(GpuBench& bench, double until);
void add_gpu_force(GpuBench& bench, double until);
void add_gpu_training(GpuBench& bench);
/// Teams of every size, gpu/teams/...: only where they are selected.
void add_gpu_chain_teams(GpuBench& bench);
void add_gpu_training_teams(GpuBench& bench);

/// The exit status: 0 also where there is no device, which is said.
int run_gpu(const GpuOptions& options, Output& output);

}  // namespace aelle::perf
