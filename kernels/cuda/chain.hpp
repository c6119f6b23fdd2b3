#pragma once
/// Lyapunov chains, one block of threads each: trajectory, linearisation, tangent products, QR, sums of logarithms and bounds of rounding, without the
/// host (performance.md 3.2). Double precision, QR at every step, J = P S regrouped as S P as in lyapunov/spectrum.cpp.
///
/// Gated cells: matrices of one source are scaled by their gates' partials as they are read, and multiplied once (performance.md 3, rule 5).

#include <cmath>

#include "aelle/base/dual.hpp"
#include "kernels/cuda/chain_plan.hpp"

namespace aelle::cuda {

template <class Cell>
struct Chains {
    static constexpr int threads = chain_threads, blocks_per_multiprocessor = 2;
    const ChainPlan* plan;
    const ChainWork* work;  ///< of every block
    int32_t first_step, steps;

    AELLE_DEVICE void operator()(const Block& block) const;
};

/// What does not depend on the cell's pointwise function.
class TangentStep {
public:
    AELLE_DEVICE TangentStep(const Block& block, const ChainPlan& plan, const ChainWork& work, const ChainErrorsMemory& errors)
        : block_(block),
          team_(block),
          plan_(plan),
          cell_(plan.cell),
          work_(work),
          memory_(work.memory),
          hidden_(plan.cell.hidden),
          columns_(plan.exponents),
          errors_(team_, errors),
          log_r_(at(plan.log_r)),
          ratios_{reinterpret_cast<float*>(at(plan.ratios)), plan.exponents, plan.exponents, plan.ratios_ld()} {}

    AELLE_DEVICE double* at(int64_t offset) const { return memory_ + offset; }
    AELLE_DEVICE const double* matrix(const TermPlan& term) const {
        return term.matrix >= 0 ? work_.matrices + term.matrix : work_.packed + term.offset;
    }

    /// Pre-activations of a stage: a warp finds one at a time.
    AELLE_PHASE void pre_activations(int stage, int step) const {
        double* a = at(plan_.pre);
        for (int row = block_.warp(); row < cell_.slots[stage] * hidden_; row += block_.warps()) {
            double sum = 0.0;
            for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) {
                const TermPlan& term = cell_.term[n];
                const int local = row - term.slot * hidden_;
                if (local >= 0 && local < term.rows) sum += part_of_sum(term, local, step);
            }
            sum = block_.warp_sum(sum);
            if (block_.lane() == 0) a[row] = sum;
        }
        block_.sync();
    }

    /// Tangents through a stage, those of its written blocks into z. `unsheared`: without what the last stage reads of sheared blocks.
    AELLE_PHASE void propagate(int stage, bool unsheared) const {
        for (int b = 0; b < cell_.blocks; ++b) {
            if (cell_.writer[b] != stage) continue;
            const auto kept = [&](int c, bool found) { return present(stage, c, found) && !(unsheared && found && left_out(stage, c)); };
            block_.each(int64_t{hidden_} * columns_, [&](int64_t e) {
                const int64_t i = e % hidden_, j = e / hidden_;
                double sum = 0.0;
                for (int c = 0; c < cell_.blocks; ++c)
                    if (kept(c, true)) sum += d_s(stage, b, c)[i] * tangents(stage, c, true)(i, j);
                z(b)(i, j) = sum;
            });
            for (int c = 0; c < cell_.blocks; ++c)
                for (const bool found : {false, true})
                    if (kept(c, found)) add_product(stage, b, c, found, tangents(stage, c, found), z(b));
        }
    }

    /// Blocks that no stage writes keep their tangents.
    AELLE_PHASE void keep_unwritten() const {
        for (int b = 0; b < cell_.blocks; ++b) {
            if (cell_.writer[b] >= 0 || !plan_.full) continue;
            block_.each(int64_t{hidden_} * columns_, [&](int64_t e) { z(b)(e % hidden_, e / hidden_) = q(b)(e % hidden_, e / hidden_); });
        }
    }

    /// q is replaced by P q; the squared Frobenius norm of the change.
    AELLE_PHASE double shear(double* reals) const {
        const int last = cell_.stages - 1;
        double squares = 0.0;
        for (int b = 0; b < cell_.blocks; ++b) {
            if (cell_.writer[b] != last) continue;
            block_.each(int64_t{hidden_} * columns_, [&](int64_t e) {
                const int64_t i = e % hidden_, j = e / hidden_;
                double sum = 0.0;
                for (int c = 0; c < cell_.blocks; ++c)
                    if (plan_.sheared(c)) sum += d_s(last, b, c)[i] * q(c)(i, j);
                z(b)(i, j) = sum;
            });
            for (int c = 0; c < cell_.blocks; ++c)
                if (plan_.sheared(c)) add_product(last, b, c, true, q(c), z(b));
            block_.each(int64_t{hidden_} * columns_, [&](int64_t e) {
                const double change = z(b)(e % hidden_, e / hidden_);
                q(b)(e % hidden_, e / hidden_) += change;
                squares += change * change;
            });
        }
        return block_.sum(squares, reals);
    }

protected:
    AELLE_DEVICE double* reals() const { return reinterpret_cast<double*>(block_.shared() + plan_.shared_bytes - 512); }
    AELLE_DEVICE int* integers() const { return reinterpret_cast<int*>(reals()); }

    /// Z becomes Q, into q. False when it is not finite.
    AELLE_PHASE bool factor(View<double> product, bool exact, bool averaged) const {
        const int64_t count = int64_t{plan_.dimension} * columns_;
        View<double> matrix{at(plan_.q), plan_.dimension, columns_, plan_.dimension};
        char* work = reinterpret_cast<char*>(at(plan_.qr_work));
        if (plan_.staged) {
            matrix.data = reinterpret_cast<double*>(block_.shared());
            work = block_.shared() + (count * static_cast<int64_t>(sizeof(double)) + 127) / 128 * 128;
        }
        if (matrix.data != product.data)
            block_.each(count, [&](int64_t e) { matrix.data[e] = product(e % plan_.dimension, e / plan_.dimension); });
        errors_.before(View<const double>{matrix.data, matrix.rows, matrix.cols, matrix.ld});
        if (plan_.staged && plan_.in_registers()) accurate_qr_registers<64, chain_threads>(block_, matrix, log_r_, ratios_, work);
        else accurate_qr<double>(block_, matrix, log_r_, ratios_, work);
        bool good = true;
        block_.each(columns_,
                    [&](int64_t j) { good = good && !(std::isnan(log_r_[j]) || log_r_[j] > std::numeric_limits<double>::max()); });
        if (block_.any(!good, integers())) return false;
        errors_.after(View<const double>{matrix.data, matrix.rows, matrix.cols, matrix.ld}, log_r_, ratios());
        if (plan_.staged) block_.each(count, [&](int64_t e) { at(plan_.q)[e] = matrix.data[e]; });
        errors_.add(log_r_, ratios(), exact, averaged);
        if (averaged) block_.each(columns_, [&](int64_t j) { at(plan_.log_sum)[j] += log_r_[j]; });
        return true;
    }
    AELLE_DEVICE View<const float> ratios() const { return {ratios_.data, ratios_.rows, ratios_.cols, ratios_.ld}; }

    /// Block c of q, (H x K); for tangents of the readout block alone there is no other.
    AELLE_DEVICE View<double> q(int c) const {
        return {at(plan_.q) + (plan_.full ? int64_t{c} * hidden_ : 0), hidden_, columns_, plan_.dimension};
    }
    AELLE_DEVICE View<double> z(int c) const { return {at(plan_.z) + int64_t{c} * hidden_, hidden_, columns_, plan_.state_size()}; }
    AELLE_DEVICE const double* d_s(int stage, int b, int c) const {
        return at(plan_.d_s[stage]) + (int64_t{b} * cell_.blocks + c) * hidden_;
    }

    /// Tangents of block c as the stage finds them, or as they were before the step.
    AELLE_DEVICE View<double> tangents(int stage, int c, bool found) const { return found && written_before(stage, c) ? z(c) : q(c); }
    AELLE_DEVICE bool written_before(int stage, int c) const { return cell_.writer[c] >= 0 && cell_.writer[c] < stage; }
    AELLE_DEVICE bool present(int stage, int c, bool found) const {
        return plan_.full || c == cell_.readout || (found && written_before(stage, c));
    }
    AELLE_DEVICE bool left_out(int stage, int c) const { return stage == cell_.stages - 1 && plan_.sheared(c); }

    AELLE_DEVICE static bool reads(const TermPlan& term, int c, bool found) {
        return term.block == c && term.source == (found ? cells::Source::updated_state : cells::Source::state);
    }

    /// to += E v, E = sum over pre-activations of diag(ds'_b/da) times the matrix by which they read block c.
    AELLE_PHASE void add_product(int stage, int b, int c, bool found, View<double> v, View<double> to) const {
        bool any = false;
        for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) any = any || reads(cell_.term[n], c, found);
        if (!any) return;
        const double* d_a = at(plan_.d_a[stage]) + int64_t{b} * cell_.slots[stage] * hidden_;
        const double* source = at(found ? plan_.next : plan_.state) + int64_t{c} * hidden_;
        auto* panel = reinterpret_cast<double*>(block_.shared());
        product<chain_threads, Along::inner, Along::inner>(
            Team(block_), hidden_, columns_, hidden_, panel,
            [&](int i, int k) {
                double sum = 0.0;
                for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) {
                    const TermPlan& term = cell_.term[n];
                    if (!reads(term, c, found)) continue;
                    const double* w = matrix(term);
                    double scaled = 0.0;
                    for (int r = 0; r < term.rows / hidden_; ++r)
                        scaled += d_a[(term.slot + r) * hidden_ + i] * w[(int64_t{r} * hidden_ + i) * hidden_ + k];
                    sum += term.through == cells::Through::tanh ? scaled * tanh_derivative(source[k]) : scaled;
                }
                return sum;
            },
            [&](int k, int j) { return v(k, j); }, [&](int i, int j, double sum) { to(i, j) += sum; });
    }

    /// The lane's part of what a term adds to a pre-activation.
    AELLE_DEVICE double part_of_sum(const TermPlan& term, int row, int step) const {
        const bool first = block_.lane() == 0;
        if (term.source == cells::Source::factor_noise) return first ? 1.0 : 0.0;  // noise is off
        if (term.source == cells::Source::additive_noise) return 0.0;
        if (term.source == cells::Source::one) return !first ? 0.0 : term.offset >= 0 ? work_.packed[term.offset + row] : term.strength;
        const double* x = work_.inputs + int64_t{step} * cell_.input;
        if (term.reads_state()) x = at(term.source == cells::Source::state ? plan_.state : plan_.next) + int64_t{term.block} * hidden_;
        const double* w = matrix(term) + int64_t{row} * term.columns;
        double sum = 0.0;
        for (int k = block_.lane(); k < term.columns; k += warp_size)
            sum = multiply_add(w[k], term.through == cells::Through::tanh ? std::tanh(x[k]) : x[k], sum);
        return sum;
    }

    const Block& block_;
    const Team team_;
    const ChainPlan& plan_;
    const CellPlan& cell_;
    const ChainWork& work_;
    double* memory_;
    int hidden_, columns_;
    ChainErrors<double> errors_;
    double* log_r_;
    View<float> ratios_;
};

/// One chain.
template <class Cell>
class ChainSteps : public TangentStep {
public:
    static constexpr int blocks = Cell::blocks;

    AELLE_DEVICE ChainSteps(const Block& block, const ChainPlan& plan, const ChainWork& work, const ChainErrorsMemory& errors)
        : TangentStep(block, plan, work, errors), scalars_(scalars_of<Cell>(plan.cell)) {}

    AELLE_DEVICE void start() const {
        errors_.start();
        double* sum = at(plan_.log_sum);
        block_.each(columns_, [&](int64_t j) { sum[j] = 0.0; });
    }

    /// False when the trajectory or a tangent is not finite.
    AELLE_DEVICE bool run(int step) const {
        const bool averaged = step >= plan_.warmup;
        block_.each(plan_.state_size(), [&](int64_t e) { at(plan_.next)[e] = at(plan_.state)[e]; });
        run_stage<0>(step);
        keep_unwritten();
        bool good = true;
        block_.each(plan_.state_size(), [&](int64_t e) { good = good && std::isfinite(at(plan_.next)[e]); });
        if (block_.any(!good, integers())) return false;
        double* from = plan_.full ? at(plan_.z) : z(cell_.readout).data;
        if (!factor({from, plan_.dimension, columns_, plan_.state_size()}, step == 0 && plan_.from_unit_vectors, averaged)) return false;
        const bool end = step + 1 == plan_.warmup || step + 1 == plan_.total;
        if (plan_.shears()) {
            const double squares = shear(reals());
            errors_.disturb(1 + squares / plan_.dimension);
            if (end && !factor({at(plan_.q), plan_.dimension, columns_, plan_.dimension}, false, averaged))
                return false;  // orthonormal again
        }
        block_.each(plan_.state_size(), [&](int64_t e) { at(plan_.state)[e] = at(plan_.next)[e]; });
        return true;
    }

private:
    template <int Stage>
    AELLE_DEVICE void run_stage(int step) const {
        pre_activations(Stage, step);
        constexpr int slots = Cell::slots[Stage];
        using D = Dual<double, slots + blocks>;
        const double* a = at(plan_.pre);
        double* d_a = at(plan_.d_a[Stage]);
        double* d = at(plan_.d_s[Stage]);
        double* state = at(plan_.next);
        block_.each(hidden_, [&](int64_t i) {
            D x[slots + 1], old[blocks], next[blocks];
            for (int k = 0; k < slots; ++k) x[k] = D::variable(a[k * hidden_ + i], k);
            for (int b = 0; b < blocks; ++b) next[b] = old[b] = D::variable(state[b * hidden_ + i], slots + b);
            Cell::template pointwise<Stage, double>(x, old, scalars_, next);
            for (int b = 0; b < blocks; ++b) {
                state[b * hidden_ + i] = next[b].value;
                for (int k = 0; k < slots; ++k) d_a[(b * slots + k) * hidden_ + i] = next[b].d[k];
                for (int c = 0; c < blocks; ++c) d[(b * blocks + c) * hidden_ + i] = next[b].d[slots + c];
            }
        });
        propagate(Stage, plan_.full);
        if constexpr (Stage + 1 < static_cast<int>(Cell::slots.size())) run_stage<Stage + 1>(step);
    }

    typename Cell::Scalars scalars_;
};

template <class Cell>
AELLE_DEVICE void Chains<Cell>::operator()(const Block& block) const {
    const ChainWork mine = work[block.index()];
    if (*mine.finite == 0) return;
    const ChainErrorsMemory errors = plan->errors_of(mine.memory);
    ChainSteps<Cell> chain(block, *plan, mine, errors);
    if (first_step == 0) chain.start();
    for (int step = first_step; step < first_step + steps; ++step) {
        if (chain.run(step)) continue;
        block.sync();
        if (block.thread() == 0) *mine.finite = 0;
        return;
    }
}

}  // namespace aelle::cuda
