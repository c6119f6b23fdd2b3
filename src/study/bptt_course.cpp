#include "bptt_course.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace aelle::study {
namespace {

/// Of one step of one chain, the mean over kinds.
double step_work(const BpttTask& task, const Variant& variant) {
    const std::size_t kinds = task.config().spectrum.kinds.size();
    double work = 0;
    for (std::size_t kind = 0; kind < kinds; ++kind) work += task.spectrum_step_work(variant, kind);
    return work / static_cast<double>(kinds);
}

}  // namespace

BpttCourse::BpttCourse(const BpttTask& task, const Variant& variant, int64_t updates_per_epoch)
    : config_(task.config()),
      validation_(task.validation_indices(variant)),
      result_(task.blank_result(variant)),
      batch_work_(task.training_work(variant) * static_cast<double>(task.settings().training.batch)),
      step_work_(step_work(task, variant)) {
    // Evaluation is the forward third of training.
    const double epoch =
        static_cast<double>(updates_per_epoch) * batch_work_ + task.training_work(variant) * static_cast<double>(validation_.size()) / 3.0;
    const SpectrumInputs& inputs = task.data().spectrum;
    const auto steps =
        static_cast<double>(SpectraRun::all_steps(config_.spectrum, static_cast<int64_t>(inputs.sequences.size()), inputs.steps));
    all_work_ = static_cast<double>(config_.epochs + 1) * epoch + static_cast<double>(config_.spectrum.epochs.size()) * steps * step_work_;
    phase_ = spectrum_due() ? Phase::validating : Phase::training;
}

double BpttCourse::progress() const { return done() ? 1.0 : std::min(1.0, work_ / all_work_); }

bool BpttCourse::spectrum_due() const {
    const auto& epochs = config_.spectrum.epochs;
    return next_spectrum_ < epochs.size() && epochs[next_spectrum_] == epoch_;
}

/// Where training goes on, or what is left at its end.
void BpttCourse::go_on() {
    if (result_.status == VariantStatus::diverged) phase_ = Phase::done;
    else phase_ = epoch_ == config_.epochs ? Phase::examples : Phase::training;
}

/// Divergence is a result: what was measured before stays, the rest is NaN.
void BpttCourse::diverge(int64_t epoch) {
    result_.status = VariantStatus::diverged;
    result_.diverged_epoch = epoch;
    result_.loss_final = std::numeric_limits<double>::quiet_NaN();
}

void BpttCourse::diverged_in_training() {
    diverge(epoch_ + 1);
    phase_ = Phase::done;
}

void BpttCourse::trained_epoch() {
    ++epoch_;
    phase_ = Phase::validating;
}

void BpttCourse::validated(double loss, double accuracy) {
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
            result_.accuracy[next_spectrum_] = accuracy;
        }
    }
    if (spectrum_due()) phase_ = Phase::spectrum;  // also of a network whose loss overflows while its weights are finite
    else go_on();
}

void BpttCourse::took_spectra() {
    ++next_spectrum_;
    go_on();
}

void BpttCourse::measured_examples(std::vector<std::vector<double>> values) {
    result_.example = std::move(values);
    phase_ = Phase::done;
}

void BpttCourse::keep(learn::Model model) {
    for (auto& [name, values] : model.parameters.tensors) result_.weights[name] = std::move(values);
    result_.weights["fc.weight"] = std::move(model.fc_weight);
    result_.weights["fc.bias"] = std::move(model.fc_bias);
}

void BpttCourse::save(ArchiveWriter& archive) const {
    archive.value(phase_);
    archive.value(epoch_);
    archive.value(static_cast<uint64_t>(next_spectrum_));
    archive.value(work_);
    result_.save(archive);
}

void BpttCourse::load(ArchiveReader& archive) {
    archive.value(phase_);
    archive.value(epoch_);
    next_spectrum_ = archive.value<uint64_t>();
    archive.value(work_);
    result_.load(archive);
}

}  // namespace aelle::study
