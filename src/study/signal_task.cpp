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

enum class Phase : int32_t { training, testing, spectrum, done };

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
        if (phase_ == Phase::spectrum) spectra_->save(archive);
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
        if (phase_ == Phase::spectrum) spectra_->load(archive);
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
        return options_.steps_per_epoch * (epochs_ + tests * options_.test_epochs) + spectra * SpectraRun::all_steps(spectrum_, 1, spectrum_steps());
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
        spectra_.reset();
        if (phase == Phase::testing) test_.emplace(trainer_.start_test());
        if (phase == Phase::spectrum) start_spectrum();
    }

    void train_slice() {
        const int64_t epoch_end = (epoch_ + 1) * options_.steps_per_epoch;
        const int64_t steps = std::min(slice_steps_, epoch_end - trainer_.steps_done());
        trainer_.train(steps, {output_.data(), static_cast<std::size_t>(steps)});
        steps_ += steps;
        if (!trainer_.finite()) return diverge(epoch_ + 1);
        if (trainer_.steps_done() < epoch_end) return;
        result_.loss_every_epoch[static_cast<std::size_t>(epoch_)] = trainer_.training_error();
        ++epoch_;
        if (test_due()) return enter(Phase::testing);
        measured();
    }

    void measured() {
        if (spectrum_due()) return enter(Phase::spectrum);
        go_on();
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
                result_.example[1][static_cast<std::size_t>(first + i - example_start)] = output_[static_cast<std::size_t>(i)];
            }
        }
        if (test_->steps_done() < all) return;
        const double error = test_->error();
        if (!std::isfinite(error)) return diverge(epoch_);
        if (spectrum_due()) result_.loss[next_spectrum_] = error;
        if (epoch_ == epochs_) result_.loss_final = error;
        result_.loss_best = std::isnan(result_.loss_best) ? error : std::min(result_.loss_best, error);
        measured();
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
        if (epoch_ == epochs_) return finish();
        enter(Phase::training);
    }

    /// Divergence is a result: what was measured before stays, the rest is NaN.
    void diverge(int64_t epoch) {
        result_.status = VariantStatus::diverged;
        result_.diverged_epoch = epoch;
        result_.loss_final = std::numeric_limits<double>::quiet_NaN();
        finish();
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
    std::optional<learn::ForceTrainer::Test> test_;
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
    const double steps = period * (epochs + tests * static_cast<double>(options_.test_epochs));
    const double spectrum_steps = spectrum.steps > 0 ? static_cast<double>(spectrum.steps) : period;
    const double factorisation = 4.0 * n * k * k / static_cast<double>(std::max<int64_t>(1, spectrum.interval));
    return steps * product + updates * 3.0 * n * n +
           static_cast<double>(spectrum.epochs.size() * spectrum.kinds.size()) * spectrum_steps * (k * product + factorisation);
}

double SignalTask::memory(const Variant& variant) const {
    const auto n = static_cast<double>(variant.hidden);
    return 8.0 * (3.0 * n * n + 4.0 * n * static_cast<double>(exponent_count(variant)));
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
