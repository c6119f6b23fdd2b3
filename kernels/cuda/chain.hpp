#pragma once
/// Lyapunov chains, one block or a team of blocks each: trajectory, linearisation, tangent products, QR, sums of logarithms and bounds of rounding,
/// without the host (performance.md 3.2, Q3). Double precision, QR at every step, J = P S regrouped as S P as in lyapunov/spectrum.cpp.
///
/// Gated cells: matrices of one source are scaled by their gates' partials and added up, as they are read or in memory, and multiplied once
/// (performance.md 3, rule 5).
///
/// Small chains are factored in shared memory or in registers by one block, which has company on its multiprocessor; large ones in device memory by
/// a team of blocks (qr_team.hpp), each with a multiprocessor of its own. Every number is found by one thread, or in an order that does not know
/// the team, so that no bit depends on its size.

#include <cmath>

#include "aelle/base/dual.hpp"
#include "kernels/cuda/chain_plan.hpp"

namespace aelle::cuda {

template <class Cell, bool Large = false>
struct Chains {
    static constexpr int threads = chain_threads, blocks_per_multiprocessor = Large ? 1 : 2;
    const ChainPlan* plan;
    const ChainWork* work;  ///< of every team
    int32_t first_step, steps;

    AELLE_DEVICE void operator()(const Block& block) const;
};

/// Entries of the matrix by which pre-activations of a stage read a block, each row scaled by what a block of the new state makes of it: sum over
/// slots of diag(ds'_b/da) times their matrices.
struct StepMatrix {
    const ChainPlan& plan;
    const ChainWork& work;
    const double *d_a, *source;  ///< of the new block, by slot; the state that is read
    int first, end;              ///< in plan.part
    int hidden;

    AELLE_DEVICE double operator()(int i, int k) const {
        double x[1];
        fetch(x, i, 0, k);
        return x[0];
    }
    /// Parts one after another, each for all entries at once, so that many loads are on their way together.
    template <int Count>
    AELLE_DEVICE void fetch(double (&x)[Count], int i, int step, int k) const {
        AELLE_UNROLL
        for (int c = 0; c < Count; ++c) x[c] = 0.0;
        if (k >= hidden) return;
        for (int p = first; p < end; ++p) {
            const MatrixPart& part = plan.part[p];
            const double* w = (part.built ? work.matrices : work.packed) + part.offset + k;
            const double* d = d_a + int64_t{part.slot} * hidden;
            const double through = part.tanh ? tanh_derivative(source[k]) : 1.0;
            AELLE_UNROLL
            for (int c = 0; c < Count; ++c) {
                const int row = i + c * step;
                if (row < hidden) x[c] = multiply_add(d[row] * through, w[int64_t{row} * hidden], x[c]);
            }
        }
    }
};

/// What does not depend on the cell's pointwise function.
template <bool Large>
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

    /// Pre-activations of a stage: a warp finds one at a time, neighbours in different blocks.
    AELLE_PHASE void pre_activations(int stage, int step) const {
        double* a = at(plan_.pre);
        for (int row = block_.warp() * team_.size() + team_.rank(); row < cell_.slots[stage] * hidden_; row += team_.warps()) {
            double sum = 0.0;
            for (int n = cell_.first_term[stage]; n < cell_.first_term[stage + 1]; ++n) {
                const TermPlan& term = cell_.term[n];
                const int local = row - term.slot * hidden_;
                if (local >= 0 && local < term.rows) sum += part_of_sum(term, local, step);
            }
            sum = block_.warp_sum(sum);
            if (block_.lane() == 0) a[row] = sum;
        }
        team_.sync();
    }

    /// Tangents through a stage, those of its written blocks into z. `unsheared`: without what the last stage reads of sheared blocks.
    AELLE_PHASE void propagate(int stage, bool unsheared) const {
        for (int b = 0; b < cell_.blocks; ++b) {
            if (cell_.writer[b] != stage) continue;
            Sources from{.stage = stage, .block = b};
            for (int c = 0; c < cell_.blocks; ++c) {
                if (present(stage, c, true) && !(unsheared && left_out(stage, c))) from.found |= 1u << c;
                if (present(stage, c, false)) from.before |= 1u << c;
            }
            combine(from);
        }
    }

    /// Blocks that no stage writes keep their tangents.
    AELLE_PHASE void keep_unwritten() const {
        for (int b = 0; b < cell_.blocks; ++b) {
            if (cell_.writer[b] >= 0 || !plan_.full) continue;
            team_.each(int64_t{hidden_} * columns_, [&](int64_t e) { z(b)(e % hidden_, e / hidden_) = q(b)(e % hidden_, e / hidden_); });
        }
    }

    /// q is replaced by P q; the squared Frobenius norm of the change.
    AELLE_PHASE double shear() const {
        const int last = cell_.stages - 1;
        double squares = 0.0;
        for (int b = 0; b < cell_.blocks; ++b) {
            if (cell_.writer[b] != last) continue;
            Sources from{.stage = last, .block = b, .sheared = true};
            for (int c = 0; c < cell_.blocks; ++c)
                if (plan_.sheared(c)) from.found |= 1u << c;
            combine(from);
            squares += team_.sum(int64_t{hidden_} * columns_, reals(), [&](int64_t e) {
                const double change = z(b)(e % hidden_, e / hidden_);
                q(b)(e % hidden_, e / hidden_) += change;
                return change * change;
            });
        }
        return squares;
    }

protected:
    /// For Team::sum() and Team::count(), which one block need not do in device memory.
    AELLE_DEVICE double* reals() const {
        return Large ? at(plan_.sums) : reinterpret_cast<double*>(block_.shared() + plan_.shared_bytes - chain_scratch);
    }
    static_assert(Team::sum_scratch * sizeof(double) <= chain_scratch);
    AELLE_DEVICE int* integers() const { return reinterpret_cast<int*>(reals()); }

    /// Z becomes Q, into q. False when it is not finite.
    AELLE_PHASE bool factor(View<double> product, bool exact, bool averaged) const {
        View<double> matrix{at(plan_.q), plan_.dimension, columns_, plan_.dimension};
        if constexpr (Large) {
            char* work = reinterpret_cast<char*>(at(plan_.qr_work));
            return factor_in(matrix, product, exact, averaged, [&] {
                if (plan_.by_team) {
                    accurate_qr_team(team_, matrix, log_r_, ratios_, work);
                    return;
                }
                if (team_.rank() == 0) accurate_qr<double>(block_, matrix, log_r_, ratios_, work);
                team_.sync();
            });
        } else {
            char* shared = block_.shared();
            char* work = shared + ChainPlan::whole_lines(8 * int64_t{plan_.dimension} * columns_);
            matrix.data = reinterpret_cast<double*>(shared);
            return factor_in(matrix, product, exact, averaged, [&] {
                if (plan_.in_registers()) accurate_qr_registers<64, chain_threads>(block_, matrix, log_r_, ratios_, work);
                else accurate_qr<double>(block_, matrix, log_r_, ratios_, work);
            });
        }
    }
    /// In `matrix`, where a product is copied to; `factorise` makes Q of it.
    template <class Factorise>
    AELLE_DEVICE bool factor_in(View<double> matrix, View<double> product, bool exact, bool averaged, const Factorise& factorise) const {
        const int64_t count = int64_t{plan_.dimension} * columns_;
        if (matrix.data != product.data)
            team_.each(count, [&](int64_t e) { matrix.data[e] = product(e % plan_.dimension, e / plan_.dimension); });
        errors_.before(View<const double>{matrix.data, matrix.rows, matrix.cols, matrix.ld});
        factorise();
        bool good = true;
        team_.each(columns_, [&](int64_t j) { good = good && !(std::isnan(log_r_[j]) || log_r_[j] > std::numeric_limits<double>::max()); });
        if (team_.any(!good, integers())) return false;
        errors_.after(View<const double>{matrix.data, matrix.rows, matrix.cols, matrix.ld}, log_r_, ratios());
        if constexpr (!Large) team_.each(count, [&](int64_t e) { at(plan_.q)[e] = matrix.data[e]; });
        errors_.add(log_r_, ratios(), exact, averaged);
        if (averaged) team_.each(columns_, [&](int64_t j) { at(plan_.log_sum)[j] += log_r_[j]; });
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

    /// From which blocks, a bit each, tangents of a new block come: as the stage finds them or as they were before the step; those that it finds also
    /// without any matrix.
    struct Sources {
        int stage, block;
        unsigned found = 0, before = 0;
        bool sheared = false;  ///< tangents are those of q, whatever the stage finds
    };
    AELLE_DEVICE View<double> tangents_of(const Sources& from, int c, bool found) const {
        return from.sheared ? q(c) : tangents(from.stage, c, found);
    }

    /// How products end: what comes without matrices is added to the first of a block, the others to what there is.
    struct Finish {
        const TangentStep& step;
        const Sources& from;
        bool first;

        template <int Rows>
        AELLE_DEVICE void share(int i, int j, double (&sum)[Rows][8]) const {
            const int hidden = step.hidden_, columns = step.columns_;
            const View<double> to = step.z(from.block);
            const auto each = [&](const auto& f) {
                AELLE_UNROLL
                for (int c = 0; c < 8; ++c) {
                    AELLE_UNROLL
                    for (int r = 0; r < Rows; ++r)
                        if (i + 8 * r < hidden && j + c / 2 * 8 + c % 2 < columns) f(sum[r][c], r, i + 8 * r, j + c / 2 * 8 + c % 2);
                }
            };
            if (!first) each([&](double& x, int, int row, int column) { x += to(row, column); });
            for (int c = 0; first && c < step.cell_.blocks; ++c) {
                if ((from.found >> c & 1) == 0) continue;
                const View<double> v = step.tangents_of(from, c, true);
                const double* d_s = step.d_s(from.stage, from.block, c);
                double d[Rows];
                AELLE_UNROLL
                for (int r = 0; r < Rows; ++r) d[r] = i + 8 * r < hidden ? d_s[i + 8 * r] : 0.0;
                each([&](double& x, int r, int row, int column) { x = multiply_add(d[r], v(row, column), x); });
            }
            each([&](double x, int, int row, int column) { to(row, column) = x; });
        }
    };

    /// Tangents of a new block, into z.
    AELLE_DEVICE void combine(const Sources& from) const {
        bool first = true;
        for (int c = 0; c < cell_.blocks; ++c) {
            for (const bool found : {false, true}) {
                const int32_t* parts = plan_.first_part + ChainPlan::place_of(from.stage, c, found);
                if (((found ? from.found : from.before) >> c & 1) == 0 || parts[0] == parts[1]) continue;
                add_product(from, c, found, first);
                first = false;
            }
        }
        if (!first) return;
        team_.each(int64_t{hidden_} * columns_, [&](int64_t e) {
            const int64_t i = e % hidden_, j = e / hidden_;
            double sum = 0.0;
            for (int c = 0; c < cell_.blocks; ++c)
                if ((from.found >> c & 1) != 0) sum += d_s(from.stage, from.block, c)[i] * tangents_of(from, c, true)(i, j);
            z(from.block)(i, j) = sum;
        });
    }

    AELLE_DEVICE void add_product(const Sources& from, int c, bool found, bool first) const {
        const int place = ChainPlan::place_of(from.stage, c, found);
        const StepMatrix matrix{.plan = plan_,
                                .work = work_,
                                .d_a = at(plan_.d_a[from.stage]) + int64_t{from.block} * cell_.slots[from.stage] * hidden_,
                                .source = at(found ? plan_.next : plan_.state) + int64_t{c} * hidden_,
                                .first = plan_.first_part[place],
                                .end = plan_.first_part[place + 1],
                                .hidden = hidden_};
        const View<double> v = tangents_of(from, c, found);
        const Finish finish{*this, from, first};
        if (!plan_.forms_matrix()) {
            multiply_scaled(matrix, v, finish);
            return;
        }
        form(matrix);
        if (Large && hidden_ > 64) multiply_formed<2>(v, finish);
        else multiply_formed<1>(v, finish);
    }
    AELLE_PHASE void multiply_scaled(const StepMatrix& matrix, View<double> v, const Finish& finish) const {
        multiply<1>(matrix, v, finish);
    }
    template <int Height>
    AELLE_PHASE void multiply_formed(View<double> v, const Finish& finish) const {
        multiply<Height>(AlongInner{at(plan_.step_matrix), hidden_, hidden_, hidden_}, v, finish);
    }
    template <int Height, class Matrix>
    AELLE_DEVICE void multiply(const Matrix& matrix, View<double> v, const Finish& finish) const {
        product_units<chain_threads, Along::inner, Along::inner, Height>(
            team_, hidden_, columns_, hidden_, reinterpret_cast<double*>(block_.shared()), matrix,
            AlongInner{v.data, static_cast<int>(v.ld), columns_, hidden_}, finish);
    }
    AELLE_PHASE void form(const StepMatrix& matrix) const {
        constexpr int at_once = 4;  // rows
        const int64_t rows = (hidden_ + at_once - 1) / at_once;
        double* e = at(plan_.step_matrix);
        team_.each(rows * hidden_, [&](int64_t item) {
            const int i = static_cast<int>(item / hidden_), k = static_cast<int>(item % hidden_);
            double x[at_once];
            matrix.fetch(x, i, static_cast<int>(rows), k);
            AELLE_UNROLL
            for (int c = 0; c < at_once; ++c)
                if (i + c * rows < hidden_) e[(i + c * rows) * hidden_ + k] = x[c];
        });
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
template <class Cell, bool Large>
class ChainSteps : public TangentStep<Large> {
    using Base = TangentStep<Large>;
    using Base::at, Base::team_, Base::plan_, Base::errors_, Base::hidden_, Base::columns_, Base::z;

public:
    static constexpr int blocks = Cell::blocks;

    AELLE_DEVICE ChainSteps(const Block& block, const ChainPlan& plan, const ChainWork& work, const ChainErrorsMemory& errors)
        : Base(block, plan, work, errors), scalars_(scalars_of<Cell>(plan.cell)) {}

    AELLE_DEVICE void start() const {
        errors_.start();
        double* sum = at(plan_.log_sum);
        team_.each(columns_, [&](int64_t j) { sum[j] = 0.0; });
        const int64_t ld = plan_.ratios_ld(), more = ld - columns_;  // rows that fill up the last four: read with them, and not used
        auto* ratios = reinterpret_cast<float*>(at(plan_.ratios));
        team_.each(more * columns_, [&](int64_t e) { ratios[columns_ + e % more + e / more * ld] = 0.0f; });
    }

    /// False when the trajectory or a tangent is not finite.
    AELLE_DEVICE bool run(int step) const {
        const bool averaged = step >= plan_.warmup;
        team_.each(plan_.state_size(), [&](int64_t e) { at(plan_.next)[e] = at(plan_.state)[e]; });
        run_stage<0>(step);
        this->keep_unwritten();
        bool good = true;
        team_.each(plan_.state_size(), [&](int64_t e) { good = good && std::isfinite(at(plan_.next)[e]); });
        if (team_.any(!good, this->integers())) return false;
        double* from = plan_.full ? at(plan_.z) : z(plan_.cell.readout).data;
        if (!this->factor({from, plan_.dimension, columns_, plan_.state_size()}, step == 0 && plan_.from_unit_vectors, averaged))
            return false;
        const bool end = step + 1 == plan_.warmup || step + 1 == plan_.total;
        if (plan_.shears()) {
            const double squares = this->shear();
            errors_.disturb(1 + squares / plan_.dimension);
            if (end && !this->factor({at(plan_.q), plan_.dimension, columns_, plan_.dimension}, false, averaged))
                return false;  // orthonormal again
        }
        team_.each(plan_.state_size(), [&](int64_t e) { at(plan_.state)[e] = at(plan_.next)[e]; });
        return true;
    }

private:
    template <int Stage>
    AELLE_DEVICE void run_stage(int step) const {
        this->pre_activations(Stage, step);
        constexpr int slots = Cell::slots[Stage];
        using D = Dual<double, slots + blocks>;
        const double* a = at(plan_.pre);
        double* d_a = at(plan_.d_a[Stage]);
        double* d = at(plan_.d_s[Stage]);
        double* state = at(plan_.next);
        team_.each(hidden_, [&](int64_t i) {
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
        this->propagate(Stage, plan_.full);
        if constexpr (Stage + 1 < static_cast<int>(Cell::slots.size())) run_stage<Stage + 1>(step);
    }

    typename Cell::Scalars scalars_;
};

template <class Cell, bool Large>
AELLE_DEVICE void Chains<Cell, Large>::operator()(const Block& block) const {
    const Team team(block);
    const ChainWork mine = work[team.index()];
    if (*mine.finite == 0) return;
    const ChainErrorsMemory errors = plan->errors_of(mine.memory);
    ChainSteps<Cell, Large> chain(block, *plan, mine, errors);
    if (first_step == 0) chain.start();
    for (int step = first_step; step < first_step + steps; ++step) {
        if (chain.run(step)) continue;
        team.sync();
        if (team.thread() == 0) *mine.finite = 0;
        return;
    }
}

}  // namespace aelle::cuda
