#pragma once
/// Training of many networks of one cell, a team of blocks each: whole minibatches, forward, loss, backward through time and the optimiser,
/// without the host (performance.md 4.2 and 4.3, T2 and T3). Weights, states and gradients lie in device memory and are read through the caches:
/// teams are as large as it takes, where they can be, for the weights of all networks in flight to stay in L2 (team_size.hpp).
///
/// Column t * batch + b belongs to step t of sequence b. Every number is found by one thread, or in a fixed order by all, so a network's bits depend
/// neither on the networks beside it nor on the size of its team nor on how its batches are cut into launches.

#include <cmath>
#include <limits>

#include "aelle/base/dual.hpp"
#include "kernels/cuda/optimiser.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/readout.hpp"
#include "kernels/cuda/training_plan.hpp"
#include "kernels/cuda/unit_pass.hpp"

namespace aelle::cuda {

inline constexpr int training_threads = 256;

/// Adds to to[i * by_row + j * by_column].
template <class T>
AELLE_DEVICE auto adding_to(T* to, int64_t by_row, int64_t by_column) {
    return ReadThenStore{[=](int i, int j) { return to[i * by_row + j * by_column]; },
                         [=](int i, int j, T sum, T old) { to[i * by_row + j * by_column] = old + sum; }};
}

template <class Cell>
struct Training {
    static constexpr int threads = training_threads, blocks_per_multiprocessor = 2;
    static constexpr std::size_t shared_bytes = product_scratch * sizeof(float);

    const TrainingPlan* plan;
    SequenceData data;
    const TrainingWork* work;  ///< of every team

    AELLE_DEVICE void operator()(const Block& block) const;
};

/// One minibatch of one network: what does not depend on the cell's pointwise function.
class TrainingSteps {
public:
    static constexpr int threads = training_threads;

    AELLE_DEVICE TrainingSteps(const Team& team, const NetworkBatch& network)
        : team_(team),
          network_(network),
          plan_(network.plan),
          cell_(network.plan.cell),
          memory_(network.memory),
          hidden_(network.plan.cell.hidden),
          batch_(network.batch) {}

protected:
    AELLE_DEVICE float* pre(int stage) const { return network_.pre(stage, 0); }
    AELLE_DEVICE int64_t pre_rows(int stage) const { return network_.pre_rows(stage); }
    AELLE_DEVICE float* last_states() const { return network_.state(plan_.steps - plan_.target_steps + 1, cell_.readout); }
    AELLE_DEVICE float* gradient() const { return memory_ + plan_.gradient; }
    /// Effective matrices of structured terms.
    AELLE_PHASE void build_matrices() const {
        for (int n = 0; n < cell_.first_term[cell_.stages]; ++n) {
            const TermPlan& term = cell_.term[n];
            if (term.matrix < 0) continue;
            float* to = memory_ + plan_.matrices + term.matrix;
            team_.each(int64_t{hidden_} * hidden_, [&](int64_t e) { to[e] = matrix_entry(term, hidden_, memory_ + plan_.parameters, e); });
        }
    }

    /// Pre-activations of all steps become what biases and noise say.
    AELLE_PHASE void set_unit_terms(int stage, int64_t columns) const {
        float* a = pre(stage);
        const int64_t ld = pre_rows(stage);
        team_.each(ld * columns, [&](int64_t e) {
            const int64_t i = e % ld, column = e / ld;
            float sum = 0.0f;
            for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) {
                const TermPlan& term = cell_.term[n];
                const int64_t row = i - int64_t{term.slot} * hidden_;
                if (term.reads_state() || term.source == cells::Source::input || row < 0 || row >= term.rows) continue;
                sum += network_.unit_term(term, row, column);
            }
            a[e] = sum;
        });
    }

    /// What lies along the features of a column, a line a column.
    AELLE_DEVICE auto input_lines() const {
        return Lines{[this](int column) { return network_.inputs(column); }, lines(network_.data.values, network_.data.features).aligned};
    }

    /// Terms that read the input, of all steps at once.
    AELLE_PHASE void add_input_term(const TermPlan& term, int stage, int64_t columns) const {
        float* a = pre(stage) + int64_t{term.slot} * hidden_;
        const int64_t ld = pre_rows(stage);
        const float* w = network_.matrix(term);
        const int width = term.columns;
        if (plan_.one_hot) {
            team_.each(term.rows * columns, [&](int64_t e) {
                const int64_t i = e % term.rows, column = e / term.rows;
                a[i + column * ld] += w[i * width + network_.symbol(column)];
            });
            return;
        }
        product<Along::inner, Along::inner>(team_, term.rows, static_cast<int>(columns), width, lines(w, width), input_lines(),
                                            adding_to(a, 1, ld));
    }

    /// Terms that read the state, of one step.
    AELLE_PHASE void add_state_terms(int stage, int t) const {
        const int64_t ld = pre_rows(stage);
        float* a = pre(stage) + int64_t{t} * batch_ * ld;
        for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) {
            const TermPlan& term = cell_.term[n];
            if (!term.reads_state()) continue;
            product<Along::inner, Along::inner>(team_, term.rows, batch_, hidden_, lines(network_.matrix(term), hidden_),
                                                lines(network_.source(term, t), hidden_, NetworkBatch::through(term)),
                                                adding_to(a + int64_t{term.slot} * hidden_, 1, ld));
        }
    }

    /// Gradients with respect to the states that a stage's terms read.
    AELLE_PHASE void pull_states_back(int stage, int t) const {
        const int64_t ld = pre_rows(stage);
        const float* a = pre(stage) + int64_t{t} * batch_ * ld;
        for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) {
            const TermPlan& term = cell_.term[n];
            if (!term.reads_state() || (t == 0 && term.source == cells::Source::state)) continue;
            const float* s = network_.source(term, t);
            const bool tanh = term.through == cells::Through::tanh;
            const int64_t width = hidden_;
            float* to = memory_ + (term.source == cells::Source::state ? plan_.delta_old : plan_.delta) +
                        int64_t{term.block} * plan_.batch * hidden_;
            product<Along::outer, Along::inner>(team_, hidden_, batch_, term.rows, lines(network_.matrix(term), hidden_),
                                                lines(a + term.slot * width, ld),
                                                ReadThenStore{[=](int j, int b) { return to[j + b * width]; },
                                                              [=](int j, int b, float sum, float old) {
                                                                  const int64_t e = j + b * width;
                                                                  to[e] = old + (tanh ? tanh_derivative(s[e]) * sum : sum);
                                                              }});
        }
    }

    AELLE_PHASE void weight_gradients() const {
        float* g = gradient();
        team_.each(cell_.parameters, [&](int64_t e) { g[e] = 0.0f; });
        if (plan_.one_hot) sort_columns();
        for (int s = 0; s < cell_.stages; ++s)
            for (int n = cell_.first_term[s]; n < cell_.first_term[s + 1]; ++n)
                if (cell_.term[n].offset >= 0) add_gradient(cell_.term[n], s);
    }

    AELLE_PHASE void add_gradient(const TermPlan& term, int stage) const {
        const int64_t ld = pre_rows(stage), columns = int64_t{plan_.steps} * batch_;
        const float* d = pre(stage) + int64_t{term.slot} * hidden_;
        float* to = term.matrix >= 0 ? memory_ + plan_.matrix_gradients + term.matrix : gradient() + term.offset;
        const bool fresh = term.matrix >= 0;
        const int width = term.columns;
        const ReadThenStore store{[=](int i, int j) { return fresh ? 0.0f : to[int64_t{i} * width + j]; },
                                  [=](int i, int j, float sum, float old) { to[int64_t{i} * width + j] = fresh ? sum : old + sum; }};
        if (term.source == cells::Source::one) {
            row_sums(team_, term.rows, columns, d, ld, memory_ + plan_.partial_sums, [&](int64_t i, float sum) { to[i] += sum; });
        } else if (term.source == cells::Source::input && plan_.one_hot) {
            const auto* order = reinterpret_cast<const int32_t*>(memory_ + plan_.column_order);
            const auto* start = reinterpret_cast<const int32_t*>(memory_ + plan_.symbol_start);
            team_.each(int64_t{term.rows} * width, [&](int64_t e) {
                const int64_t i = e % term.rows, j = e / term.rows;
                float sum = 0.0f;
                for (int32_t k = start[j]; k < start[j + 1]; ++k) sum += d[i + order[k] * ld];
                to[i * width + j] += sum;
            });
        } else if (term.source == cells::Source::input) {
            product<Along::outer, Along::outer>(team_, term.rows, width, static_cast<int>(columns), lines(d, ld), input_lines(), store);
        } else {
            const float* s = network_.source(term, 0);
            const int64_t step = cell_.state_size() * plan_.batch, sequence = hidden_;
            const int batch = batch_;
            const bool aligned = lines(s, hidden_).aligned && step % 4 == 0;
            product<Along::outer, Along::outer>(
                team_, term.rows, width, static_cast<int>(columns), lines(d, ld),
                Lines{[=](int k) { return s + k / batch * step + k % batch * sequence; }, aligned, NetworkBatch::through(term)}, store);
        }
        if (term.matrix >= 0) pull_back(team_, term, hidden_, memory_ + plan_.parameters, to, gradient());
    }

    /// Columns by symbol, each symbol's in their order: every part of the columns is searched for every symbol at once.
    AELLE_PHASE void sort_columns() const {
        auto* order = reinterpret_cast<int32_t*>(memory_ + plan_.column_order);
        auto* start = reinterpret_cast<int32_t*>(memory_ + plan_.symbol_start);
        auto* counts = reinterpret_cast<int32_t*>(memory_ + plan_.symbol_counts);
        const int64_t inputs = cell_.input;
        const auto columns = static_cast<int32_t>(plan_.steps * batch_), length = (columns + symbol_parts - 1) / symbol_parts;
        const auto search = [&](int64_t item, const auto& found) {
            const auto first = static_cast<int32_t>(item / inputs) * length, end = first + length < columns ? first + length : columns;
            for (int32_t k = first; k < end; ++k)
                if (network_.symbol(k) == item % inputs) found(k);
        };
        team_.each(symbol_parts * inputs, [&](int64_t item) {
            int32_t count = 0;
            search(item, [&](int32_t) { ++count; });
            counts[item] = count;
        });
        team_.each(inputs, [&](int64_t c) {
            int32_t count = 0;
            for (int part = 0; part < symbol_parts; ++part) count += counts[part * inputs + c];
            start[c + 1] = count;
        });
        if (team_.thread() == 0) {
            start[0] = 0;
            for (int c = 0; c < cell_.input; ++c) start[c + 1] += start[c];
        }
        team_.sync();
        team_.each(symbol_parts * inputs, [&](int64_t item) {
            int32_t at = start[item % inputs];
            for (int64_t part = 0; part < item / inputs; ++part) at += counts[part * inputs + item % inputs];
            search(item, [&](int32_t k) { order[at++] = k; });
        });
    }

    const Team& team_;
    const NetworkBatch& network_;
    const TrainingPlan& plan_;
    const CellPlan& cell_;
    float* memory_;
    int hidden_, batch_;
};

/// One minibatch of one network.
template <class Cell>
class TrainingPass : public TrainingSteps {
public:
    static constexpr int blocks = Cell::blocks;

    using TrainingSteps::TrainingSteps;

    /// The minibatch with that number in its launch; false once the network is not finite.
    AELLE_DEVICE bool run(int number) const {
        const TrainingWork& work = network_.work;
        build_matrices();
        forward();
        Readout readout{team_, plan_, memory_};
        readout.batch = batch_;
        readout.load(last_states(), work.learning ? plan_.dropout : 0.0, work.seed, work.variant, network_.update);
        int correct = 0;
        const double loss = readout.loss(network_, work.learning, correct);
        if (team_.thread() == 0) {
            work.losses[number] = loss;
            work.correct[number] = correct;
        }
        if (work.probabilities != nullptr) readout.copy_probabilities(work.probabilities);
        if (!work.learning) return true;
        if (!std::isfinite(loss)) return false;
        readout.backward();
        backward();
        weight_gradients();
        return descend(team_, plan_, memory_, work.first_update + number + 1);
    }

private:
    AELLE_DEVICE void forward() const {
        const int64_t columns = int64_t{plan_.steps} * batch_;
        for (int s = 0; s < cell_.stages; ++s) {
            set_unit_terms(s, columns);
            for (int n = cell_.first_term[s]; n < cell_.first_term[s + 1]; ++n)
                if (cell_.term[n].source == cells::Source::input) add_input_term(cell_.term[n], s, columns);
        }
        for (int b = 0; b < blocks; ++b) {
            float* start = network_.state(0, b);
            team_.each(int64_t{hidden_} * batch_, [&](int64_t e) { start[e] = 0.0f; });
        }
        for (int t = 0; t < plan_.steps; ++t) forward_stage<0>(t);
    }

    template <int Stage>
    AELLE_DEVICE void forward_stage(int t) const {
        add_state_terms(Stage, t);
        const UnitPass<Cell, Stage> units(network_);
        team_.each(int64_t{hidden_} * batch_, [&](int64_t e) { units.forward(t, e); });
        if constexpr (Stage + 1 < static_cast<int>(Cell::slots.size())) forward_stage<Stage + 1>(t);
    }

    AELLE_DEVICE void backward() const {
        const int64_t count = cell_.state_size() * plan_.batch;
        float* delta = memory_ + plan_.delta;
        float* old = memory_ + plan_.delta_old;
        team_.each(count, [&](int64_t e) { delta[e] = old[e] = 0.0f; });
        float* seen = delta + int64_t{cell_.readout} * plan_.batch * hidden_;
        for (int t = plan_.steps - 1; t >= 0; --t) {
            const int target = t - (plan_.steps - plan_.target_steps);
            if (target >= 0) {
                const float* d = memory_ + plan_.d_features + int64_t{target} * batch_ * hidden_;
                team_.each(int64_t{hidden_} * batch_, [&](int64_t e) { seen[e] += d[e]; });
            }
            backward_stage<static_cast<int>(Cell::slots.size()) - 1>(t);
            if (t == 0) break;
            team_.each(count, [&](int64_t e) {
                delta[e] += old[e];
                old[e] = 0.0f;
            });
        }
    }

    template <int Stage>
    AELLE_DEVICE void backward_stage(int t) const {
        const UnitPass<Cell, Stage> units(network_);
        team_.each(int64_t{hidden_} * batch_, [&](int64_t e) { units.backward(t, e, memory_ + plan_.delta); });
        pull_states_back(Stage, t);
        if constexpr (Stage > 0) backward_stage<Stage - 1>(t);
    }
};

template <class Cell>
AELLE_DEVICE void Training<Cell>::operator()(const Block& block) const {
    const Team team(block);
    const TrainingWork mine = work[team.index()];
    const int batches = (mine.count + plan->batch - 1) / plan->batch;
    int done = 0;
    while (done < batches) {
        const int left = mine.count - done * plan->batch;
        const NetworkBatch network(*plan, data, mine, left < plan->batch ? left : plan->batch, done);
        ++done;
        if (TrainingPass<Cell>(team, network).run(done - 1)) continue;
        done = -done;
        break;
    }
    if (team.thread() == 0) *mine.finite = done;
}

}  // namespace aelle::cuda
