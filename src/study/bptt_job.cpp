#include "bptt_job.hpp"

#include <algorithm>
#include <optional>

#include "aelle/cells/spec.hpp"
#include "bptt_course.hpp"

namespace aelle::study {
namespace {

/// Operations between which a run can be stopped, where one update needs fewer: some hundredths of a second.
constexpr double slice_work = 2e8;

class BpttJob final : public Job {
public:
    using Phase = BpttCourse::Phase;

    BpttJob(const BpttTask& task, const Variant& variant, const backend::Backend& backend)
        : task_(task),
          backend_(backend),
          inputs_(task.spectrum_inputs(variant)),
          trainer_(backend, task.initial_model(variant), task.settings().training, *task.data().training, task.training_indices(variant),
                   variant.seed, 0),
          course_(task, variant, trainer_.updates_per_epoch()) {
        const double batch_work = task.training_work(variant) * static_cast<double>(task.settings().training.batch);
        slice_updates_ = std::max<int64_t>(1, static_cast<int64_t>(slice_work / batch_work));
        enter();
    }

    bool done() const override { return course_.done(); }
    double progress() const override { return course_.progress(); }
    VariantResult result() const override { return course_.result(); }

    void advance() override {
        const Phase before = course_.phase();
        switch (before) {
            case Phase::validating: validate_slice(); break;
            case Phase::spectrum: spectrum_slice(); break;
            case Phase::training: train_slice(); break;
            case Phase::examples: measure_examples(); break;
            case Phase::done: return;
        }
        if (course_.phase() != before) enter();
    }

    void save(ArchiveWriter& archive) const override {
        course_.save(archive);
        trainer_.save(archive);
        if (course_.phase() == Phase::validating) evaluation_->save(archive);
        if (course_.phase() == Phase::spectrum) spectra_->save(archive);
    }

    void load(ArchiveReader& archive) override {
        course_.load(archive);
        trainer_.load(archive);
        enter();
        if (course_.phase() == Phase::validating) evaluation_->load(archive);
        if (course_.phase() == Phase::spectrum) spectra_->load(archive);
    }

private:
    /// What the phase needs.
    void enter() {
        evaluation_.reset();
        spectra_.reset();
        const BpttData& data = task_.data();
        const learn::Model model = trainer_.model();
        if (course_.phase() == Phase::validating) {
            evaluation_.emplace(backend_, model, *data.validation, course_.validation(), task_.settings().training.batch);
        }
        if (course_.phase() == Phase::spectrum) {
            spectra_ = std::make_unique<SpectraRun>(backend_, task_.config().spectrum, *model.cell, model.shape, model.parameters, inputs_);
        }
        if (course_.done() && task_.config().keep_weights) course_.keep(model);
    }

    void train_slice() {
        const int64_t per_epoch = trainer_.updates_per_epoch(), end = (trainer_.updates_done() / per_epoch + 1) * per_epoch;
        for (int64_t i = 0; i < slice_updates_ && trainer_.updates_done() < end; ++i) {
            trainer_.update();
            course_.trained(1);
            if (!trainer_.finite()) return course_.diverged_in_training();
        }
        if (trainer_.updates_done() == end) course_.trained_epoch();
    }

    void validate_slice() {
        for (int64_t i = 0; i < 3 * slice_updates_ && !evaluation_->done(); ++i) {
            evaluation_->advance();
            course_.evaluated(1);
        }
        if (evaluation_->done()) course_.validated(evaluation_->loss(), evaluation_->accuracy());
    }

    void spectrum_slice() {
        const int64_t before = spectra_->steps_done();
        spectra_->advance();
        course_.followed(spectra_->steps_done() - before);
        if (!spectra_->done()) return;
        spectra_->store(course_.spectra(), course_.spectrum_index());
        course_.took_spectra();
    }

    void measure_examples() {
        const BpttData& data = task_.data();
        learn::Evaluation evaluation(backend_, trainer_.model(), *data.examples, data.example_indices,
                                     static_cast<int64_t>(data.example_indices.size()));
        evaluation.advance();
        course_.measured_examples(task_.example_values(evaluation.probabilities()));
    }

    const BpttTask& task_;
    const backend::Backend& backend_;
    SpectrumInputs inputs_;
    learn::BpttTrainer trainer_;
    BpttCourse course_;
    std::optional<learn::Evaluation> evaluation_;
    std::unique_ptr<SpectraRun> spectra_;
    int64_t slice_updates_ = 1;
};

}  // namespace

std::unique_ptr<Job> make_bptt_job(const BpttTask& task, const Variant& variant, const backend::Backend& backend) {
    return std::make_unique<BpttJob>(task, variant, backend);
}

}  // namespace aelle::study
