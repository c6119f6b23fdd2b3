#pragma once
/// One variant's way through its study: which phase comes next, and what its result holds so far. Who trains it, and where, is another matter.

#include <cstdint>
#include <vector>

#include "aelle/base/archive.hpp"
#include "aelle/study/bptt_task.hpp"
#include "aelle/study/job.hpp"

namespace aelle::study {

class BpttCourse {
public:
    enum class Phase : int32_t { validating, spectrum, training, examples, done };

    BpttCourse(const BpttTask& task, const Variant& variant, int64_t updates_per_epoch);

    Phase phase() const { return phase_; }
    bool done() const { return phase_ == Phase::done; }
    double progress() const;
    const VariantResult& result() const { return result_; }
    const std::vector<int64_t>& validation() const { return validation_; }  ///< sequences

    /// Work done, of all that the phases hold.
    void trained(int64_t updates) { work_ += static_cast<double>(updates) * batch_work_; }
    void evaluated(int64_t batches) { work_ += static_cast<double>(batches) * batch_work_ / 3.0; }
    void followed(int64_t steps) { work_ += static_cast<double>(steps) * step_work_; }

    // What ends a phase.
    void diverged_in_training();
    void trained_epoch();
    void validated(double loss, double accuracy);
    /// The spectra go into result().spectra at this index of epochs.
    std::size_t spectrum_index() const { return next_spectrum_; }
    std::vector<KindSpectra>& spectra() { return result_.spectra; }
    void took_spectra();
    void measured_examples(std::vector<std::vector<double>> values);

    /// The trained weights, where the study keeps them.
    void keep(learn::Model model);

    void save(ArchiveWriter& archive) const;
    void load(ArchiveReader& archive);

private:
    bool spectrum_due() const;
    void go_on();
    void diverge(int64_t epoch);

    const StudyConfig& config_;
    std::vector<int64_t> validation_;
    VariantResult result_;
    Phase phase_;
    int64_t epoch_ = 0;              // training epochs finished
    std::size_t next_spectrum_ = 0;  // index into spectrum epochs
    double batch_work_, step_work_, all_work_, work_ = 0.0;
};

}  // namespace aelle::study
