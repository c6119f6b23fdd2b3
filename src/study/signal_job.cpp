#include "signal_job.hpp"

#include <algorithm>
#include <optional>

#include "aelle/cells/spec.hpp"
#include "signal_course.hpp"

namespace aelle::study {
namespace {

/// Steps between which a run can be stopped: about 10 ms at any size.
int64_t slice_length(int64_t hidden) { return std::clamp<int64_t>(50'000'000 / (hidden * hidden), 1, 200); }

class SignalJob final : public Job {
public:
    using Phase = SignalCourse::Phase;

    SignalJob(const SignalTask& task, const Variant& variant, const backend::Backend& backend)
        : task_(task),
          shape_(task.shape(variant)),
          backend_(backend),
          trainer_(backend, task.initial_network(variant), task.force_options(variant), task.period(variant), variant.seed, 0),
          course_(task, variant),
          inputs_(task.spectrum_inputs()),
          slice_steps_(slice_length(variant.hidden)),
          output_(static_cast<std::size_t>(slice_steps_)) {
        enter();
    }

    bool done() const override { return course_.done(); }
    double progress() const override { return course_.progress(); }
    VariantResult result() const override { return course_.result(); }

    void advance() override {
        const Phase before = course_.phase();
        switch (before) {
            case Phase::training: train_slice(); break;
            case Phase::spectrum: spectrum_slice(); break;
            case Phase::testing: test_slice(); break;
            case Phase::done: return;
        }
        if (course_.phase() != before) enter();
    }

    void save(ArchiveWriter& archive) const override {
        course_.save(archive);
        trainer_.save(archive);
        if (course_.phase() == Phase::spectrum) spectra_->save(archive);
        if (course_.phase() == Phase::testing) tests_->save(archive);
    }

    void load(ArchiveReader& archive) override {
        course_.load(archive);
        trainer_.load(archive);
        enter();
        if (course_.phase() == Phase::spectrum) spectra_->load(archive);
        if (course_.phase() == Phase::testing) tests_->load(archive);
    }

private:
    /// What the phase needs.
    void enter() {
        spectra_.reset();
        tests_.reset();
        if (course_.phase() == Phase::spectrum) start_spectrum();
        if (course_.phase() == Phase::testing) start_tests();
        if (course_.done() && task_.config().keep_weights) course_.keep(trainer_.parameters(), trainer_.state(), trainer_.output());
    }

    void train_slice() {
        const int64_t per_epoch = task_.options().steps_per_epoch, end = (trainer_.epochs_done() + 1) * per_epoch;
        const int64_t steps = std::min(slice_steps_, end - trainer_.steps_done());
        trainer_.train(steps, {output_.data(), static_cast<std::size_t>(steps)});
        course_.ran(steps);
        if (!trainer_.finite()) return course_.diverged_in_training();
        if (trainer_.steps_done() == end) course_.trained_epoch(trainer_.training_error(), trainer_.snapshot());
    }

    void start_tests() {
        const auto count = static_cast<int64_t>(course_.snapshots().size());
        tests_.emplace(trainer_.start_tests(course_.snapshots()));
        tested_ = Matrix<double>(count, std::clamp<int64_t>(16 * slice_steps_ / count, 1, slice_steps_));  // 16 cost little more than one
    }

    void test_slice() {
        const int64_t first = tests_->steps_done(), steps = std::min(tested_.cols(), course_.test_steps() - first);
        const MatrixView<double> output = tested_.view().columns(0, steps);
        tests_->run(output);
        course_.ran(steps);
        course_.tested(first, output);
        if (tests_->steps_done() < course_.test_steps()) return;
        std::vector<double> errors;
        for (int64_t k = 0; k < tests_->count(); ++k) errors.push_back(tests_->error(k));
        course_.judged(errors);
    }

    void start_spectrum() {
        const auto& cell = cells::find_cell("rank1");
        inputs_.initial_state = trainer_.state();
        spectra_ = std::make_unique<SpectraRun>(backend_, task_.config().spectrum, cell, shape_, trainer_.parameters(), inputs_);
    }

    void spectrum_slice() {
        const int64_t before = spectra_->steps_done();
        spectra_->advance();
        course_.ran(spectra_->steps_done() - before);
        if (!spectra_->done()) return;
        spectra_->store(course_.spectra(), course_.spectrum_index());
        course_.took_spectra();
    }

    const SignalTask& task_;
    cells::Shape shape_;
    const backend::Backend& backend_;
    learn::ForceTrainer trainer_;
    SignalCourse course_;
    SpectrumInputs inputs_;
    std::optional<learn::ForceTrainer::Tests> tests_;
    Matrix<double> tested_;  // (tests x steps of a slice)
    std::unique_ptr<SpectraRun> spectra_;
    int64_t slice_steps_;
    std::vector<double> output_;
};

}  // namespace

std::unique_ptr<Job> make_signal_job(const SignalTask& task, const Variant& variant, const backend::Backend& backend) {
    return std::make_unique<SignalJob>(task, variant, backend);
}

}  // namespace aelle::study
