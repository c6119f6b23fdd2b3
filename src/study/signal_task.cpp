#include "aelle/study/signal_task.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "aelle/base/error.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "aelle/tasks/signal.hpp"

namespace aelle::study {
namespace {

/// Steps between which a run can be stopped: about 10 ms at any size.
int64_t slice_length(int64_t hidden) { return std::clamp<int64_t>(50'000'000 / (hidden * hidden), 1, 200); }

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Closed loop and tangents of the trained network, from the trainer's state.
struct SpectrumPhase {
    std::unique_ptr<lyapunov::TangentSystem<double>> system;
    std::unique_ptr<lyapunov::SpectrumRun<double>> run;
};

enum class Phase : int32_t { training, testing, spectrum, done };

class SignalJob : public Job {
public:
    SignalJob(const Variant& variant, const SignalOptions& options, int64_t epochs, const SpectrumConfig& spectrum, int64_t exponents,
              const backend::Backend& backend)
        : options_(options),
          epochs_(epochs),
          spectrum_(spectrum),
          exponents_(exponents),
          hidden_(variant.hidden),
          backend_(backend),
          period_(target_period(variant, options)),
          trainer_(make_trainer(variant)),
          slice_steps_(slice_length(variant.hidden)),
          output_(static_cast<std::size_t>(slice_steps_)),
          all_steps_(count_steps()) {
        const auto spectra = spectrum.epochs.size();
        result_.loss.assign(spectra, nan);
        result_.accuracy.assign(spectra, nan);
        result_.loss_every_epoch.assign(static_cast<std::size_t>(epochs), nan);
        result_.loss_final = result_.loss_best = nan;
        result_.exponents.assign(spectra * static_cast<std::size_t>(exponents), nan);
        result_.reliable.assign(spectra * static_cast<std::size_t>(exponents), 0);
        result_.example_target = period_;
        result_.example_output.assign(period_.size(), nan);
        enter(spectrum_due() ? Phase::spectrum : Phase::training);
    }

    bool done() const override { return phase_ == Phase::done; }

    double progress() const override { return done() ? 1.0 : static_cast<double>(steps_) / static_cast<double>(all_steps_); }

    void advance() override {
        switch (phase_) {
            case Phase::training: return train_slice();
            case Phase::testing: return test_slice();
            case Phase::spectrum: return spectrum_slice();
            case Phase::done: return;
        }
    }

    void save(ArchiveWriter& archive) const override {
        archive.value(phase_);
        archive.value(epoch_);
        archive.value(steps_);
        archive.value(next_spectrum_);
        result_.save(archive);
        trainer_.save(archive);
        if (phase_ == Phase::testing) test_->save(archive);
        if (phase_ == Phase::spectrum) chain_.run->save(archive);
    }

    void load(ArchiveReader& archive) override {
        const auto phase = archive.value<Phase>();
        archive.value(epoch_);
        archive.value(steps_);
        archive.value(next_spectrum_);
        result_.load(archive);
        trainer_.load(archive);
        enter(phase);
        if (phase_ == Phase::testing) test_->load(archive);
        if (phase_ == Phase::spectrum) chain_.run->load(archive);
    }

    VariantResult result() const override { return result_; }

private:
    static std::vector<double> target_period(const Variant& variant, const SignalOptions& options) {
        const auto sines = options.random_target ? tasks::random_four_sines(variant.seed, 0) : tasks::FourSines{};
        return tasks::one_period(sines, options.steps_per_epoch);
    }

    learn::ForceTrainer make_trainer(const Variant& variant) {
        learn::ForceOptions force = options_.force;
        force.hidden = variant.hidden;
        force.gain = variant.init;
        return {backend_, learn::initial_rank1(force, variant.seed, 0), force, period_, variant.seed, 0};
    }

    /// Steps of training, tests and spectra together.
    int64_t count_steps() const {
        const auto spectra = static_cast<int64_t>(spectrum_.epochs.size());
        const int64_t tests = options_.test_after == TestAfter::last ? 1 : options_.test_after == TestAfter::spectra ? spectra + 1 : epochs_;
        return options_.steps_per_epoch * (epochs_ + tests * options_.test_epochs) + spectra * (spectrum_.warmup + spectrum_steps());
    }

    int64_t spectrum_steps() const { return spectrum_.steps > 0 ? spectrum_.steps : options_.steps_per_epoch; }

    bool spectrum_due() const {
        return next_spectrum_ < spectrum_.epochs.size() && spectrum_.epochs[next_spectrum_] == epoch_;
    }

    bool test_due() const {
        return epoch_ > 0 && (epoch_ == epochs_ || options_.test_after == TestAfter::every ||
                              (options_.test_after == TestAfter::spectra && spectrum_due()));
    }

    void enter(Phase phase) {
        phase_ = phase;
        test_.reset();
        chain_ = {};
        if (phase == Phase::testing) test_.emplace(trainer_.start_test());
        if (phase == Phase::spectrum) start_spectrum();
    }

    void train_slice() {
        const int64_t epoch_end = (epoch_ + 1) * options_.steps_per_epoch;
        const int64_t steps = std::min(slice_steps_, epoch_end - trainer_.steps_done());
        trainer_.train(steps, {output_.data(), static_cast<std::size_t>(steps)});
        steps_ += steps;
        if (!trainer_.finite()) return diverge();
        if (trainer_.steps_done() < epoch_end) return;
        result_.loss_every_epoch[static_cast<std::size_t>(epoch_)] = trainer_.training_error();
        ++epoch_;
        enter(test_due() ? Phase::testing : spectrum_due() ? Phase::spectrum : next_training());
    }

    void test_slice() {
        const int64_t all = options_.test_epochs * options_.steps_per_epoch;
        const int64_t first = test_->steps_done();
        const int64_t steps = std::min(slice_steps_, all - first);
        test_->run(steps, {output_.data(), static_cast<std::size_t>(steps)});
        steps_ += steps;
        const int64_t example_start = all - options_.steps_per_epoch;
        for (int64_t i = 0; i < steps && epoch_ == epochs_; ++i) {
            if (first + i >= example_start) {
                result_.example_output[static_cast<std::size_t>(first + i - example_start)] = output_[static_cast<std::size_t>(i)];
            }
        }
        if (test_->steps_done() < all) return;
        const double error = test_->error();
        if (!std::isfinite(error)) return diverge();
        if (spectrum_due()) result_.loss[next_spectrum_] = error;
        if (epoch_ == epochs_) result_.loss_final = error;
        result_.loss_best = std::isnan(result_.loss_best) ? error : std::min(result_.loss_best, error);
        enter(spectrum_due() ? Phase::spectrum : next_training());
    }

    void start_spectrum() {
        const auto& cell = cells::find_cell("rank1");
        const cells::Shape shape{hidden_, 0};
        cells::Parameters parameters = trainer_.parameters();
        cells::complete(cell, shape, parameters);
        auto network = backend_.network(cell, shape, parameters, backend::TangentSpace::full);
        chain_.system = lyapunov::network_system<double>(std::move(network), {}, trainer_.state());
        lyapunov::SpectrumOptions options;
        options.exponents = exponents_;
        options.steps = spectrum_steps();
        options.warmup = spectrum_.warmup;
        options.interval = spectrum_.interval;
        options.qr = spectrum_.qr;
        options.random_start = spectrum_.random_start;
        chain_.run = std::make_unique<lyapunov::SpectrumRun<double>>(backend_, *chain_.system, options);
    }

    void spectrum_slice() {
        const int64_t before = chain_.run->steps_done();
        chain_.run->advance();
        steps_ += chain_.run->steps_done() - before;
        if (!chain_.run->done()) return;
        const lyapunov::Spectrum spectrum = chain_.run->result();
        const auto offset = static_cast<std::ptrdiff_t>(next_spectrum_ * static_cast<std::size_t>(exponents_));
        std::copy(spectrum.exponents.begin(), spectrum.exponents.end(), result_.exponents.begin() + offset);
        std::copy(spectrum.reliable.begin(), spectrum.reliable.end(), result_.reliable.begin() + offset);
        ++next_spectrum_;
        enter(next_training());
    }

    Phase next_training() const { return epoch_ == epochs_ ? Phase::done : Phase::training; }

    /// Divergence is a result: what was measured before stays, the rest is NaN.
    void diverge() {
        result_.status = VariantStatus::diverged;
        result_.diverged_epoch = epoch_;
        result_.loss_final = nan;
        enter(Phase::done);
    }

    SignalOptions options_;
    int64_t epochs_;
    SpectrumConfig spectrum_;
    int64_t exponents_;
    int64_t hidden_;
    const backend::Backend& backend_;
    std::vector<double> period_;
    learn::ForceTrainer trainer_;
    std::optional<learn::ForceTrainer::Test> test_;
    SpectrumPhase chain_;
    Phase phase_ = Phase::training;
    int64_t epoch_ = 0;              // training epochs finished
    std::size_t next_spectrum_ = 0;  // index into spectrum epochs
    VariantResult result_;
    int64_t slice_steps_;
    std::vector<double> output_;
    int64_t steps_ = 0;      // of all phases, done
    int64_t all_steps_ = 0;  // an upper bound
};

}  // namespace

SignalTask::SignalTask(TomlTable& root, const StudyConfig& config) : epochs_(config.epochs), spectrum_(config.spectrum) {
    TomlTable signal = root.table("signal");
    options_.random_target = signal.choice("target", "random_4sine", {"random_4sine", "fixed"}) == "random_4sine";
    options_.steps_per_epoch = signal.integer("steps_per_epoch", 1200, 10, 10'000'000);
    options_.test_epochs = signal.integer("test_epochs", 1, 1, 100'000);
    const std::string after = signal.choice("test_after", "last", {"last", "spectra", "every"});
    options_.test_after = after == "last" ? TestAfter::last : after == "spectra" ? TestAfter::spectra : TestAfter::every;
    TomlTable force = root.table("force");
    learn::ForceOptions& options = options_.force;
    options.dt = force.real("dt", options.dt, 1e-6, 1.0);
    options.density = force.real("density", options.density, 1e-6, 1.0);
    options.alpha = force.real("alpha", options.alpha, 1e-12, 1e12);
    options.learn_every = force.integer("learn_every", options.learn_every, 1, 1'000'000);
    options.initial_scale = force.real("initial_scale", options.initial_scale, 0.0, 1e3);
    for (const std::string& cell : config.cells) {
        if (cell != "rank1") root.table("variants").fail("cells", "found '" + cell + "', expected 'rank1' for the task signal");
    }
}

int64_t SignalTask::exponent_count(const Variant& variant) const {
    return spectrum_.exponents > 0 ? spectrum_.exponents : variant.hidden;
}

double SignalTask::work(const Variant& variant) const {
    const auto n = static_cast<double>(variant.hidden);
    const auto k = static_cast<double>(exponent_count(variant));
    const auto period = static_cast<double>(options_.steps_per_epoch);
    const double product = 2.0 * options_.force.density * n * n;
    const double updates = static_cast<double>(epochs_) * period / static_cast<double>(options_.force.learn_every);
    const auto tests = options_.test_after == TestAfter::last      ? 1.0
                       : options_.test_after == TestAfter::spectra ? static_cast<double>(spectrum_.epochs.size())
                                                                   : static_cast<double>(epochs_);
    const double steps = period * (static_cast<double>(epochs_) + tests * static_cast<double>(options_.test_epochs));
    const double spectrum_steps = spectrum_.steps > 0 ? static_cast<double>(spectrum_.steps) : period;
    const double factorisation = 4.0 * n * k * k / static_cast<double>(std::max<int64_t>(1, spectrum_.interval));
    return steps * product + updates * 3.0 * n * n +
           static_cast<double>(spectrum_.epochs.size()) * spectrum_steps * (k * product + factorisation);
}

double SignalTask::memory(const Variant& variant) const {
    const auto n = static_cast<double>(variant.hidden);
    return 8.0 * (3.0 * n * n + 4.0 * n * static_cast<double>(exponent_count(variant)));
}

std::unique_ptr<Job> SignalTask::job(const Variant& variant, const backend::Backend& backend) const {
    return std::make_unique<SignalJob>(variant, options_, epochs_, spectrum_, exponent_count(variant), backend);
}

}  // namespace aelle::study
