#include "aelle/study/signal_task.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "aelle/base/error.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/study/spectra.hpp"
#include "aelle/tasks/signal.hpp"

namespace aelle::study {
namespace {

/// Steps between which a run can be stopped: about 10 ms at any size.
int64_t slice_length(int64_t hidden) { return std::clamp<int64_t>(50'000'000 / (hidden * hidden), 1, 200); }

/// Training is interrupted by spectra; the tests of all epochs follow it side by side.
enum class Phase : int32_t { training, spectrum, testing, done };

class SignalJob : public Job {
public:
    SignalJob(const Variant& variant, const SignalOptions& options, const StudyConfig& config, VariantResult blank,
              const backend::Backend& backend)
        : options_(options),
          epochs_(config.epochs),
          spectrum_(config.spectrum),
          keep_weights_(config.keep_weights),
          hidden_(variant.hidden),
          backend_(backend),
          period_(target_period(variant, options)),
          trainer_(make_trainer(variant)),
          result_(std::move(blank)),
          slice_steps_(slice_length(variant.hidden)),
          output_(static_cast<std::size_t>(slice_steps_)),
          all_steps_(count_steps()) {
        result_.example[0] = period_;
        inputs_.sequences = {{}};  // one autonomous run
        inputs_.steps = spectrum_steps();
        inputs_.seed = config.seed;
        enter(spectrum_due() ? Phase::spectrum : Phase::training);
    }

    bool done() const override { return phase_ == Phase::done; }

    double progress() const override { return done() ? 1.0 : static_cast<double>(steps_) / static_cast<double>(all_steps_); }

    void advance() override {
        switch (phase_) {
            case Phase::training: return train_slice();
            case Phase::spectrum: return spectrum_slice();
            case Phase::testing: return test_slice();
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
        archive.value(static_cast<uint64_t>(snapshots_.size()));
        for (const auto& snapshot : snapshots_) snapshot.save(archive);
        if (phase_ == Phase::spectrum) spectra_->save(archive);
        if (phase_ == Phase::testing) tests_->save(archive);
    }

    void load(ArchiveReader& archive) override {
        const auto phase = archive.value<Phase>();
        archive.value(epoch_);
        archive.value(steps_);
        archive.value(next_spectrum_);
        result_.load(archive);
        trainer_.load(archive);
        snapshots_.clear();
        for (auto left = archive.value<uint64_t>(); left > 0; --left) snapshots_.emplace_back().load(archive);
        enter(phase);
        if (phase_ == Phase::spectrum) spectra_->load(archive);
        if (phase_ == Phase::testing) tests_->load(archive);
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

    /// Steps of training, tests and spectra together. Tests side by side count once: a step of 15 of them costs about as much as one of training.
    int64_t count_steps() const {
        return options_.steps_per_epoch * (epochs_ + options_.test_epochs) +
               static_cast<int64_t>(spectrum_.epochs.size()) * SpectraRun::all_steps(spectrum_, 1, spectrum_steps());
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
        spectra_.reset();
        tests_.reset();
        if (phase == Phase::spectrum) start_spectrum();
        if (phase == Phase::testing) start_tests();
    }

    void train_slice() {
        const int64_t epoch_end = (epoch_ + 1) * options_.steps_per_epoch;
        const int64_t steps = std::min(slice_steps_, epoch_end - trainer_.steps_done());
        trainer_.train(steps, {output_.data(), static_cast<std::size_t>(steps)});
        steps_ += steps;
        if (!trainer_.finite()) {
            diverge(epoch_ + 1);
            return end_training();
        }
        if (trainer_.steps_done() < epoch_end) return;
        result_.loss_every_epoch[static_cast<std::size_t>(epoch_)] = trainer_.training_error();
        ++epoch_;
        if (test_due()) snapshots_.push_back(trainer_.snapshot());
        if (spectrum_due()) return enter(Phase::spectrum);
        go_on();
    }

    int64_t test_steps() const { return options_.test_epochs * options_.steps_per_epoch; }
    /// After which the test of a snapshot is made.
    int64_t epoch_of(const learn::ForceTrainer::Snapshot& snapshot) const { return snapshot.first_step / options_.steps_per_epoch; }

    void start_tests() {
        const auto count = static_cast<int64_t>(snapshots_.size());
        tests_.emplace(trainer_.start_tests(snapshots_));
        tested_ = Matrix<double>(count, std::clamp<int64_t>(16 * slice_steps_ / count, 1, slice_steps_));  // 16 cost little more than one
    }

    void test_slice() {
        const int64_t first = tests_->steps_done(), example_start = test_steps() - options_.steps_per_epoch;
        const int64_t steps = std::min(tested_.cols(), test_steps() - first);
        tests_->run(tested_.view().columns(0, steps));
        steps_ += steps;
        if (epoch_of(snapshots_.back()) == epochs_) {
            for (int64_t t = std::max<int64_t>(0, example_start - first); t < steps; ++t)
                result_.example[1][static_cast<std::size_t>(first + t - example_start)] = tested_(tested_.rows() - 1, t);
        }
        if (tests_->steps_done() == test_steps()) judge_tests();
    }

    void judge_tests() {
        for (std::size_t k = 0; k < snapshots_.size(); ++k) {
            const double error = tests_->error(static_cast<int64_t>(k));
            const int64_t epoch = epoch_of(snapshots_[k]);
            if (!std::isfinite(error)) {
                diverge(epoch);
                forget_from(epoch);
                break;
            }
            const auto at = std::ranges::find(spectrum_.epochs, epoch);
            if (at != spectrum_.epochs.end()) result_.loss[static_cast<std::size_t>(at - spectrum_.epochs.begin())] = error;
            if (epoch == epochs_) result_.loss_final = error;
            result_.loss_best = std::isnan(result_.loss_best) ? error : std::min(result_.loss_best, error);
        }
        finish();
    }

    void start_spectrum() {
        const auto& cell = cells::find_cell("rank1");
        const cells::Shape shape{hidden_, 0};
        cells::Parameters parameters = trainer_.parameters();
        cells::complete(cell, shape, parameters);
        inputs_.initial_state = trainer_.state();
        spectra_ = std::make_unique<SpectraRun>(backend_, spectrum_, cell, shape, std::move(parameters), inputs_);
    }

    void spectrum_slice() {
        const int64_t before = spectra_->steps_done();
        spectra_->advance();
        steps_ += spectra_->steps_done() - before;
        if (!spectra_->done()) return;
        spectra_->store(result_.spectra, next_spectrum_);
        ++next_spectrum_;
        go_on();
    }

    void go_on() {
        if (epoch_ == epochs_) return end_training();
        enter(Phase::training);
    }

    void end_training() {
        if (snapshots_.empty()) return finish();
        enter(Phase::testing);
    }

    /// Divergence is a result: what was measured before stays, the rest is NaN.
    void diverge(int64_t epoch) {
        result_.status = VariantStatus::diverged;
        result_.diverged_epoch = epoch;
    }

    /// What was measured after the test of that epoch could have shown its divergence, had it been made at once.
    void forget_from(int64_t epoch) {
        constexpr double nan = std::numeric_limits<double>::quiet_NaN();
        std::fill(result_.loss_every_epoch.begin() + epoch, result_.loss_every_epoch.end(), nan);
        std::ranges::fill(result_.example[1], nan);
        const auto epochs = static_cast<int64_t>(spectrum_.epochs.size());
        const int64_t first = std::ranges::lower_bound(spectrum_.epochs, epoch) - spectrum_.epochs.begin();
        for (KindSpectra& kind : result_.spectra) {
            const int64_t start = epochs > 0 ? static_cast<int64_t>(kind.exponents.size()) / epochs * first : 0;
            std::fill(kind.exponents.begin() + start, kind.exponents.end(), nan);
            std::fill(kind.reliable.begin() + start, kind.reliable.end(), uint8_t{0});
        }
    }

    void finish() {
        if (keep_weights_) {
            const cells::Parameters parameters = trainer_.parameters();
            result_.weights.insert(parameters.tensors.begin(), parameters.tensors.end());
            result_.weights["x"] = trainer_.state();
            result_.weights["z"] = {trainer_.output()};
        }
        enter(Phase::done);
    }

    SignalOptions options_;
    int64_t epochs_;
    SpectrumConfig spectrum_;
    bool keep_weights_;
    int64_t hidden_;
    const backend::Backend& backend_;
    std::vector<double> period_;
    learn::ForceTrainer trainer_;
    VariantResult result_;
    std::vector<learn::ForceTrainer::Snapshot> snapshots_;  // from which tests start, in order of epochs
    std::optional<learn::ForceTrainer::Tests> tests_;
    Matrix<double> tested_;  // (tests x steps of a slice)
    SpectrumInputs inputs_;
    std::unique_ptr<SpectraRun> spectra_;
    Phase phase_ = Phase::training;
    int64_t epoch_ = 0;              // training epochs finished
    std::size_t next_spectrum_ = 0;  // index into spectrum epochs
    int64_t slice_steps_;
    std::vector<double> output_;
    int64_t steps_ = 0;      // of all phases, done
    int64_t all_steps_ = 0;  // an upper bound
};

}  // namespace

SignalTask::SignalTask(TomlTable& root, const StudyConfig& config) : StudyTask(config) {
    TomlTable signal = root.table("signal");
    options_.random_target = signal.choice("target", "random_4sine", {"random_4sine", "fixed"}) == "random_4sine";
    options_.steps_per_epoch = signal.integer("steps_per_epoch", 1200, 10, 10'000'000);
    options_.test_epochs = signal.integer("test_epochs", 1, 1, 100'000);
    const std::string after = signal.choice("test_after", "last", {"last", "spectra", "every"});
    options_.test_after = after == "last" ? TestAfter::last : after == "spectra" ? TestAfter::spectra : TestAfter::every;
    TomlTable force = root.table("force");
    learn::ForceOptions& options = options_.force;
    options.initialisation = learn::force_init(force.choice("initialisation", "gaussian", {learn::force_init_names.begin(), learn::force_init_names.end()}));
    options.dt = force.real("dt", options.dt, 1e-6, 1.0);
    options.density = force.real("density", options.density, 1e-6, 1.0);
    options.alpha = force.real("alpha", options.alpha, 1e-12, 1e12);
    options.learn_every = force.integer("learn_every", options.learn_every, 1, 1'000'000);
    options.initial_scale = force.real("initial_scale", options.initial_scale, 0.0, 1e3);
    for (const std::string& cell : config.cells) {
        if (cell != "rank1") root.table("variants").fail("cells", "found '" + cell + "', expected 'rank1' for the task signal");
    }
}

double SignalTask::work(const Variant& variant) const {
    const SpectrumConfig& spectrum = config_.spectrum;
    const auto n = static_cast<double>(variant.hidden);
    const auto k = static_cast<double>(exponent_count(variant));
    const auto period = static_cast<double>(options_.steps_per_epoch), epochs = static_cast<double>(config_.epochs);
    const double product = 2.0 * options_.force.nonzero_share() * n * n;
    const double updates = epochs * period / static_cast<double>(options_.force.learn_every);
    const auto tests = options_.test_after == TestAfter::last      ? 1.0
                       : options_.test_after == TestAfter::spectra ? static_cast<double>(spectrum.epochs.size())
                                                                   : epochs;
    // side by side a test costs about a quarter of one alone (performance.md 5.8)
    const double steps = period * (epochs + std::max(1.0, tests / 4.0) * static_cast<double>(options_.test_epochs));
    const double spectrum_steps = spectrum.steps > 0 ? static_cast<double>(spectrum.steps) : period;
    const double factorisation = 4.0 * n * k * k / static_cast<double>(std::max<int64_t>(1, spectrum.interval));
    return steps * product + updates * 3.0 * n * n +
           static_cast<double>(spectrum.epochs.size() * spectrum.kinds.size()) * spectrum_steps * (k * product + factorisation);
}

double SignalTask::memory(const Variant& variant) const {
    const auto n = static_cast<double>(variant.hidden);
    const double tests = 64.0 + 2.0 * static_cast<double>(config_.epochs);  // blocks of 16 and snapshots
    return 8.0 * ((3.0 + 1.5 * options_.force.nonzero_share()) * n * n + n * (4.0 * static_cast<double>(exponent_count(variant)) + tests));
}

cells::Parameters SignalTask::scalars(const Variant&) const {
    cells::Parameters parameters;
    parameters.scalars["dt"] = options_.force.dt;
    return parameters;
}

std::vector<ExampleField> SignalTask::example_fields() const {
    return {{"target", {options_.steps_per_epoch}, {"time"}, "signal to produce"},
            {"output", {options_.steps_per_epoch}, {"time"}, "closed loop with trained weights, in the last test period"}};
}

void SignalTask::write_shared_examples(io::H5Writer& file) const {
    std::vector<double> time(static_cast<std::size_t>(options_.steps_per_epoch));
    for (std::size_t i = 0; i < time.size(); ++i) time[i] = static_cast<double>(i) * options_.force.dt;
    file.write("example/time", time, {options_.steps_per_epoch});
    file.make_scale("example/time", "time");
    file.attribute("example/time", "units", std::string("time constants"));
}

std::unique_ptr<Job> SignalTask::job(const Variant& variant, const backend::Backend& backend) const {
    return std::make_unique<SignalJob>(variant, options_, config_, blank_result(variant), backend);
}

}  // namespace aelle::study
