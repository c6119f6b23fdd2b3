#pragma once
/// What lies between the products of a training step by cuBLAS (library_training.hpp): kernels whose blocks share out the units of every network.

#include <cmath>

#include "kernels/cuda/optimiser.hpp"
#include "kernels/cuda/readout.hpp"
#include "kernels/cuda/unit_pass.hpp"

namespace aelle::cuda {

/// Numbers of one network beside those of its TrainingPlan, in floats.
struct LibraryScratch {
    int64_t inputs = 0;   ///< (I x columns), dense also where symbols are read
    int64_t sources = 0;  ///< (H x columns) what a term reads, gathered; or (H x batch) of one step
    int64_t memory = 0;

    explicit LibraryScratch(const TrainingPlan& plan) {
        constexpr int64_t unit = 32;
        const int64_t columns = int64_t{plan.steps} * plan.batch;
        sources = (plan.cell.input * columns + unit - 1) / unit * unit;
        memory = sources + (plan.cell.hidden * columns + unit - 1) / unit * unit;
    }
};

/// Networks in step with each other: the minibatch in work is the same of all.
struct LockStep {
    const TrainingPlan* plan = nullptr;
    SequenceData data;
    const TrainingWork* work = nullptr;
    int32_t* number = nullptr;  ///< of the minibatch, counted on the device so that a captured graph can go through them
    int32_t batch = 0;          ///< its sequences
    float* scratch = nullptr;
    int64_t scratch_apart = 0, sources = 0;  ///< of networks, and where LibraryScratch::sources begins
    int32_t parts = 1;                       ///< blocks of every network

    AELLE_DEVICE int network(const Block& block) const { return block.index() / parts; }
    AELLE_DEVICE const TrainingWork& work_of(const Block& block) const { return work[network(block)]; }
    AELLE_DEVICE NetworkBatch batch_of(const Block& block) const { return {*plan, data, work_of(block), batch, *number}; }
    AELLE_DEVICE float* inputs_of(const Block& block) const { return scratch + network(block) * scratch_apart; }
    AELLE_DEVICE float* sources_of(const Block& block) const { return inputs_of(block) + sources; }
    /// f(i) for the i in [0, count) that are this thread's.
    template <class F>
    AELLE_DEVICE void each(const Block& block, int64_t count, F&& f) const {
        const int64_t apart = int64_t{parts} * block.threads();
        for (int64_t i = int64_t{block.index() % parts} * block.threads() + block.thread(); i < count; i += apart) f(i);
    }
};

struct LibraryKernel {
    static constexpr int threads = 256, blocks_per_multiprocessor = 1;
    LockStep step;
};

/// Before the first minibatch.
struct BeginLockStep : LibraryKernel {
    int64_t networks = 0;
    AELLE_DEVICE void operator()(const Block& block) const {
        block.each(networks, [&](int64_t n) { *step.work[n].finite = 0; });
        if (block.thread() == 0) *step.number = 0;
    }
};

/// (count) the same number.
struct FillNumbers {
    static constexpr int threads = 256, blocks_per_multiprocessor = 1;
    float* to = nullptr;
    int64_t count = 0;
    float value = 0.0f;
    AELLE_DEVICE void operator()(const Block& block) const {
        block.each(count, [&](int64_t i) { to[i] = value; });
    }
};

/// After each one.
struct AdvanceLockStep : LibraryKernel {
    AELLE_DEVICE void operator()(const Block& block) const {
        if (block.thread() == 0) ++*step.number;
    }
};

/// Inputs, effective matrices, pre-activations as far as neither inputs nor states take part, and zeros where something will be added up.
struct StartUpdate : LibraryKernel {
    AELLE_DEVICE void operator()(const Block& block) const {
        const NetworkBatch network = step.batch_of(block);
        const TrainingPlan& plan = network.plan;
        const CellPlan& cell = plan.cell;
        const int64_t hidden = network.hidden(), columns = network.columns();
        float* inputs = step.inputs_of(block);
        step.each(block, cell.input * columns, [&](int64_t e) { inputs[e] = network.input(e % cell.input, e / cell.input); });
        for (int s = 0; s < cell.stages; ++s) {
            const int64_t rows = network.pre_rows(s);
            step.each(block, rows * columns,
                      [&](int64_t e) { *network_pre(network, s, e, rows) = outer_terms(network, s, e % rows, e / rows); });
        }
        for (int n = 0; n < cell.first_term[cell.stages]; ++n) {
            const TermPlan& term = cell.term[n];
            if (term.matrix < 0) continue;
            float* to = network.memory + plan.matrices + term.matrix;
            step.each(block, hidden * hidden,
                      [&](int64_t e) { to[e] = matrix_entry(term, network.hidden(), network.memory + network.plan.parameters, e); });
        }
        const int64_t states = cell.state_size() * plan.batch;
        float* start = network.state(0, 0);
        float* delta = network.memory + plan.delta;
        float* old = network.memory + plan.delta_old;
        step.each(block, states, [&](int64_t e) { start[e] = delta[e] = old[e] = 0.0f; });
        float* gradient = network.memory + plan.gradient;
        step.each(block, plan.size, [&](int64_t e) { gradient[e] = 0.0f; });
    }

private:
    AELLE_DEVICE static float* network_pre(const NetworkBatch& network, int stage, int64_t e, int64_t rows) {
        return network.pre(stage, e / rows) + e % rows;
    }
    /// Of row i of a stage's pre-activations.
    AELLE_DEVICE static float outer_terms(const NetworkBatch& network, int stage, int64_t i, int64_t column) {
        const CellPlan& cell = network.plan.cell;
        float sum = 0.0f;
        for (int n = cell.first_term[stage]; n < cell.first_term[stage + 1]; ++n) {
            const TermPlan& term = cell.term[n];
            if (term.reads_state() || term.source == cells::Source::input) continue;
            const int64_t unit = i - int64_t{term.slot} * network.hidden();
            if (unit >= 0 && unit < term.rows) sum += network.unit_term(term, unit, column);
        }
        return sum;
    }
};

/// What a term reads at steps [first, first + steps), (H x steps batch).
struct GatherSources : LibraryKernel {
    int32_t term = 0, first = 0, steps = 1;
    AELLE_DEVICE void operator()(const Block& block) const {
        const NetworkBatch network = step.batch_of(block);
        const TermPlan& of = network.plan.cell.term[term];
        const int64_t size = network.hidden() * network.batch;
        float* to = step.sources_of(block);
        step.each(block, size * steps,
                  [&](int64_t e) { to[e] = NetworkBatch::through(of)(network.source(of, first + e / size)[e % size]); });
    }
};

template <class Cell, int Stage>
struct ForwardUnits : LibraryKernel {
    int32_t t = 0;
    AELLE_DEVICE void operator()(const Block& block) const {
        const NetworkBatch network = step.batch_of(block);
        const UnitPass<Cell, Stage> units(network);
        step.each(block, network.hidden() * network.batch, [&](int64_t e) { units.forward(t, e); });
    }
};

/// The last stage of a step takes up what the step after it left, and the readout's gradient.
template <class Cell, int Stage>
struct BackwardUnits : LibraryKernel {
    int32_t t = 0;
    AELLE_DEVICE void operator()(const Block& block) const {
        const NetworkBatch network = step.batch_of(block);
        const UnitPass<Cell, Stage> units(network);
        const TrainingPlan& plan = network.plan;
        const int64_t size = network.hidden() * network.batch, stride = network.hidden() * plan.batch;
        float* delta = network.memory + plan.delta;
        float* old = network.memory + plan.delta_old;
        const int target = t - (plan.steps - plan.target_steps);
        const float* seen = target >= 0 ? network.memory + plan.d_features + target * size : nullptr;
        step.each(block, size, [&](int64_t e) {
            if constexpr (Stage + 1 == static_cast<int>(Cell::slots.size())) {
                for (int b = 0; b < Cell::blocks; ++b) {
                    delta[b * stride + e] += old[b * stride + e];
                    old[b * stride + e] = 0.0f;
                }
                if (seen != nullptr) delta[plan.cell.readout * stride + e] += seen[e];
            }
            units.backward(t, e, delta);
        });
    }
};

/// Adds the gathered gradients of tanh(s) to those of s.
struct AddThroughTanh : LibraryKernel {
    int32_t term = 0, t = 0;
    AELLE_DEVICE void operator()(const Block& block) const {
        const NetworkBatch network = step.batch_of(block);
        const TermPlan& of = network.plan.cell.term[term];
        const float* s = network.source(of, t);
        const float* d = step.sources_of(block);
        float* to = network.memory + (of.source == cells::Source::state ? network.plan.delta_old : network.plan.delta) +
                    int64_t{of.block} * network.plan.batch * network.hidden();
        step.each(block, network.hidden() * network.batch, [&](int64_t e) { to[e] += tanh_derivative(s[e]) * d[e]; });
    }
};

/// Readout and loss, and where a network learns the way back to what the readout saw. One block each.
struct ReadoutPass : LibraryKernel {
    static constexpr std::size_t shared_bytes = product_scratch * sizeof(float);
    AELLE_DEVICE void operator()(const Block& block) const {
        const Team team(block);
        const TrainingWork& work = step.work_of(block);
        const bool stopped = *work.finite < 0;
        block.sync();
        if (stopped) return;
        const NetworkBatch network = step.batch_of(block);
        const TrainingPlan& plan = network.plan;
        Readout readout{team, plan, network.memory};
        readout.batch = network.batch;
        const int number = *step.number;
        readout.load(network.state(plan.steps - plan.target_steps + 1, plan.cell.readout), work.learning ? plan.dropout : 0.0, work.seed,
                     work.variant, network.update);
        int correct = 0;
        const double loss = readout.loss(network, work.learning, correct);
        const bool good = !work.learning || std::isfinite(loss);
        if (block.thread() == 0) {
            work.losses[number] = loss;
            work.correct[number] = correct;
            *work.finite = good ? number + 1 : -(number + 1);
        }
        if (work.probabilities != nullptr) readout.copy_probabilities(work.probabilities);
        if (work.learning && good) readout.backward();
    }
};

/// From the gradient of a structured term's effective matrix to those of its parameters. One block each.
struct PullBackMatrix : LibraryKernel {
    int32_t term = 0;
    AELLE_DEVICE void operator()(const Block& block) const {
        float* memory = step.work_of(block).memory;
        const TrainingPlan& plan = *step.plan;
        const TermPlan& of = plan.cell.term[term];
        pull_back(Team(block), of, plan.cell.hidden, memory + plan.parameters, memory + plan.matrix_gradients + of.matrix,
                  memory + plan.gradient);
    }
};

/// The optimiser. One block each.
struct Descend : LibraryKernel {
    AELLE_DEVICE void operator()(const Block& block) const {
        const TrainingWork& work = step.work_of(block);
        const bool stopped = *work.finite < 0;
        block.sync();
        if (stopped) return;
        const int number = *step.number;
        const bool good = descend(Team(block), *step.plan, work.memory, work.first_update + number + 1);
        if (block.thread() == 0 && !good) *work.finite = -(number + 1);
    }
};

}  // namespace aelle::cuda
