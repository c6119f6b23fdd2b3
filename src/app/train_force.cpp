// aelle train --task signal: the Rank-1 RNN by FORCE.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/h5.hpp"
#include "aelle/learn/weights.hpp"
#include "aelle/tasks/signal.hpp"
#include "train.hpp"

namespace aelle::app {
namespace {

/// Weights, state and shape to start from: the file's where given, the rest as a study's variant of this seed would have it.
struct Start {
    cells::Parameters parameters;
    std::optional<std::vector<double>> x;
    std::optional<double> z;
};

Start starting_point(TrainOptions& options, const cells::CellSpec& cell) {
    Start start;
    learn::WeightsFile given;
    if (!options.init_weights.empty()) {
        given = learn::read_weights(options.init_weights, cell, {.extra = {"x", "z"}, .partial = true});
        if (options.hidden && given.shape.hidden > 0 && *options.hidden != given.shape.hidden) {
            throw UsageError("--hidden: found " + std::to_string(*options.hidden) + ", expected " + std::to_string(given.shape.hidden) +
                             ", the size of " + options.init_weights.string());
        }
    }
    options.force.hidden = given.shape.hidden > 0 ? given.shape.hidden : options.hidden.value_or(512);
    const auto params = parse_params(options.params);
    if (params.contains("dt")) options.force.dt = params.at("dt");
    if (params.contains("g")) options.force.gain = params.at("g");
    if (!params.contains("dt") && given.parameters.scalars.contains("dt")) options.force.dt = given.parameters.scalars.at("dt");
    if (options.init) options.force.gain = *options.init;
    options.force.initialisation = learn::force_init(options.recurrent);
    start.parameters = learn::initial_rank1(options.force, options.seed, 0);
    for (auto& [name, values] : given.parameters.tensors) start.parameters.tensors[name] = values;
    const auto hidden = static_cast<std::size_t>(options.force.hidden);
    if (const auto x = given.extra.find("x"); x != given.extra.end()) {
        if (x->second.size() != hidden) {
            throw DataError(options.init_weights.string() + ": x: found " + std::to_string(x->second.size()) + " values, expected " +
                            std::to_string(hidden));
        }
        start.x = x->second;
    }
    if (const auto z = given.extra.find("z"); z != given.extra.end()) {
        if (z->second.size() != 1) {
            throw DataError(options.init_weights.string() + ": z: found " + std::to_string(z->second.size()) + " values, expected 1");
        }
        start.z = z->second.front();
    }
    return start;
}

struct Record {
    std::vector<double> target, output, train_loss, loss;
    double seconds = 0.0;
    std::string device;  ///< that it ran on
    int64_t threads = 0;
};

/// The tests of every whole epoch, side by side; their time is not training time.
void test_network(Session& session, const learn::ForceTrainer& trainer, std::span<const learn::ForceTrainer::Snapshot> snapshots,
                  const TrainOptions& options, int64_t slice, Record& record) {
    if (snapshots.empty()) return;
    const auto count = static_cast<int64_t>(snapshots.size()), all = options.test_epochs * options.steps_per_epoch;
    auto tests = trainer.start_tests(snapshots);
    slice = std::clamp<int64_t>(16 * slice / count, 1, slice);  // up to 16 side by side cost little more than one
    Matrix<double> output(count, slice);
    while (tests.steps_done() < all) {
        session.check_stop();
        tests.run(output.view().columns(0, std::min(slice, all - tests.steps_done())));
    }
    for (int64_t k = 0; k < count; ++k) record.loss.push_back(tests.error(k));
}

Record train_network(Session& session, learn::ForceTrainer& trainer, const std::vector<double>& period, const TrainOptions& options) {
    using Clock = std::chrono::steady_clock;
    const int64_t all = options.steps.value_or(options.epochs.value_or(15) * options.steps_per_epoch);
    const int64_t slice = std::clamp<int64_t>(500'000'000 / (options.force.hidden * options.force.hidden), 1, 2000);  // for check_stop
    Record record;
    record.device = session.backend().device_kind();
    record.threads = session.threads();
    record.output.resize(static_cast<std::size_t>(all));
    std::vector<learn::ForceTrainer::Snapshot> snapshots;
    for (int64_t done = 0; done < all;) {
        session.check_stop();
        const int64_t epoch_left = options.steps_per_epoch - done % options.steps_per_epoch;
        const int64_t steps = std::min({epoch_left, all - done, slice});
        const auto start = Clock::now();
        trainer.train(steps, {record.output.data() + done, static_cast<std::size_t>(steps)});
        record.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        done += steps;
        if (steps == epoch_left) {
            record.train_loss.push_back(trainer.training_error());
            snapshots.push_back(trainer.snapshot());
        }
        session.console().progress("steps", done, all, done, record.seconds);
    }
    session.console().end_progress();
    test_network(session, trainer, snapshots, options, slice, record);
    for (int64_t i = 0; i < all; ++i) record.target.push_back(period[static_cast<std::size_t>(i % options.steps_per_epoch)]);
    return record;
}

void write_result(const TrainOptions& options, const cells::CellSpec& cell, const learn::ForceTrainer& trainer, const Record& record) {
    io::H5Writer file;
    learn::write_weights(file, cell, {options.force.hidden, 0}, trainer.parameters());
    const auto steps = static_cast<int64_t>(record.output.size());
    const auto epochs = static_cast<int64_t>(record.loss.size());
    file.write("x", trainer.state(), {options.force.hidden});
    file.write("z", std::vector<double>{trainer.output()}, {});
    file.write("target", record.target, {steps});
    file.write("output", record.output, {steps});
    file.write("train_loss", record.train_loss, {epochs});
    file.write("loss", record.loss, {epochs});
    const auto attribute = [&](const char* name, const io::AttributeValue& value) { file.attribute("/", name, value); };
    attribute("cell", options.cell);
    attribute("task", options.task);
    attribute("hidden", options.force.hidden);
    attribute("g", options.force.gain);
    attribute("dt", options.force.dt);
    attribute("recurrent", options.recurrent);
    attribute("density", options.force.density);
    attribute("alpha", options.force.alpha);
    attribute("learn_every", options.force.learn_every);
    attribute("epochs", epochs);
    attribute("steps", steps);
    attribute("steps_per_epoch", options.steps_per_epoch);
    attribute("test_epochs", options.test_epochs);
    attribute("target_kind", options.target);
    attribute("seed", static_cast<int64_t>(options.seed));
    attribute("init_weights", options.init_weights.string());
    attribute("seconds", record.seconds);
    attribute("samples_per_second", static_cast<double>(steps) / record.seconds);  // a sample is a step here
    attribute("initial_scale", options.force.initial_scale);
    attribute("device", record.device);
    attribute("threads", record.threads);
    attribute("version", build_info().version);
    file.commit(options.output);
}

}  // namespace

void train_force(Session& session, TrainOptions& options) {
    const cells::CellSpec& cell = cells::find_cell(options.cell);
    Start start = starting_point(options, cell);
    const auto sines = options.target == "fixed" ? tasks::FourSines{} : tasks::random_four_sines(options.seed, 0);
    const std::vector<double> period = tasks::one_period(sines, options.steps_per_epoch);
    cells::complete(cell, {options.force.hidden, 0}, start.parameters);
    learn::ForceTrainer trainer(session.backend(), start.parameters, options.force, period, options.seed, 0);
    if (start.x || start.z) {
        trainer.start_from(start.x ? *start.x : trainer.state(), start.z.value_or(trainer.output()));
    }
    const Record record = train_network(session, trainer, period, options);
    write_result(options, cell, trainer, record);
    std::string text = "trained " + std::to_string(record.output.size()) + " steps in " + duration(record.seconds);
    if (!record.loss.empty()) text += "; mean absolute error " + rounded(record.loss.back()) + " in a test of " + std::to_string(options.test_epochs) + " epochs";
    session.console().result(text + (trainer.finite() ? "" : "; the network diverged") + "; wrote " + options.output.string());
}

}  // namespace aelle::app
