#include "aelle/learn/force.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "aelle/base/text.hpp"
#include "aelle/learn/r_force.hpp"
#include "force_parts.hpp"

namespace aelle::learn {
namespace {

void refuse(const char* option, const std::string& found, const char* expected) {
    throw DataError(std::string(option) + ": found " + found + ", expected " + expected);
}

/// Calls run(first step, target, output) for each part of `steps` steps that lies within one period.
template <class F>
void for_each_part(std::span<const double> period, int64_t first, int64_t steps, std::span<double> output, F&& run) {
    require(steps >= 0 && static_cast<int64_t>(output.size()) == steps, "force: output of another length than the steps asked for");
    const auto length = static_cast<int64_t>(period.size());
    for (int64_t done = 0; done < steps;) {
        const int64_t phase = (first + done) % length;
        const int64_t count = std::min(steps - done, length - phase);
        run(first + done, period.subspan(static_cast<std::size_t>(phase), static_cast<std::size_t>(count)),
            output.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count)));
        done += count;
    }
}

void save_state(ArchiveWriter& archive, const backend::ForceLoop::State& state) {
    archive.array(state.x);
    archive.value(state.z);
    archive.array(state.w_out);
    archive.array(state.p);
}

backend::ForceLoop::State read_state(ArchiveReader& archive) {
    backend::ForceLoop::State state;
    archive.array(state.x);
    archive.value(state.z);
    archive.array(state.w_out);
    archive.array(state.p);
    return state;
}

void check_size(const backend::ForceLoop::State& state, int64_t hidden) {
    const auto n = static_cast<std::size_t>(hidden);
    if (state.x.size() != n || state.w_out.size() != n || (!state.p.empty() && state.p.size() != n * (n + 1) / 2)) {
        throw DataError("checkpoint: force: found a network of " + std::to_string(state.x.size()) + " units, expected " +
                        std::to_string(hidden));
    }
}

backend::ForceLoop::State load_state(ArchiveReader& archive, int64_t hidden) {
    backend::ForceLoop::State state = read_state(archive);
    check_size(state, hidden);
    return state;
}

std::vector<double> gaussian_weights(const ForceOptions& options, RandomStream& random) {
    const int64_t n = options.hidden;
    const double scale = options.gain / std::sqrt(options.density * static_cast<double>(n));
    int64_t left = std::llround(options.density * static_cast<double>(n) * static_cast<double>(n));
    std::vector<double> m(static_cast<std::size_t>(n * n), 0.0);
    // Selection sampling (Knuth, TAOCP 3.4.2, algorithm S): every set of positions of this size is equally likely.
    for (int64_t i = 0; left > 0; ++i) {
        if (random.below(n * n - i) >= left) continue;
        m[static_cast<std::size_t>(i)] = scale * random.normal();
        --left;
    }
    return m;
}

}  // namespace

ForceInit force_init(const std::string& name) {
    const auto found = std::find(force_init_names.begin(), force_init_names.end(), name);
    require(found != force_init_names.end(), "a known way to draw recurrent weights");
    return static_cast<ForceInit>(found - force_init_names.begin());
}

void check_options(const ForceOptions& o) {
    const auto within = [](double value, double low, double high) { return value > low && value <= high; };  // false for NaN
    constexpr double most = std::numeric_limits<double>::max();
    if (o.hidden < 1 || o.hidden > 65536) refuse("hidden", std::to_string(o.hidden), "an integer from 1 to 65536");
    if (o.initialisation == ForceInit::r_force && !(o.gain > 0.0)) refuse("gain", rounded(o.gain), "a number greater than 0 for r-force");
    if (o.gain != 0.0 && !within(o.gain, 0.0, most)) refuse("gain", rounded(o.gain), "a finite number, at least 0");
    if (!within(o.density, 0.0, 1.0)) refuse("density", rounded(o.density), "a number greater than 0, at most 1");
    if (!within(o.dt, 0.0, 1.0)) refuse("dt", rounded(o.dt), "a number greater than 0, at most 1");
    if (!within(o.alpha, 0.0, most)) refuse("alpha", rounded(o.alpha), "a finite number greater than 0");
    if (o.learn_every < 1) refuse("learn_every", std::to_string(o.learn_every), "an integer from 1");
    if (o.initial_scale != 0.0 && !within(o.initial_scale, 0.0, most))
        refuse("initial_scale", rounded(o.initial_scale), "a finite number, at least 0");
}

void check_period(std::span<const double> period) {
    if (period.empty()) refuse("period", "no target values", "at least one");
    if (!all_finite(period)) refuse("period", "a target value that is not finite", "finite values");
}

cells::Parameters completed(cells::Parameters parameters, const ForceOptions& options) {
    parameters.scalars.try_emplace("dt", options.dt);
    cells::complete(cells::find_cell("rank1"), {options.hidden, 0}, parameters);
    return parameters;
}

InitialState initial_state(const ForceOptions& options, uint64_t seed, uint64_t variant) {
    RandomStream random(seed, variant, Purpose::initial_state);
    InitialState initial{std::vector<double>(static_cast<std::size_t>(options.hidden))};
    for (double& value : initial.x) value = options.initial_scale * random.normal();
    initial.z = options.initial_scale * random.normal();
    return initial;
}

cells::Parameters initial_rank1(const ForceOptions& options, uint64_t seed, uint64_t variant) {
    check_options(options);
    const int64_t n = options.hidden;
    RandomStream random(seed, variant, Purpose::weights);
    std::vector<double> m =
        options.initialisation == ForceInit::r_force ? r_force_weights(n, options.gain, random) : gaussian_weights(options, random);
    std::vector<double> w_f(static_cast<std::size_t>(n));
    RandomStream feedback(seed, variant, Purpose::feedback);
    for (double& w : w_f) w = feedback.uniform(-1.0, 1.0);
    cells::Parameters parameters;
    parameters.tensors["weight_hh_l0"] = std::move(m);
    parameters.tensors["weight_fb"] = std::move(w_f);
    parameters.tensors["weight_out"] = std::vector<double>(static_cast<std::size_t>(n), 0.0);
    parameters.scalars["dt"] = options.dt;
    return parameters;
}

struct ForceTrainer::Impl {
    const backend::Backend& backend;
    cells::Parameters given;
    ForceOptions options;
    std::vector<double> period;
    std::unique_ptr<backend::ForceLoop> loop;
    int64_t steps = 0;
    MeanError error{};  ///< of the epoch that the last step belongs to

    cells::Shape shape() const { return {options.hidden, 0}; }
    cells::Parameters current(const backend::ForceLoop::State& state) const {
        cells::Parameters parameters = given;
        parameters.tensors["weight_out"].assign(state.w_out.begin(), state.w_out.end());
        return parameters;
    }
};

ForceTrainer::ForceTrainer(const backend::Backend& backend, cells::Parameters parameters, const ForceOptions& options,
                           std::vector<double> period, uint64_t seed, uint64_t variant) {
    check_options(options);
    check_period(period);
    impl_ = std::make_unique<Impl>(Impl{backend, completed(std::move(parameters), options), options, std::move(period), nullptr});
    impl_->loop = backend.force_loop(impl_->shape(), impl_->given, options.alpha);
    const InitialState initial = initial_state(options, seed, variant);
    start_from(initial.x, initial.z);
}

ForceTrainer::~ForceTrainer() = default;
ForceTrainer::ForceTrainer(ForceTrainer&&) noexcept = default;

void ForceTrainer::start_from(std::span<const double> x, double z) {
    require(impl_->steps == 0, "force: a start asked for after the first step");
    if (static_cast<int64_t>(x.size()) != impl_->options.hidden) {
        throw DataError("x: found " + std::to_string(x.size()) + " values, expected " + std::to_string(impl_->options.hidden));
    }
    backend::ForceLoop::State state = impl_->loop->get(false);
    state.x.assign(x.begin(), x.end());
    state.z = z;
    impl_->loop->set(state);
}

int64_t ForceTrainer::steps_done() const { return impl_->steps; }

int64_t ForceTrainer::epochs_done() const { return impl_->steps / static_cast<int64_t>(impl_->period.size()); }

void ForceTrainer::train(int64_t steps, std::span<double> output) {
    Impl& me = *impl_;
    for_each_part(me.period, me.steps, steps, output, [&](int64_t first, std::span<const double> target, std::span<double> z) {
        if (first % static_cast<int64_t>(me.period.size()) == 0) me.error = {};
        me.loop->run(first, me.options.learn_every, target, z);
        me.error.add(target, z);
    });
    me.steps += steps;
}

double ForceTrainer::training_error() const { return impl_->error.value(); }

bool ForceTrainer::finite() const {
    const auto state = impl_->loop->get(false);
    return std::isfinite(state.z) && all_finite(state.x) && all_finite(state.w_out);
}

cells::Parameters ForceTrainer::parameters() const { return impl_->current(impl_->loop->get(false)); }

std::vector<double> ForceTrainer::state() const {
    const auto state = impl_->loop->get(false);
    return {state.x.begin(), state.x.end()};
}

double ForceTrainer::output() const { return impl_->loop->get(false).z; }

void ForceTrainer::save(ArchiveWriter& archive) const {
    archive.value(impl_->steps);
    archive.value(impl_->error);
    save_state(archive, impl_->loop->get());
}

void ForceTrainer::load(ArchiveReader& archive) {
    const auto steps = archive.value<int64_t>();
    const auto error = archive.value<MeanError>();
    impl_->loop->set(load_state(archive, impl_->options.hidden));
    impl_->steps = steps;
    impl_->error = error;
}

void ForceTrainer::Snapshot::save(ArchiveWriter& archive) const {
    archive.value(first_step);
    save_state(archive, state);
}

void ForceTrainer::Snapshot::load(ArchiveReader& archive) {
    archive.value(first_step);
    state = read_state(archive);
}

ForceTrainer::Snapshot ForceTrainer::snapshot() const { return {impl_->steps, impl_->loop->get(false)}; }

struct ForceTrainer::Tests::Impl {
    std::vector<double> period;
    int64_t hidden;
    std::unique_ptr<backend::FrozenLoops> loops;
    std::vector<TestProgress> tests;
    int64_t steps = 0;
};

ForceTrainer::Tests::Tests(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ForceTrainer::Tests::~Tests() = default;
ForceTrainer::Tests::Tests(Tests&&) noexcept = default;

ForceTrainer::Tests ForceTrainer::start_tests(std::span<const Snapshot> snapshots) const {
    auto loops = impl_->backend.frozen_loops(impl_->shape(), impl_->given, static_cast<int64_t>(snapshots.size()));
    std::vector<TestProgress> tests;
    for (const Snapshot& snapshot : snapshots) {
        check_size(snapshot.state, impl_->options.hidden);
        loops->set(static_cast<int64_t>(tests.size()), snapshot.state);
        tests.push_back({.first = snapshot.first_step});
    }
    return Tests(std::make_unique<Tests::Impl>(Tests::Impl{impl_->period, impl_->options.hidden, std::move(loops), std::move(tests)}));
}

int64_t ForceTrainer::Tests::count() const { return impl_->loops->count(); }

void ForceTrainer::Tests::run(MatrixView<double> output) {
    Impl& me = *impl_;
    me.loops->run(output);
    for (int64_t k = 0; k < count(); ++k) me.tests[static_cast<std::size_t>(k)].add(me.period, me.steps, output, k);
    me.steps += output.cols;
}

int64_t ForceTrainer::Tests::steps_done() const { return impl_->steps; }

double ForceTrainer::Tests::error(int64_t test) const { return impl_->tests[static_cast<std::size_t>(test)].error.value(); }

void ForceTrainer::Tests::save(ArchiveWriter& archive) const {
    archive.value(impl_->steps);
    archive.array(impl_->tests);
    for (int64_t k = 0; k < count(); ++k) save_state(archive, impl_->loops->get(k));
}

void ForceTrainer::Tests::load(ArchiveReader& archive) {
    archive.value(impl_->steps);
    std::vector<TestProgress> tests;
    archive.array(tests);
    if (tests.size() != impl_->tests.size()) {
        throw DataError("checkpoint: force: found " + std::to_string(tests.size()) + " tests, expected " +
                        std::to_string(impl_->tests.size()));
    }
    impl_->tests = std::move(tests);
    for (int64_t k = 0; k < count(); ++k) impl_->loops->set(k, load_state(archive, impl_->hidden));
}

}  // namespace aelle::learn
