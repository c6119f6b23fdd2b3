// aelle train --task smnist, charrnn: any other cell, by backpropagation through time.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "aelle/base/build_info.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "aelle/io/h5.hpp"
#include "aelle/learn/group.hpp"
#include "aelle/learn/weights.hpp"
#include "aelle/tasks/charrnn.hpp"
#include "aelle/tasks/smnist.hpp"
#include "train.hpp"

namespace aelle::app {
namespace {

/// What a task does unless told otherwise (the paper's values) and its data.
struct TaskData {
    double learning_rate;
    int64_t batch;
    int64_t validation = 0;  ///< sequences at the end of the data
    std::unique_ptr<learn::Sequences> sequences = nullptr;
};

constexpr double default_dropout = 0.1;
constexpr int64_t default_hidden = 64, default_epochs = 10;

TaskData read_task(const TrainOptions& options) {
    if (options.task == "smnist") {
        TaskData task{1e-2, 128};
        task.sequences = tasks::read_smnist(options.common.data, tasks::MnistFile::train);
        task.validation = options.limit_validation.value_or(10000);
        return task;
    }
    constexpr int64_t steps = 100;
    TaskData task{2e-3, 32};
    const tasks::Text text = tasks::read_text(options.common.data);
    task.sequences = tasks::text_windows(text, 0, static_cast<int64_t>(text.symbols.size()), steps, options.loss == "every");
    task.validation = options.limit_validation.value_or(task.sequences->size() / 10);
    return task;
}

/// The sequences to train on and those to validate on, which lie behind all of them.
struct Parts {
    std::vector<int64_t> training, validation;
};

Parts split(const TrainOptions& options, const TaskData& task) {
    const int64_t all = task.sequences->size(), before = all - task.validation;
    const std::string there = " of the " + std::to_string(all) + " sequences of " + options.task;
    if (before < 1) {
        throw UsageError("--limit-validation: found " + std::to_string(task.validation) + ", expected at most " + std::to_string(all - 1) +
                         there);
    }
    const int64_t training = options.limit_train.value_or(before);
    if (training > before) {
        throw UsageError("--limit-train: found " + std::to_string(training) + ", expected at most " + std::to_string(before) + there +
                         ", with " + std::to_string(task.validation) + " for validation");
    }
    Parts parts{std::vector<int64_t>(static_cast<std::size_t>(training)), std::vector<int64_t>(static_cast<std::size_t>(task.validation))};
    std::iota(parts.training.begin(), parts.training.end(), 0);
    std::iota(parts.validation.begin(), parts.validation.end(), before);
    return parts;
}

/// The readout of the file where it has one; a part that is absent beside the other stays absent only if it is the bias.
void take_readout(const TrainOptions& options, learn::WeightsFile& file, learn::Model& model) {
    const auto weight = file.extra.find("fc.weight"), bias = file.extra.find("fc.bias");
    if (weight == file.extra.end()) {
        if (bias != file.extra.end()) throw DataError(options.init_weights.string() + ": fc.weight: missing, expected beside fc.bias");
        learn::draw_readout(model, options.seed, 0);
        return;
    }
    const auto check = [&](const char* name, const io::Dims& expected) {
        const auto& found = file.extra_dims.at(name);
        if (found == expected) return;
        const auto words = [](const io::Dims& dims) {
            std::vector<std::string> parts;
            for (const int64_t d : dims) parts.push_back(std::to_string(d));
            return "(" + join(parts, ", ") + ")";
        };
        throw DataError(options.init_weights.string() + ": " + name + ": found shape " + words(found) + ", expected " + words(expected) +
                        " for " + options.task);
    };
    check("fc.weight", {model.classes, model.shape.hidden});
    model.fc_weight = std::move(weight->second);
    if (bias == file.extra.end()) return;
    check("fc.bias", {model.classes});
    model.fc_bias = std::move(bias->second);
}

learn::Model given_model(const TrainOptions& options, const cells::CellSpec& cell, const learn::Sequences& data,
                         const cells::Parameters& params) {
    learn::WeightsFile file = learn::read_weights(options.init_weights, cell,
                                                  {.extra = {"fc.weight", "fc.bias"}, .layer = options.layer, .gated = options.gated});
    const std::string name = options.init_weights.string();
    if (options.hidden && *options.hidden != file.shape.hidden) {
        throw UsageError("--hidden: found " + std::to_string(*options.hidden) + ", expected " + std::to_string(file.shape.hidden) +
                         ", the size of " + name);
    }
    if (file.shape.input != data.features()) {
        throw DataError(name + ": found " + std::to_string(file.shape.input) + " input features, expected " +
                        std::to_string(data.features()) + " for " + options.task);
    }
    learn::Model model{file.cell, file.shape, std::move(file.parameters), data.classes(), {}, {}};
    for (const auto& [scalar, value] : params.scalars) model.parameters.scalars[scalar] = value;
    take_readout(options, file, model);
    cells::complete(*model.cell, model.shape, model.parameters);
    return model;
}

learn::Model starting_model(const TrainOptions& options, const learn::Sequences& data) {
    const cells::CellSpec& cell = cell_of(options);
    cells::Parameters params;
    params.scalars = parse_params(options.params);
    if (!options.init_weights.empty()) return given_model(options, cell, data, params);
    const cells::Shape shape{options.hidden.value_or(default_hidden), data.features()};
    return learn::initial_model(cell, shape, data.classes(), params, {.p = options.init}, options.seed, 0);
}

struct Record {
    std::vector<double> train_loss, loss, accuracy;  ///< after each epoch; NaN once diverged
    int64_t samples = 0;
    double seconds = 0.0;  ///< of training
    std::string device;    ///< that it ran on
    int64_t threads = 0;
};

struct Measured {
    double loss = std::numeric_limits<double>::quiet_NaN(), accuracy = loss;
};

/// A network on the host.
struct OnHost {
    Session& session;
    learn::BpttTrainer trainer;
    int64_t updates_done() const { return trainer.updates_done(); }
    int64_t updates_per_epoch() const { return trainer.updates_per_epoch(); }
    double training_loss() const { return trainer.training_loss(); }
    bool finite() const { return trainer.finite(); }
    learn::Model model() const { return trainer.model(); }
    void update() { trainer.update(); }
    std::string device() const { return session.backend().device_kind(); }
    Measured measure(const learn::Sequences& data, const Parts& parts, int64_t batch) const {
        learn::Evaluation evaluation(session.backend(), trainer.model(), data, parts.validation, batch);
        while (!evaluation.done()) {
            session.check_stop();
            evaluation.advance();
        }
        return {evaluation.loss(), evaluation.accuracy()};
    }
};

/// A network on a GPU: a group of one.
struct OnDevice {
    static constexpr int64_t updates_at_once = 16;
    Session& session;
    learn::DeviceCopy copy;
    learn::GroupTrainer trainer;
    OnDevice(Session& s, learn::Model model, const learn::BpttOptions& training, const learn::Sequences& data, const Parts& parts,
             uint64_t seed)
        : session(s), copy(*s.groups(), data), trainer(*s.groups(), training, copy, one(std::move(model), parts, seed)) {}
    static std::vector<learn::Member> one(learn::Model model, const Parts& parts, uint64_t seed) {
        std::vector<learn::Member> members;
        members.push_back({std::move(model), parts.training, seed, 0});
        return members;
    }
    int64_t updates_done() const { return trainer.updates_done(0); }
    int64_t updates_per_epoch() const { return trainer.updates_per_epoch(0); }
    double training_loss() const { return trainer.training_loss(0); }
    bool finite() const { return trainer.finite(0); }
    learn::Model model() const { return trainer.model(0); }
    void update() {
        const std::size_t first = 0;
        trainer.update(std::span(&first, 1), updates_at_once);
    }
    std::string device() const { return session.device_kind(); }
    Measured measure(const learn::Sequences&, const Parts& parts, int64_t) {
        const learn::GroupTrainer::Part all{0, parts.validation};
        const learn::GroupTrainer::Loss loss = trainer.evaluate(copy, std::span(&all, 1)).front();
        const auto predictions = static_cast<double>(loss.predictions);
        return {loss.sum / predictions, static_cast<double>(loss.correct) / predictions};
    }
};

template <class Trainer>
void validate(Session& session, Trainer& trainer, const learn::Sequences& data, const Parts& parts, int64_t batch, Record& record) {
    Measured measured;
    if (trainer.finite() && !parts.validation.empty()) measured = trainer.measure(data, parts, batch);
    const auto [loss, accuracy] = measured;
    record.train_loss.push_back(trainer.training_loss());
    record.loss.push_back(loss);
    record.accuracy.push_back(accuracy);
    session.console().note("epoch " + std::to_string(record.loss.size()) + ": training loss " + rounded(record.train_loss.back()) +
                           ", validation loss " + rounded(loss) + ", accuracy " + rounded(accuracy));
}

template <class Trainer>
Record train_network(Session& session, Trainer& trainer, const learn::Sequences& data, const Parts& parts, int64_t epochs, int64_t batch) {
    using Clock = std::chrono::steady_clock;
    const int64_t per_epoch = trainer.updates_per_epoch(), all = epochs * per_epoch;
    const auto training = static_cast<int64_t>(parts.training.size());
    Record record;
    record.device = trainer.device();
    record.threads = session.threads();
    while (trainer.updates_done() < all && trainer.finite()) {
        session.check_stop();
        const auto start = Clock::now();
        trainer.update();
        record.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        const int64_t done = trainer.updates_done(), in_epoch = done % per_epoch;
        record.samples = done / per_epoch * training + std::min(in_epoch * batch, training);
        session.console().progress("updates", done, all, done, record.seconds);
        if (in_epoch == 0) validate(session, trainer, data, parts, batch, record);
    }
    session.console().end_progress();
    for (auto* curve : {&record.train_loss, &record.loss, &record.accuracy}) {
        curve->resize(static_cast<std::size_t>(epochs), std::numeric_limits<double>::quiet_NaN());
    }
    return record;
}

void write_attributes(io::H5Writer& file, const TrainOptions& options, const learn::BpttOptions& training, const learn::Model& model,
                      const Parts& parts, const Record& record) {
    const auto attribute = [&](const char* name, const io::AttributeValue& value) { file.attribute("/", name, value); };
    const bool gated = !model.cell->gated_form_of.empty();
    attribute("cell", std::string(gated ? model.cell->gated_form_of : model.cell->name));
    attribute("gated", int64_t{gated});
    attribute("task", options.task);
    attribute("data", options.common.data.string());
    attribute("hidden", model.shape.hidden);
    attribute("init_weights", options.init_weights.string());
    attribute("layer", options.layer.value_or(0));
    if (options.init) attribute("init", *options.init);
    else attribute("init", std::string(options.init_weights.empty() ? "standard" : "given"));
    attribute("seed", static_cast<int64_t>(options.seed));
    attribute("epochs", static_cast<int64_t>(record.loss.size()));
    attribute("batch", training.batch);
    attribute("optimizer", options.optimizer);
    attribute("lr", training.learning_rate);
    attribute("momentum", training.momentum);
    attribute("dropout", training.dropout);
    attribute("clip", training.clip);
    attribute("loss", options.loss);
    attribute("order", options.order);
    attribute("limit_train", static_cast<int64_t>(parts.training.size()));
    attribute("limit_validation", static_cast<int64_t>(parts.validation.size()));
    attribute("seconds", record.seconds);
    attribute("samples_per_second", static_cast<double>(record.samples) / record.seconds);
    attribute("device", record.device);
    attribute("threads", record.threads);
    attribute("version", build_info().version);
}

void write_result(const TrainOptions& options, const learn::BpttOptions& training, const learn::Model& model, const Parts& parts,
                  const Record& record) {
    io::H5Writer file;
    learn::write_weights(file, *model.cell, model.shape, model.parameters);
    file.write("fc.weight", model.fc_weight, {model.classes, model.shape.hidden});
    if (!model.fc_bias.empty()) file.write("fc.bias", model.fc_bias, {model.classes});
    const auto epochs = static_cast<int64_t>(record.loss.size());
    file.write("train_loss", record.train_loss, {epochs});
    file.write("loss", record.loss, {epochs});
    file.write("accuracy", record.accuracy, {epochs});
    for (const char* curve : {"train_loss", "loss"}) file.attribute(curve, "units", std::string("nats per prediction"));
    write_attributes(file, options, training, model, parts, record);
    file.commit(options.output);
}

template <class Trainer>
void train_and_write(Session& session, const TrainOptions& options, const learn::BpttOptions& training, Trainer& trainer,
                     const learn::Sequences& data, const Parts& parts) {
    const Record record = train_network(session, trainer, data, parts, options.epochs.value_or(default_epochs), training.batch);
    write_result(options, training, trainer.model(), parts, record);
    session.console().result("trained " + std::to_string(trainer.updates_done()) + " updates in " + duration(record.seconds) + ", " +
                             rounded(static_cast<double>(record.samples) / record.seconds) + " sequences per second; validation loss " +
                             rounded(record.loss.back()) + " nats, accuracy " + rounded(record.accuracy.back()) +
                             (trainer.finite() ? "" : "; the network diverged") + "; wrote " + options.output.string());
}

}  // namespace

void train_bptt(Session& session, const TrainOptions& options) {
    const TaskData task = read_task(options);
    const Parts parts = split(options, task);
    const learn::BpttOptions training{.optimizer = options.optimizer == "sgd" ? learn::Optimizer::sgd : learn::Optimizer::adam,
                                      .learning_rate = options.learning_rate.value_or(task.learning_rate),
                                      .momentum = options.momentum,
                                      .clip = options.clip,
                                      .dropout = options.dropout.value_or(default_dropout),
                                      .batch = options.batch.value_or(task.batch),
                                      .shuffle = options.order == "shuffle"};
    const learn::Sequences& data = *task.sequences;
    if (session.groups() != nullptr) {
        OnDevice trainer(session, starting_model(options, data), training, data, parts, options.seed);
        return train_and_write(session, options, training, trainer, data, parts);
    }
    OnHost trainer{session,
                   learn::BpttTrainer(session.backend(), starting_model(options, data), training, data, parts.training, options.seed, 0)};
    train_and_write(session, options, training, trainer, data, parts);
}

}  // namespace aelle::app
