#include "signal_course.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace aelle::study {

SignalCourse::SignalCourse(const SignalTask& task, const Variant& variant)
    : config_(task.config()), options_(task.options()), result_(task.blank_result(variant)) {
    result_.example[0] = task.period(variant);
    // Tests side by side count once: a step of 15 of them costs about as much as one of training.
    all_steps_ = options_.steps_per_epoch * (config_.epochs + options_.test_epochs) +
                 static_cast<int64_t>(config_.spectrum.epochs.size()) * SpectraRun::all_steps(config_.spectrum, 1, task.spectrum_steps());
    if (spectrum_due()) phase_ = Phase::spectrum;
}

double SignalCourse::progress() const { return done() ? 1.0 : static_cast<double>(steps_) / static_cast<double>(all_steps_); }

int64_t SignalCourse::test_steps() const { return options_.test_epochs * options_.steps_per_epoch; }

bool SignalCourse::spectrum_due() const {
    const auto& epochs = config_.spectrum.epochs;
    return next_spectrum_ < epochs.size() && epochs[next_spectrum_] == epoch_;
}

bool SignalCourse::test_due() const {
    return epoch_ > 0 && (epoch_ == config_.epochs || options_.test_after == TestAfter::every ||
                          (options_.test_after == TestAfter::spectra && spectrum_due()));
}

/// After which the test of a snapshot is made.
int64_t SignalCourse::epoch_of(const Snapshot& snapshot) const { return snapshot.first_step / options_.steps_per_epoch; }

void SignalCourse::go_on() {
    if (epoch_ == config_.epochs) return end_training();
    phase_ = Phase::training;
}

void SignalCourse::end_training() { phase_ = snapshots_.empty() ? Phase::done : Phase::testing; }

/// Divergence is a result: what was measured before stays, the rest is NaN.
void SignalCourse::diverge(int64_t epoch) {
    result_.status = VariantStatus::diverged;
    result_.diverged_epoch = epoch;
}

void SignalCourse::diverged_in_training() {
    diverge(epoch_ + 1);
    end_training();
}

void SignalCourse::trained_epoch(double error, Snapshot snapshot) {
    result_.loss_every_epoch[static_cast<std::size_t>(epoch_)] = error;
    ++epoch_;
    if (test_due()) snapshots_.push_back(std::move(snapshot));
    if (spectrum_due()) phase_ = Phase::spectrum;
    else go_on();
}

void SignalCourse::took_spectra() {
    ++next_spectrum_;
    go_on();
}

void SignalCourse::tested(int64_t first, MatrixView<const double> output) {
    if (epoch_of(snapshots_.back()) != config_.epochs) return;
    const int64_t example_start = test_steps() - options_.steps_per_epoch;
    for (int64_t t = std::max<int64_t>(0, example_start - first); t < output.cols; ++t)
        result_.example[1][static_cast<std::size_t>(first + t - example_start)] = output(output.rows - 1, t);
}

void SignalCourse::judged(std::span<const double> errors) {
    phase_ = Phase::done;
    for (std::size_t k = 0; k < snapshots_.size(); ++k) {
        const double error = errors[k];
        const int64_t epoch = epoch_of(snapshots_[k]);
        if (!std::isfinite(error)) {
            diverge(epoch);
            return forget_from(epoch);
        }
        const auto& epochs = config_.spectrum.epochs;
        const auto at = std::ranges::find(epochs, epoch);
        if (at != epochs.end()) result_.loss[static_cast<std::size_t>(at - epochs.begin())] = error;
        if (epoch == config_.epochs) result_.loss_final = error;
        result_.loss_best = std::isnan(result_.loss_best) ? error : std::min(result_.loss_best, error);
    }
}

/// What was measured after the test of that epoch could have shown its divergence, had it been made at once.
void SignalCourse::forget_from(int64_t epoch) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    std::fill(result_.loss_every_epoch.begin() + epoch, result_.loss_every_epoch.end(), nan);
    std::ranges::fill(result_.example[1], nan);
    const auto epochs = static_cast<int64_t>(config_.spectrum.epochs.size());
    const int64_t first = std::ranges::lower_bound(config_.spectrum.epochs, epoch) - config_.spectrum.epochs.begin();
    for (KindSpectra& kind : result_.spectra) {
        const int64_t start = epochs > 0 ? static_cast<int64_t>(kind.exponents.size()) / epochs * first : 0;
        std::fill(kind.exponents.begin() + start, kind.exponents.end(), nan);
        std::fill(kind.reliable.begin() + start, kind.reliable.end(), uint8_t{0});
    }
}

void SignalCourse::keep(const cells::Parameters& parameters, std::vector<double> x, double z) {
    result_.weights.insert(parameters.tensors.begin(), parameters.tensors.end());
    result_.weights["x"] = std::move(x);
    result_.weights["z"] = {z};
}

void SignalCourse::save(ArchiveWriter& archive) const {
    archive.value(phase_);
    archive.value(epoch_);
    archive.value(steps_);
    archive.value(static_cast<uint64_t>(next_spectrum_));
    result_.save(archive);
    archive.value(static_cast<uint64_t>(snapshots_.size()));
    for (const Snapshot& snapshot : snapshots_) snapshot.save(archive);
}

void SignalCourse::load(ArchiveReader& archive) {
    archive.value(phase_);
    archive.value(epoch_);
    archive.value(steps_);
    next_spectrum_ = archive.value<uint64_t>();
    result_.load(archive);
    snapshots_.clear();
    for (auto left = archive.value<uint64_t>(); left > 0; --left) snapshots_.emplace_back().load(archive);
}

}  // namespace aelle::study
