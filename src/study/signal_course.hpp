#pragma once
/// One variant's way through a signal study: which phase comes next, and what its result holds so far. Who trains it, and where, is another
/// matter.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/base/archive.hpp"
#include "aelle/study/job.hpp"
#include "aelle/study/signal_task.hpp"
#include "aelle/study/spectra.hpp"

namespace aelle::study {

class SignalCourse {
public:
    /// Training is interrupted by spectra; the tests of all epochs follow it side by side.
    enum class Phase : int32_t { training, spectrum, testing, done };
    using Snapshot = learn::ForceTrainer::Snapshot;

    /// The task must outlive it.
    SignalCourse(const SignalTask& task, const Variant& variant);

    Phase phase() const { return phase_; }
    bool done() const { return phase_ == Phase::done; }
    double progress() const;
    const VariantResult& result() const { return result_; }
    /// From which tests start, in order of epochs.
    const std::vector<Snapshot>& snapshots() const { return snapshots_; }
    int64_t test_steps() const;

    /// Steps done, of all that the phases hold; those of tests side by side count once.
    void ran(int64_t steps) { steps_ += steps; }
    /// z' of the steps from `first` on, of each test (tests x steps).
    void tested(int64_t first, MatrixView<const double> output);

    // What ends a phase.
    void diverged_in_training();
    /// One epoch, with its training error and what a test of it would start from.
    void trained_epoch(double error, Snapshot snapshot);
    /// The spectra go into spectra() at this index of epochs.
    std::size_t spectrum_index() const { return next_spectrum_; }
    std::vector<KindSpectra>& spectra() { return result_.spectra; }
    void took_spectra();
    /// The errors of all tests.
    void judged(std::span<const double> errors);

    /// The network as it is at the end, where the study keeps it.
    void keep(const cells::Parameters& parameters, std::vector<double> x, double z);

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);

private:
    bool spectrum_due() const;
    bool test_due() const;
    int64_t epoch_of(const Snapshot& snapshot) const;
    void go_on();
    void end_training();
    void diverge(int64_t epoch);
    void forget_from(int64_t epoch);

    const StudyConfig& config_;
    const SignalOptions& options_;
    VariantResult result_;
    std::vector<Snapshot> snapshots_;
    Phase phase_ = Phase::training;
    int64_t epoch_ = 0;              // training epochs finished
    std::size_t next_spectrum_ = 0;  // index into spectrum epochs
    int64_t steps_ = 0;              // of all phases, done
    int64_t all_steps_;              // an upper bound
};

}  // namespace aelle::study
