#include "aelle/study/signal_task.hpp"

#include <algorithm>

#include "aelle/study/parallel.hpp"
#include "aelle/tasks/signal.hpp"
#include "signal_group_job.hpp"
#include "signal_job.hpp"

namespace aelle::study {
SignalTask::SignalTask(TomlTable& root, const StudyConfig& config) : StudyTask(config) {
    TomlTable signal = root.table("signal");
    options_.random_target = signal.choice("target", "random_4sine", {"random_4sine", "fixed"}) == "random_4sine";
    options_.steps_per_epoch = signal.integer("steps_per_epoch", 1200, 10, 10'000'000);
    options_.test_epochs = signal.integer("test_epochs", 1, 1, 100'000);
    const std::string after = signal.choice("test_after", "last", {"last", "spectra", "every"});
    options_.test_after = after == "last" ? TestAfter::last : after == "spectra" ? TestAfter::spectra : TestAfter::every;
    TomlTable force = root.table("force");
    learn::ForceOptions& options = options_.force;
    options.initialisation =
        learn::force_init(force.choice("initialisation", "gaussian", {learn::force_init_names.begin(), learn::force_init_names.end()}));
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

std::vector<double> SignalTask::period(const Variant& variant) const {
    const auto sines = options_.random_target ? tasks::random_four_sines(variant.seed, 0) : tasks::FourSines{};
    return tasks::one_period(sines, options_.steps_per_epoch);
}

learn::ForceOptions SignalTask::force_options(const Variant& variant) const {
    learn::ForceOptions force = options_.force;
    force.hidden = variant.hidden;
    force.gain = variant.init;
    return force;
}

cells::Parameters SignalTask::initial_network(const Variant& variant) const {
    return learn::initial_rank1(force_options(variant), variant.seed, 0);
}

int64_t SignalTask::spectrum_steps() const { return config_.spectrum.steps > 0 ? config_.spectrum.steps : options_.steps_per_epoch; }

SpectrumInputs SignalTask::spectrum_inputs() const {
    SpectrumInputs inputs;
    inputs.sequences = {{}};  // one autonomous run
    inputs.steps = spectrum_steps();
    inputs.seed = config_.seed;
    return inputs;
}

std::unique_ptr<Job> SignalTask::job(const Variant& variant, const backend::Backend& backend) const {
    return make_signal_job(*this, variant, backend);
}

StudyTask::GroupJobs SignalTask::group_jobs(const backend::GroupEngine& engine, const backend::Backend& backend, int threads) const {
    const auto device = std::make_shared<const SpectraDevice>(SpectraDevice{engine, backend, on_threads(threads), threads});
    return [this, device](std::span<const Variant> variants) { return make_signal_group_job(*this, variants, *device); };
}

}  // namespace aelle::study
