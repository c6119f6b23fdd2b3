#include "kernels/cuda/training_group.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/cuda/product.hpp"
#include "kernels/cuda/team_size.hpp"

namespace aelle::cuda {
namespace {

int32_t narrow(int64_t n) {
    require(n >= 0 && n <= std::numeric_limits<int32_t>::max(), "the GPU's plan: a size beyond 32 bits");
    return static_cast<int32_t>(n);
}

}  // namespace

Sequences::Sequences(const Library& library, const backend::SequenceTable& table)
    : values_(on_device(library, table.values.data(), table.values.size(), "the values of sequences")),
      symbols_(on_device(library, table.symbols.data(), table.symbols.size(), "the symbols of sequences")),
      targets_(on_device(library, table.targets.data(), table.targets.size(), "the targets of sequences")),
      count_(table.count) {
    const auto all = static_cast<std::size_t>(table.count);
    require(table.targets.size() == all * table.target_steps &&
                (table.symbols.size() == all * table.steps || table.values.size() == all * table.steps * table.features),
            "sequences for the GPU: wrong sizes");
    data_ = {.values = values_.as<float>(),
             .symbols = symbols_.as<int32_t>(),
             .targets = targets_.as<int32_t>(),
             .steps = narrow(table.steps),
             .features = narrow(table.features),
             .target_steps = narrow(table.target_steps),
             .classes = narrow(table.classes)};
}

Group::Group(const Library& library, const DeviceFacts& facts, const PlannedCell& cell, const backend::GroupTraining& options,
             const backend::SequenceTable& data, int64_t networks)
    : library_(library), facts_(facts), cell_(cell.place), networks_(networks) {
    plan_.cell = cell.plan;
    plan_.batch = narrow(options.batch);
    plan_.steps = narrow(data.steps);
    plan_.target_steps = narrow(data.target_steps);
    plan_.classes = narrow(options.classes);
    plan_.fc_bias = options.fc_bias;
    plan_.adam = options.adam;
    plan_.one_hot = !data.symbols.empty();
    plan_.learning_rate = options.learning_rate;
    plan_.momentum = options.momentum;
    plan_.clip = options.clip;
    plan_.dropout = options.dropout;
    lay_out(plan_);
    const int64_t rows = *std::max_element(plan_.cell.slots, plan_.cell.slots + plan_.cell.stages) * int64_t{plan_.cell.hidden};
    require(int64_t{plan_.steps} * plan_.batch * std::max<int64_t>(rows, 2) < std::numeric_limits<int32_t>::max(),
            "the GPU's plan: a batch beyond 32 bits");
    memory_ = DeviceMemory(library, bytes_of(networks, 0), std::to_string(networks) + " networks");
    plan_memory_ = on_device(library, &plan_, 1, "a plan");
}

void Group::set(int64_t network, const backend::TrainingState& state) {
    const auto size = static_cast<std::size_t>(plan_.size);
    require(network >= 0 && network < networks_ && state.parameters.size() == size, "a GPU network: parameters of another size");
    const auto put = [&](const std::vector<float>& values, int64_t offset, bool used) {
        if (!used) return;
        require(values.size() == size, "a GPU network: moments of another size");
        memory_.upload(values.data(), size * sizeof(float), bytes_of(network, offset));
    };
    put(state.parameters, plan_.parameters, true);
    put(state.mean, plan_.mean, plan_.adam || plan_.momentum > 0);
    put(state.square, plan_.square, plan_.adam);
}

backend::TrainingState Group::get(int64_t network) const {
    const auto take = [&](std::vector<float>& values, int64_t offset, bool used) {
        if (!used) return;
        values.resize(static_cast<std::size_t>(plan_.size));
        memory_.download(values.data(), values.size() * sizeof(float), bytes_of(network, offset));
    };
    backend::TrainingState state;
    take(state.parameters, plan_.parameters, true);
    take(state.mean, plan_.mean, plan_.adam || plan_.momentum > 0);
    take(state.square, plan_.square, plan_.adam);
    return state;
}

int32_t Group::team(int64_t networks) const {
    if (team_ > 0) return team_;
    const int hidden = plan_.cell.hidden, slots = *std::max_element(plan_.cell.slots, plan_.cell.slots + plan_.cell.stages);
    const int64_t tiles =
        tile_size(hidden, plan_.batch, slots * hidden).count(hidden, plan_.batch);  // of the way back, the fewest of a step
    const int64_t weights = (plan_.cell.parameters + plan_.cell.matrices) * static_cast<int64_t>(sizeof(float));
    return team_size(facts_, networks, weights, tiles, 2);
}

void Group::check(const Sequences& data, const Work& work) const {
    const SequenceData& d = data.data();
    require(d.steps == plan_.steps && d.target_steps == plan_.target_steps && (d.symbols != nullptr) == plan_.one_hot &&
                (d.features == plan_.cell.input || plan_.cell.input == 0) && d.classes <= plan_.classes,
            "a GPU network: sequences of another shape");
    require(work.network >= 0 && work.network < networks_, "a GPU network: no such number");
    for (const int64_t sequence : work.order) require(sequence >= 0 && sequence < data.count(), "a GPU network: no such sequence");
}

/// What a launch reads and writes.
struct Group::Buffers {
    std::vector<int64_t> first_batch;  ///< of every network's part, and the number of all
    std::vector<int32_t> order;
    std::vector<double> losses;
    std::vector<int32_t> correct, finite;
};

std::vector<backend::TrainingGroup::Outcome> Group::run(const backend::DeviceSequences& data, std::span<const Work> work, bool learning,
                                                        std::vector<float>* probabilities) {
    const auto& sequences = dynamic_cast<const Sequences&>(data);
    Buffers b;
    std::vector<std::size_t> first_sequence;
    int64_t batches = 0;
    for (const Work& w : work) {
        check(sequences, w);
        first_sequence.push_back(b.order.size());
        b.first_batch.push_back(batches);
        for (const int64_t sequence : w.order) b.order.push_back(static_cast<int32_t>(sequence));
        batches += (static_cast<int64_t>(w.order.size()) + plan_.batch - 1) / plan_.batch;
    }
    b.first_batch.push_back(batches);
    b.losses.resize(static_cast<std::size_t>(batches));
    b.correct.resize(b.losses.size());
    b.finite.resize(work.size());
    const int64_t columns = int64_t{plan_.classes} * plan_.target_steps * plan_.batch;
    const DeviceMemory order = on_device(library_, b.order.data(), b.order.size(), "the order of sequences");
    const DeviceMemory losses(library_, b.losses.size() * sizeof(double), "losses");
    const DeviceMemory correct(library_, b.correct.size() * sizeof(int32_t), "counts of correct predictions");
    const DeviceMemory finite(library_, b.finite.size() * sizeof(int32_t), "flags");
    const DeviceMemory classes(library_, probabilities ? work.size() * static_cast<std::size_t>(columns) * sizeof(float) : 0,
                               "probabilities");
    std::vector<TrainingWork> parts;
    for (std::size_t i = 0; i < work.size(); ++i) {
        parts.push_back({.memory = memory_.as<float>() + work[i].network * plan_.memory,
                         .order = order.as<int32_t>() + first_sequence[i],
                         .count = narrow(static_cast<int64_t>(work[i].order.size())),
                         .learning = learning,
                         .first_update = work[i].first_update,
                         .seed = work[i].seed,
                         .variant = work[i].variant,
                         .losses = losses.as<double>() + b.first_batch[i],
                         .correct = correct.as<int32_t>() + b.first_batch[i],
                         .probabilities = probabilities ? classes.as<float>() + static_cast<int64_t>(i) * columns : nullptr,
                         .finite = finite.as<int32_t>() + i});
    }
    const DeviceMemory parts_memory = on_device(library_, parts.data(), parts.size(), "work");
    const Table& table = library_.table();
    if (!work.empty()) {
        library_.check(table.train(library_.device(), cell_, static_cast<int64_t>(work.size()), team(static_cast<int64_t>(work.size())),
                                   plan_memory_.as<TrainingPlan>(), &sequences.data(), parts_memory.as<TrainingWork>()),
                       learning ? "training" : "evaluation");
    }
    losses.download(b.losses.data(), b.losses.size() * sizeof(double));
    correct.download(b.correct.data(), b.correct.size() * sizeof(int32_t));
    finite.download(b.finite.data(), b.finite.size() * sizeof(int32_t));
    std::vector<Outcome> outcomes(work.size());
    for (std::size_t i = 0; i < work.size(); ++i) {
        outcomes[i].finite = b.finite[i] >= 0;
        const int64_t done = std::abs(b.finite[i]);
        for (int64_t k = b.first_batch[i]; k < b.first_batch[i] + done; ++k) outcomes[i].losses.push_back({b.losses[k], b.correct[k]});
    }
    if (probabilities == nullptr) return outcomes;
    std::vector<float> all(work.size() * static_cast<std::size_t>(columns));
    classes.download(all.data(), all.size() * sizeof(float));
    probabilities->clear();
    for (std::size_t i = 0; i < work.size(); ++i) {
        const int64_t last = (static_cast<int64_t>(work[i].order.size()) - 1) % plan_.batch + 1;
        const auto from = all.begin() + static_cast<std::ptrdiff_t>(i) * columns;
        probabilities->insert(probabilities->end(), from, from + int64_t{plan_.classes} * plan_.target_steps * last);
    }
    return outcomes;
}

}  // namespace aelle::cuda
