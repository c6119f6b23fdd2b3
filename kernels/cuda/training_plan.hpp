#pragma once
/// What the training kernel is told: plain data, made on the host, and where a network's numbers lie in its memory.

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/plan.hpp"
#include "kernels/cuda/row_sums.hpp"

namespace aelle::cuda {

/// Sequences that lie on the device, one after another.
struct SequenceData {
    const float* values = nullptr;     ///< (steps x features) of each, or null
    const int32_t* symbols = nullptr;  ///< (steps) of each instead of values
    const int32_t* targets = nullptr;  ///< (target_steps) of each
    int32_t steps = 0, features = 0, target_steps = 0, classes = 0;
};

inline constexpr int symbol_parts = 16;

/// Of all networks of a group. Offsets count floats from the beginning of a network's memory.
struct TrainingPlan {
    CellPlan cell;
    int32_t batch = 0, steps = 0, target_steps = 0, classes = 0;
    bool fc_bias = true, adam = true, one_hot = false;
    double learning_rate = 0.0, momentum = 0.0, clip = 0.0, dropout = 0.0;

    int64_t size = 0;  ///< of the packed parameters: the cell's, fc.weight (C, H) row-major, fc.bias (C)
    int64_t parameters = 0, gradient = 0, mean = 0, square = 0;
    int64_t matrices = 0, matrix_gradients = 0;  ///< effective matrices that are not parameters as they lie
    int64_t pre[max_stages] = {};                ///< (slots H x steps batch) pre-activations of a stage, later their gradients
    int64_t states = 0;                          ///< (blocks H x (steps + 1) batch)
    int64_t delta = 0, delta_old = 0;            ///< (blocks H x batch)
    int64_t features = 0, factors = 0;           ///< (H x target_steps batch): what the readout saw, and dropout's factors
    int64_t logits = 0;                          ///< (C x target_steps batch), then their gradients
    int64_t d_features = 0;                      ///< (H x target_steps batch)
    int64_t column_order = 0,
            symbol_start = 0;   ///< of one-hot inputs: columns by symbol (int32, steps batch), and where each symbol begins (I + 1)
    int64_t symbol_counts = 0;  ///< of one-hot inputs: (symbol_parts x I) how often each occurs in a part of the columns
    int64_t partial_sums = 0;   ///< (row_sum_parts x most rows of a bias) of row_sums()
    int64_t column_losses = 0;  ///< (target_steps batch) doubles
    int64_t sums = 0;           ///< Team::sum() and Team::count() of doubles and integers
    int64_t memory = 0;         ///< floats of one network
};

/// Lays out a network's memory; everything else of the plan must be there.
inline void lay_out(TrainingPlan& plan) {
    constexpr int64_t unit = 32;  // 128 bytes
    int64_t at = 0;
    const auto take = [&](int64_t count) {
        const int64_t begin = at;
        at += (count + unit - 1) / unit * unit;
        return begin;
    };
    const CellPlan& cell = plan.cell;
    const int64_t columns = int64_t{plan.steps} * plan.batch, targets = int64_t{plan.target_steps} * plan.batch;
    plan.size = cell.parameters + int64_t{plan.classes} * (cell.hidden + (plan.fc_bias ? 1 : 0));
    plan.parameters = take(plan.size);
    plan.gradient = take(plan.size);
    plan.mean = take(plan.adam || plan.momentum > 0 ? plan.size : 0);
    plan.square = take(plan.adam ? plan.size : 0);
    plan.matrices = take(cell.matrices);
    plan.matrix_gradients = take(cell.matrices);
    for (int s = 0; s < cell.stages; ++s) plan.pre[s] = take(int64_t{cell.slots[s]} * cell.hidden * columns);
    plan.states = take(cell.state_size() * (columns + plan.batch));
    plan.delta = take(cell.state_size() * plan.batch);
    plan.delta_old = take(cell.state_size() * plan.batch);
    plan.features = take(cell.hidden * targets);
    plan.factors = take(plan.dropout > 0 ? cell.hidden * targets : 0);
    plan.logits = take(plan.classes * targets);
    plan.d_features = take(cell.hidden * targets);
    plan.column_order = take(plan.one_hot ? columns : 0);
    plan.symbol_start = take(plan.one_hot ? cell.input + 1 : 0);
    plan.symbol_counts = take(plan.one_hot ? symbol_parts * cell.input : 0);
    int64_t rows = plan.classes;
    for (int s = 0; s < cell.stages; ++s) rows = std::max(rows, int64_t{cell.slots[s]} * cell.hidden);
    plan.partial_sums = take(row_sum_parts * rows);
    plan.column_losses = take(2 * targets);
    plan.sums = take(std::max(2 * Team::sum_scratch, Team::count_scratch));
    plan.memory = at;
}

/// One network's part of a launch.
struct TrainingWork {
    float* memory = nullptr;
    const int32_t* order = nullptr;  ///< sequences, batch after batch
    int32_t count = 0;               ///< of them; the last batch may be short
    bool learning = false;           ///< otherwise losses only: no noise, dropout, gradient or update
    int64_t first_update = 0;        ///< updates made before
    uint64_t seed = 0, variant = 0;  ///< of dropout and noise
    double* losses = nullptr;        ///< of each batch: cross-entropies in nats, added up
    int32_t* correct = nullptr;      ///< of each batch: predictions whose likeliest class is the target
    float* probabilities = nullptr;  ///< of the last batch, (C x target_steps batch), or null
    int32_t* finite =
        nullptr;  ///< batches done before a loss or parameter was not finite, that one included, negated; otherwise how many there were
};

}  // namespace aelle::cuda
