#include "bptt_job.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "aelle/cells/spec.hpp"

namespace aelle::study {
namespace {

/// Operations between which a run can be stopped, where one update needs fewer: some hundredths of a second.
constexpr double slice_work = 2e8;

enum class Phase : int32_t { validating, spectrum, training, examples, done };

class BpttJob final : public Job {
public:
    BpttJob(const BpttTask& task, const Variant& variant, const backend::Backend& backend)
        : task_(task),
          config_(task.config()),
          variant_(variant),
          backend_(backend),
          validation_(task.validation_indices(variant)),
          inputs_(task.data().spectrum),
          trainer_(backend, task.initial_model(variant), task.settings().training, *task.data().training, task.training_indices(variant),
                   variant.seed, 0),
          result_(task.blank_result(variant)) {
        inputs_.initial_state.assign(static_cast<std::size_t>(cells::find_cell(variant.cell).blocks * variant.hidden), 0.0);
        const double batch_work = task.training_work(variant) * static_cast<double>(task.settings().training.batch);
        slice_updates_ = std::max<int64_t>(1, static_cast<int64_t>(slice_work / batch_work));
        all_work_ = count_work();
        enter(spectrum_due() ? Phase::validating : Phase::training);
    }

    bool done() const override { return phase_ == Phase::done; }
    double progress() const override { return done() ? 1.0 : std::min(1.0, work_ / all_work_); }

    void advance() override {
        switch (phase_) {
            case Phase::validating: return validate_slice();
            case Phase::spectrum: return spectrum_slice();
            case Phase::training: return train_slice();
            case Phase::examples: return measure_examples();
            case Phase::done: return;
        }
    }

    void save(ArchiveWriter& archive) const override {
        archive.value(phase_);
        archive.value(epoch_);
        archive.value(static_cast<uint64_t>(next_spectrum_));
        archive.value(work_);
        result_.save(archive);
        trainer_.save(archive);
        if (phase_ == Phase::validating) evaluation_->save(archive);
        if (phase_ == Phase::spectrum) spectra_->save(archive);
    }

    void load(ArchiveReader& archive) override {
        const auto phase = archive.value<Phase>();
        archive.value(epoch_);
        next_spectrum_ = archive.value<uint64_t>();
        archive.value(work_);
        result_.load(archive);
        trainer_.load(archive);
        enter(phase);
        if (phase_ == Phase::validating) evaluation_->load(archive);
        if (phase_ == Phase::spectrum) spectra_->load(archive);
    }

    VariantResult result() const override { return result_; }

private:
    bool spectrum_due() const {
        const auto& epochs = config_.spectrum.epochs;
        return next_spectrum_ < epochs.size() && epochs[next_spectrum_] == epoch_;
    }
    bool diverged() const { return result_.status == VariantStatus::diverged; }

    double spectra_work() const {
        double work = 0;
        for (std::size_t kind = 0; kind < config_.spectrum.kinds.size(); ++kind) work += task_.spectrum_step_work(variant_, kind);
        return work / static_cast<double>(config_.spectrum.kinds.size());
    }

    /// Of all phases; evaluation is the forward third of training.
    double count_work() const {
        const double updates = static_cast<double>(trainer_.updates_per_epoch() * task_.settings().training.batch);
        const double epoch = task_.training_work(variant_) * (updates + static_cast<double>(validation_.size()) / 3.0);
        const auto steps = static_cast<double>(
            SpectraRun::all_steps(config_.spectrum, static_cast<int64_t>(inputs_.sequences.size()), inputs_.steps));
        return static_cast<double>(config_.epochs + 1) * epoch + static_cast<double>(config_.spectrum.epochs.size()) * steps * spectra_work();
    }

    void enter(Phase phase) {
        phase_ = phase;
        evaluation_.reset();
        spectra_.reset();
        const BpttData& data = task_.data();
        if (phase == Phase::validating) {
            evaluation_.emplace(backend_, trainer_.model(), *data.validation, validation_, task_.settings().training.batch);
        }
        if (phase == Phase::spectrum) {
            const learn::Model model = trainer_.model();
            spectra_ = std::make_unique<SpectraRun>(backend_, config_.spectrum, *model.cell, model.shape, model.parameters, inputs_);
        }
    }

    /// Where training goes on, or what is left at its end.
    void go_on() {
        if (diverged()) return finish();
        enter(epoch_ == config_.epochs ? Phase::examples : Phase::training);
    }

    void train_slice() {
        const int64_t end = (epoch_ + 1) * trainer_.updates_per_epoch();
        for (int64_t i = 0; i < slice_updates_ && trainer_.updates_done() < end; ++i) {
            trainer_.update();
            work_ += task_.training_work(variant_) * static_cast<double>(task_.settings().training.batch);
            if (!trainer_.finite()) {
                diverge(epoch_ + 1);
                return finish();
            }
        }
        if (trainer_.updates_done() < end) return;
        ++epoch_;
        enter(Phase::validating);
    }

    void validate_slice() {
        for (int64_t i = 0; i < 3 * slice_updates_ && !evaluation_->done(); ++i) {
            evaluation_->advance();
            work_ += task_.training_work(variant_) * static_cast<double>(task_.settings().training.batch) / 3.0;
        }
        if (!evaluation_->done()) return;
        const double loss = evaluation_->loss();
        if (!std::isfinite(loss)) {
            diverge(epoch_);
        } else {
            if (epoch_ > 0) {
                result_.loss_every_epoch[static_cast<std::size_t>(epoch_ - 1)] = loss;
                result_.loss_best = std::isnan(result_.loss_best) ? loss : std::min(result_.loss_best, loss);
            }
            if (epoch_ == config_.epochs) result_.loss_final = loss;
            if (spectrum_due()) {
                result_.loss[next_spectrum_] = loss;
                result_.accuracy[next_spectrum_] = evaluation_->accuracy();
            }
        }
        if (spectrum_due()) return enter(Phase::spectrum);  // also of a network whose loss overflows while its weights are finite
        go_on();
    }

    void spectrum_slice() {
        const int64_t before = spectra_->steps_done();
        spectra_->advance();
        work_ += static_cast<double>(spectra_->steps_done() - before) * spectra_work();
        if (!spectra_->done()) return;
        spectra_->store(result_.spectra, next_spectrum_);
        ++next_spectrum_;
        go_on();
    }

    void measure_examples() {
        const BpttData& data = task_.data();
        learn::Evaluation evaluation(backend_, trainer_.model(), *data.examples, data.example_indices,
                                     static_cast<int64_t>(data.example_indices.size()));
        evaluation.advance();
        result_.example = task_.example_values(evaluation.probabilities());
        finish();
    }

    /// Divergence is a result: what was measured before stays, the rest is NaN.
    void diverge(int64_t epoch) {
        result_.status = VariantStatus::diverged;
        result_.diverged_epoch = epoch;
        result_.loss_final = std::numeric_limits<double>::quiet_NaN();
    }

    void finish() {
        if (config_.keep_weights) {
            learn::Model model = trainer_.model();
            for (auto& [name, values] : model.parameters.tensors) result_.weights[name] = std::move(values);
            result_.weights["fc.weight"] = std::move(model.fc_weight);
            result_.weights["fc.bias"] = std::move(model.fc_bias);
        }
        enter(Phase::done);
    }

    const BpttTask& task_;
    const StudyConfig& config_;
    Variant variant_;
    const backend::Backend& backend_;
    std::vector<int64_t> validation_;
    SpectrumInputs inputs_;
    learn::BpttTrainer trainer_;
    VariantResult result_;
    std::optional<learn::Evaluation> evaluation_;
    std::unique_ptr<SpectraRun> spectra_;
    Phase phase_ = Phase::training;
    int64_t epoch_ = 0;              // training epochs finished
    std::size_t next_spectrum_ = 0;  // index into spectrum epochs
    int64_t slice_updates_ = 1;
    double work_ = 0.0;
    double all_work_ = 1.0;
};

}  // namespace

std::unique_ptr<Job> make_bptt_job(const BpttTask& task, const Variant& variant, const backend::Backend& backend) {
    return std::make_unique<BpttJob>(task, variant, backend);
}

}  // namespace aelle::study
