#pragma once
/// Training unit by unit, for our kernels (training.hpp) and for those between products of a library (library_kernels.hpp): where a network's numbers of one
/// minibatch lie, and the pointwise function of a cell forwards and backwards.
///
/// Column t * batch + b belongs to step t of sequence b. Element e = i + b * H is unit i of sequence b.

#include <cmath>

#include "aelle/base/dual.hpp"
#include "aelle/base/random_formulas.hpp"
#include "kernels/cuda/block.hpp"
#include "kernels/cuda/training_plan.hpp"

namespace aelle::cuda {

/// The numbers of minibatch `number` of a launch.
struct NetworkBatch {
    const TrainingPlan& plan;
    const SequenceData& data;
    const TrainingWork& work;
    int batch;             ///< its sequences
    const int32_t* order;  ///< which they are
    uint64_t update;       ///< its number since the beginning of training
    float* memory;

    AELLE_DEVICE NetworkBatch(const TrainingPlan& p, const SequenceData& d, const TrainingWork& w, int sequences, int number)
        : plan(p),
          data(d),
          work(w),
          batch(sequences),
          order(w.order + int64_t{number} * p.batch),
          update(static_cast<uint64_t>(w.first_update + number)),
          memory(w.memory) {}

    AELLE_DEVICE int64_t hidden() const { return plan.cell.hidden; }
    AELLE_DEVICE int64_t columns() const { return int64_t{plan.steps} * batch; }
    AELLE_DEVICE int64_t pre_rows(int stage) const { return int64_t{plan.cell.slots[stage]} * hidden(); }
    AELLE_DEVICE float* pre(int stage, int64_t column) const { return memory + plan.pre[stage] + column * pre_rows(stage); }
    /// Block b of the state before step t, (H x batch) with leading dimension H.
    AELLE_DEVICE float* state(int64_t t, int b) const {
        return memory + plan.states + ((t * plan.cell.blocks + b) * plan.batch) * hidden();
    }
    /// Block b as the stage finds it: earlier stages' work is done.
    AELLE_DEVICE const float* found(int stage, int t, int b) const {
        return state(plan.cell.writer[b] >= 0 && plan.cell.writer[b] < stage ? t + 1 : t, b);
    }
    /// A state that a term reads at step t.
    AELLE_DEVICE const float* source(const TermPlan& term, int64_t t) const {
        return state(term.source == cells::Source::updated_state ? t + 1 : t, term.block);
    }
    AELLE_DEVICE const float* matrix(const TermPlan& term) const {
        return term.matrix >= 0 ? memory + plan.matrices + term.matrix : memory + plan.parameters + term.offset;
    }
    AELLE_DEVICE int symbol(int64_t column) const { return data.symbols[sequence(column) * plan.steps + column / batch]; }
    AELLE_DEVICE int64_t sequence(int64_t column) const { return order[column % batch]; }
    /// Feature i of a column.
    AELLE_DEVICE float input(int64_t i, int64_t column) const {
        const int64_t place = sequence(column) * plan.steps + column / batch;
        if (plan.one_hot) return data.symbols[place] == i ? 1.0f : 0.0f;
        return data.values[place * data.features + i];
    }
    /// The features of a column, which are no symbols.
    AELLE_DEVICE const float* inputs(int64_t column) const {
        return data.values + (sequence(column) * plan.steps + column / batch) * data.features;
    }
    /// The class to predict of column j of the last target steps.
    AELLE_DEVICE int target(int64_t j) const { return data.targets[sequence(j) * plan.target_steps + j / batch]; }

    /// A bias or a noise of unit i.
    AELLE_DEVICE float unit_term(const TermPlan& term, int64_t i, int64_t column) const {
        if (!term.noise()) return term.offset >= 0 ? memory[plan.parameters + term.offset + i] : static_cast<float>(term.strength);
        const bool factor = term.source == cells::Source::factor_noise;
        if (!work.learning) return factor ? 1.0f : 0.0f;
        const auto t = static_cast<uint32_t>(column / batch), b = static_cast<uint32_t>(column % batch);
        const auto key = random_formulas::field_key(work.seed, work.variant, Purpose::noise, update, t);
        const auto v = static_cast<float>(term.strength);
        const auto stream = static_cast<uint32_t>(term.noise_index), unit = static_cast<uint32_t>(i);
        if (factor) return 1.0f - v * (1.0f - random_formulas::field_uniform(key, stream, b, unit));
        return v * random_formulas::field_normal(key, stream, b, unit);
    }
    /// What a term makes of a state that it reads.
    struct Through {
        bool tanh;
        AELLE_DEVICE float operator()(float x) const { return tanh ? std::tanh(x) : x; }
    };
    AELLE_DEVICE static Through through(const TermPlan& term) { return {term.through == cells::Through::tanh}; }
};

/// The pointwise function of one stage for the units of one network.
template <class Cell, int Stage>
class UnitPass {
public:
    static constexpr int blocks = Cell::blocks, slots = Cell::slots[Stage];

    AELLE_DEVICE explicit UnitPass(const NetworkBatch& network) : network_(network), scalars_(scalars_of<Cell>(network.plan.cell)) {}

    AELLE_DEVICE void forward(int t, int64_t e) const {
        const float* a = pre(t, e);
        float x[slots + 1], old[blocks], next[blocks];
        for (int k = 0; k < slots; ++k) x[k] = a[k * network_.hidden()];
        for (int b = 0; b < blocks; ++b) next[b] = old[b] = network_.found(Stage, t, b)[e];
        Cell::template pointwise<Stage, float>(x, old, scalars_, next);
        const CellPlan& cell = network_.plan.cell;
        for (int b = 0; b < blocks; ++b)
            if (cell.writer[b] == Stage || (Stage == 0 && cell.writer[b] < 0)) network_.state(t + 1, b)[e] = next[b];
    }

    /// Gradients `delta` (blocks x H x batch) with respect to what the stage wrote become those with respect to what it read; those of
    /// pre-activations take their place.
    AELLE_DEVICE void backward(int t, int64_t e, float* delta) const {
        using D = Dual<float, slots + blocks>;
        float* a = pre(t, e);
        D x[slots + 1], old[blocks], next[blocks];
        const int64_t stride = int64_t{network_.plan.batch} * network_.hidden();
        for (int k = 0; k < slots; ++k) x[k] = D::variable(a[k * network_.hidden()], k);
        for (int b = 0; b < blocks; ++b) next[b] = old[b] = D::variable(network_.found(Stage, t, b)[e], slots + b);
        Cell::template pointwise<Stage, float>(x, old, scalars_, next);
        float d_a[slots + 1] = {}, d_s[blocks] = {};
        for (int b = 0; b < blocks; ++b) {
            const float d = delta[b * stride + e];
            for (int k = 0; k < slots; ++k)
                if (next[b].depends_on(k)) d_a[k] += next[b].d[k] * d;
            for (int c = 0; c < blocks; ++c)
                if (next[b].depends_on(slots + c)) d_s[c] += next[b].d[slots + c] * d;
        }
        for (int k = 0; k < slots; ++k) a[k * network_.hidden()] = d_a[k];
        for (int c = 0; c < blocks; ++c) delta[c * stride + e] = d_s[c];
    }

private:
    AELLE_DEVICE float* pre(int t, int64_t e) const {
        return network_.pre(Stage, int64_t{t} * network_.batch + e / network_.hidden()) + e % network_.hidden();
    }

    const NetworkBatch& network_;
    typename Cell::Scalars scalars_;
};

}  // namespace aelle::cuda
