#pragma once
/// Panels of 16 columns for the QR factorisation of qr_team.hpp: their reflectors, by all threads of a block, and the compact WY form of those.
///
/// The reflectors of a panel are one product H_0 H_1 ... H_15 = I - V T V', T upper triangular (Schreiber & Van Loan, SIAM J. Sci. Stat. Comput. 10,
/// 1989). Every v is scaled by a power of two to a norm of about 2^300, and T is kept times 2^900: v (|v| ~ 2^300), T (~ 2^300) and products
/// with them then stay in range, also where the entries of a column are graded over as many decades as doubles have. A column that is zero
/// from its pivot on has v = 0 and zeros in T, and the pivot stays where it is.

#include <cmath>

#include "kernels/cuda/qr.hpp"

namespace aelle::cuda::qr_detail {

inline constexpr int panel_columns = 16, panel_square = panel_columns * panel_columns;
inline constexpr int most_panels = 4;      ///< whose reflectors are staged together
inline constexpr int most_stages = 64;     ///< of a factorisation
inline constexpr int panel_threads = 256;  ///< of a block
inline constexpr int panel_warps = panel_threads / warp_size;
inline constexpr int scale_of_v = Format<double>::target;

/// Where 16 x 16 numbers x(i, k) are kept: k in two halves, so that lanes that read neighbouring k of eight i meet in no bank.
AELLE_DEVICE int square_index(int i, int k) { return k / 8 * 128 + i * 8 + k % 8; }

/// A compiler that is told which memory an address is in has faster instructions for it.
template <class T>
AELLE_DEVICE T* in_shared(T* address) {
#if defined(__CUDACC__)
    __builtin_assume(__isShared(address));
#endif
    return address;
}
template <class T>
AELLE_DEVICE T* in_device(T* address) {
#if defined(__CUDACC__)
    __builtin_assume(__isGlobal(address));
#endif
    return address;
}

/// What a block keeps in its shared memory.
struct PanelMemory {
    double* t;         ///< of each staged panel, as an operand: see make_t()
    double* partial;   ///< 16 x 16 of each warp
    double* sums;      ///< 16 x 16 of each group of warps
    double* tau;       ///< of the panel that is factored, for v of norm 1/2 to 1
    double* largest;   ///< of each warp
    int* first;        ///< of each staged panel: the 16 rows, counted from the first staged ones, where its reflectors begin
    int* stage_tile;   ///< by stage: its first panel
    int* stage_pivot;  ///< by stage: its first pivot
    double* v;         ///< staged reflectors, 16 columns of each panel

    static constexpr int numbers = (2 * most_panels + panel_warps) * panel_square + 2 * panel_columns;
    static constexpr int integers = 2 * panel_columns + 2 * most_stages;
    static constexpr std::size_t bytes_before_v = (numbers * sizeof(double) + integers * sizeof(int) + 127) / 128 * 128;

    AELLE_DEVICE explicit PanelMemory(char* shared)
        : t(reinterpret_cast<double*>(in_shared(shared))),
          partial(t + most_panels * panel_square),
          sums(partial + panel_warps * panel_square),
          tau(sums + most_panels * panel_square),
          largest(tau + panel_columns),
          first(reinterpret_cast<int*>(largest + panel_columns)),
          stage_tile(first + 2 * panel_columns),
          stage_pivot(stage_tile + most_stages),
          v(t + bytes_before_v / sizeof(double)) {}
};

/// A panel that earlier reflectors have passed, from the row `base` on, which is a multiple of 16 and not above the first pivot.
struct Panel {
    double* x;      ///< in shared memory; later the reflectors, with zeros above their pivots
    int ld;         ///< of x
    int rows;       ///< from `base` on, a multiple of 16
    int base;       ///< see above
    double* to;     ///< the same place in device memory: there R is left above the pivots and reflectors below
    int64_t to_ld;  ///< of `to`
    int column;     ///< of the matrix
    int width;      ///< columns of the matrix in it; others are zero
    int pivot;      ///< the first one, a row of the matrix
};

/// Rows of a panel, Count to a thread, 256 apart, in registers. at(r, k): of the columns that are not finished yet, or were in this group of four.
template <int Count>
class HeldRows {
public:
    static constexpr int count = Count;
    AELLE_DEVICE HeldRows(const Panel& panel, int thread) {
        const double* x = in_shared(panel.x);
        AELLE_UNROLL
        for (int r = 0; r < Count; ++r) {
            const int i = thread + r * panel_threads;
            AELLE_UNROLL
            for (int k = 0; k < panel_columns; ++k) x_[r][k] = i < panel.rows ? x[k * panel.ld + i] : 0.0;
        }
    }
    AELLE_DEVICE double& at(int r, int k) { return x_[r][k]; }
    AELLE_DEVICE void next_group() {
        AELLE_UNROLL
        for (int r = 0; r < Count; ++r) {
            AELLE_UNROLL
            for (int k = 0; k < panel_columns; ++k) x_[r][k] = k + 4 < panel_columns ? x_[r][k + 4] : 0.0;
        }
    }

private:
    double x_[Count][panel_columns];
};

/// The same where they are: for more rows than registers hold.
template <int Count>
class RowsInPlace {
public:
    static constexpr int count = Count;
    AELLE_DEVICE RowsInPlace(const Panel& panel, int thread) : x_(in_shared(panel.x) + thread), ld_(panel.ld) {}
    AELLE_DEVICE double& at(int r, int k) { return x_[k * ld_ + r * panel_threads]; }
    AELLE_DEVICE void next_group() { x_ += 4 * ld_; }

private:
    double* x_;
    int ld_;
};

/// Householder reflections of a panel, a thread its rows. One pass over the panel applies a reflector and takes the products of the next
/// column with all after it, itself among them; with x = alpha e + rest and v = x + sign(alpha) ||x|| e they give v . y = x . y +
/// sign(alpha) ||x|| y_pivot, two terms of v . y that do not cancel. So there is one reduction, and one barrier, for each column.
template <class Rows>
class PanelFactor {
public:
    AELLE_DEVICE PanelFactor(const Block& block, const Panel& panel, const Work<double>& work)
        : block_(block),
          memory_(block.shared()),
          panel_(panel),
          work_(work),
          rows_(panel, block.thread()),
          end_(panel.rows),
          pivot_(panel.pivot - panel.base) {}

    /// The pivot after those of the panel.
    AELLE_DEVICE int run() {
        if (block_.thread() < panel_columns) memory_.tau[block_.thread()] = 0.0;
        products<0>();
        for (group_ = 0; 4 * group_ < panel_.width; ++group_) {
            step<0>();
            step<1>();
            step<2>();
            step<3>();
            rows_.next_group();
            AELLE_UNROLL
            for (int k = 0; k < panel_columns; ++k) sum_[k] = k + 4 < panel_columns ? sum_[k + 4] : 0.0;
        }
        return panel_.base + pivot_;
    }

private:
    AELLE_DEVICE int row(int r) const { return block_.thread() + r * panel_threads; }
    /// Whether columns 4 c to 4 c + 3, counted from the group, are there.
    AELLE_DEVICE bool chunk(int c) const { return c < 4 - group_; }

    /// This thread's part of the products of column J with those from J on.
    template <int J>
    AELLE_DEVICE void products() {
        AELLE_UNROLL
        for (int k = 0; k < panel_columns; ++k) sum_[k] = 0.0;
        AELLE_UNROLL
        for (int r = 0; r < Rows::count; ++r) {
            if (row(r) < pivot_ || row(r) >= end_) continue;
            const double x = rows_.at(r, J);
            AELLE_UNROLL
            for (int c = 0; c < 4; ++c) {
                if (!chunk(c)) continue;
                AELLE_UNROLL
                for (int k = 4 * c; k < 4 * c + 4; ++k)
                    if (k >= J) sum_[k] = multiply_add(x, rows_.at(r, k), sum_[k]);
            }
        }
    }

    /// Half of the sums to the other lane of each pair, half of its ones from there.
    template <int Half>
    AELLE_DEVICE void fold() {
        const bool upper = (block_.lane() & 2 * Half) != 0;
        AELLE_UNROLL
        for (int k = 0; k < Half; ++k) {
            const double low = sum_[k], high = sum_[k + Half];
            sum_[k] = (upper ? high : low) + block_.shuffle_xor(upper ? low : high, 2 * Half);
        }
    }

    /// Sums over all threads, after which those of each are gone: lanes k and k + 16 of every warp get that of column k and the column's
    /// entry at the pivot.
    AELLE_DEVICE Pair sums() {
        const int lane = block_.lane();
        double* of_warp = memory_.partial + turn_ * panel_warps * panel_columns;
        double* of_pivot = memory_.partial + (2 * panel_warps + turn_) * panel_columns;
        turn_ ^= 1;  // what slower warps still read is left alone until the next barrier
        fold<8>();
        fold<4>();
        fold<2>();
        fold<1>();
        sum_[0] += block_.shuffle_xor(sum_[0], 1);
        if (lane % 2 == 0) of_warp[block_.warp() * panel_columns + lane / 2] = sum_[0];
        AELLE_UNROLL
        for (int r = 0; r < Rows::count; ++r) {
            if (row(r) != pivot_) continue;
            AELLE_UNROLL
            for (int k = 0; k < panel_columns; ++k)
                if (chunk(k / 4)) of_pivot[k] = rows_.at(r, k);
        }
        block_.sync();
        const int k = lane % panel_columns;
        double total = 0.0;
        AELLE_UNROLL
        for (int w = 0; w < panel_warps; ++w) total += of_warp[w * panel_columns + k];
        return {total, of_pivot[k]};
    }

    /// Column J from the pivot on, far below the largest of the whole column, scaled to where squares are in range. False where it is zero.
    template <int J>
    AELLE_DEVICE bool raise(int& exponent) {
        double largest = 0.0;
        AELLE_UNROLL
        for (int r = 0; r < Rows::count; ++r)
            if (row(r) >= pivot_ && row(r) < end_) largest = std::fmax(largest, std::fabs(rows_.at(r, J)));
        largest = block_.warp_max(largest);
        block_.sync();
        if (block_.lane() == 0) memory_.largest[block_.warp()] = largest;
        block_.sync();
        for (int w = 0; w < panel_warps; ++w) largest = std::fmax(largest, memory_.largest[w]);
        if (largest == 0.0) return false;
        exponent = Format<double>::target - exponent_of(largest);
        const PowerOfTwo<double> scale(exponent);
        AELLE_UNROLL
        for (int r = 0; r < Rows::count; ++r)
            if (row(r) >= pivot_ && row(r) < end_) rows_.at(r, J) = scale(rows_.at(r, J));
        products<J>();
        return true;
    }

    /// Column J of the group: its reflector, for all columns after it.
    template <int J>
    AELLE_DEVICE void step() {
        const int j = 4 * group_ + J;
        if (j >= panel_.width) return;
        int exponent = 0;
        bool some = true;
        Pair mine{};
        double square = 0.0;
        for (bool raised = false; some; raised = true) {
            mine = sums();
            square = block_.shuffle(mine.first, J);
            if (square >= 1.0 || raised) break;
            some = raise<J>(exponent);
        }
        const double alpha = block_.shuffle(mine.second, J), norm = some ? std::sqrt(square) : 1.0, beta = std::copysign(norm, alpha);
        const double tau = some ? 1.0 / (norm * (norm + std::fabs(alpha))) : 0.0;
        double* weight = memory_.partial + (2 * panel_warps + 2 + block_.warp()) * panel_columns;
        if (block_.lane() < panel_columns) weight[block_.lane()] = some ? -tau * multiply_add(beta, mine.second, mine.first) : 0.0;
        block_.sync_warp();
        const int shift = exponent_of(norm);
        if (block_.thread() == 0) record(j, some, beta, tau, shift, exponent);
        reflect<J>(some, alpha + beta, weight);
        store<J>(j, some, power_of_two<double>(scale_of_v - shift));
        if (some) ++pivot_;
    }

    AELLE_DEVICE void record(int j, bool some, double beta, double tau, int shift, int exponent) const {
        const int column = panel_.column + j, pivot = panel_.base + pivot_;
        work_.r[column] = some ? -beta : 0.0;
        work_.r_exponent[column] = some ? -(work_.exponent[column] + exponent) : 0;
        work_.slot_of[column] = some ? pivot : -1;
        if (some) work_.column_of[pivot] = column;
        memory_.tau[j] = tau * power_of_two<double>(2 * shift);
    }

    /// Columns after J, and their products with the next of them.
    template <int J>
    AELLE_DEVICE void reflect(bool some, double at_pivot, const double* weight) {
        const int next_pivot = pivot_ + (some ? 1 : 0);
        const bool next_there = J + 1 < 4 || chunk(1);
        double v[Rows::count], next[Rows::count];
        AELLE_UNROLL
        for (int r = 0; r < Rows::count; ++r) {
            v[r] = next[r] = 0.0;
            if (row(r) < pivot_ || row(r) >= end_) continue;
            if (some && row(r) == pivot_) rows_.at(r, J) = at_pivot;
            v[r] = rows_.at(r, J);
            if (!next_there) continue;
            rows_.at(r, J + 1) = multiply_add(weight[J + 1], v[r], rows_.at(r, J + 1));
            next[r] = row(r) >= next_pivot ? rows_.at(r, J + 1) : 0.0;
        }
        AELLE_UNROLL
        for (int c = 0; c < 4; ++c) {
            if (!chunk(c)) continue;
            AELLE_UNROLL
            for (int k = 4 * c; k < 4 * c + 4; ++k) {
                sum_[k] = 0.0;
                if (k <= J) continue;
                const double w = weight[k];
                AELLE_UNROLL
                for (int r = 0; r < Rows::count; ++r) {
                    if (row(r) < pivot_ || row(r) >= end_) continue;
                    if (k > J + 1) rows_.at(r, k) = multiply_add(w, v[r], rows_.at(r, k));
                    sum_[k] = multiply_add(next[r], rows_.at(r, k), sum_[k]);
                }
            }
        }
    }

    /// Column J, which is finished.
    template <int J>
    AELLE_DEVICE void store(int j, bool some, double scale) {
        double* staged = in_shared(panel_.x) + j * panel_.ld;
        double* to = in_device(panel_.to) + j * panel_.to_ld;
        AELLE_UNROLL
        for (int r = 0; r < Rows::count; ++r) {
            const int i = row(r);
            if (i >= end_) continue;
            const double x = rows_.at(r, J);
            const double v = some && i >= pivot_ ? x * scale : 0.0;
            staged[i] = v;
            to[i] = i < pivot_ ? x : v;
        }
    }

    const Block& block_;
    PanelMemory memory_;
    const Panel& panel_;
    const Work<double>& work_;
    Rows rows_;
    double sum_[panel_columns] = {};
    int end_;    ///< of rows, from the panel's base on
    int pivot_;  ///< from the panel's base on
    int group_ = 0, turn_ = 0;
};

template <class Rows>
AELLE_PHASE int factor_panel_rows(const Block& block, const Panel& panel, const Work<double>& work) {
    return PanelFactor<Rows>(block, panel, work).run();
}
/// By all threads of a block; ends with a barrier.
AELLE_DEVICE int factor_panel(const Block& block, const Panel& panel, const Work<double>& work) {
    int pivot = 0;
    if (panel.rows <= panel_threads) pivot = factor_panel_rows<HeldRows<1>>(block, panel, work);
    else if (panel.rows <= 2 * panel_threads) pivot = factor_panel_rows<HeldRows<2>>(block, panel, work);
    else pivot = factor_panel_rows<RowsInPlace<4>>(block, panel, work);
    block.sync();
    return pivot;
}

/// A 16 x 8 result of each of two products, as multiply_16x8x8 leaves it, to 16 x 16 numbers x(i, k).
AELLE_DEVICE void store_square(const Block& block, const double (&c)[2][4], double* to) {
    const int g = block.lane() / 4, t = block.lane() % 4;
    AELLE_UNROLL
    for (int half = 0; half < 2; ++half) {
        store_pair(to + square_index(g, 8 * half + 2 * t), c[half][0], c[half][1]);
        store_pair(to + square_index(g + 8, 8 * half + 2 * t), c[half][2], c[half][3]);
    }
}

/// T of the panel that was factored last, from its reflectors x and memory.tau: to t[square_index(b, a)] = T_ab 2^900, which is what a
/// product with T from the right reads, and to transposed[square_index(a, b)] for one with T'. By all threads of a block; ends with a
/// barrier.
AELLE_PHASE void make_t(const Block& block, const Panel& panel, double* t, double* transposed) {
    const PanelMemory memory(block.shared());
    const int lane = block.lane();
    double products[2][4] = {};
    for (int i = block.warp() * 16; i < panel.rows; i += panel_warps * 16) {
        const double* at = in_shared(panel.x) + lane / 4 * panel.ld + i + lane % 4 * 4;
        const Pair a = load_pair(at), b = load_pair(at + 2), c = load_pair(at + 8 * panel.ld), d = load_pair(at + 8 * panel.ld + 2);
        block.multiply_16x8x8(products[0], {a.first, c.first, b.first, d.first}, {a.first, b.first});
        block.multiply_16x8x8(products[1], {a.first, c.first, b.first, d.first}, {c.first, d.first});
        block.multiply_16x8x8(products[0], {a.second, c.second, b.second, d.second}, {a.second, b.second});
        block.multiply_16x8x8(products[1], {a.second, c.second, b.second, d.second}, {c.second, d.second});
    }
    store_square(block, products, memory.partial + block.warp() * panel_square);
    block.sync();
    const double up = power_of_two<double>(scale_of_v), down = power_of_two<double>(-scale_of_v);
    double gram = 0.0;
    for (int w = 0; w < panel_warps; ++w) gram += memory.partial[w * panel_square + block.thread()];
    memory.sums[block.thread()] = gram * down;
    block.sync();
    if (block.thread() < panel_columns) {  // a row of T each
        double sum[panel_columns] = {};
        AELLE_UNROLL
        for (int a = 0; a < panel_columns; ++a) {
            const double tau = memory.tau[a], value = lane == a ? tau * up : lane < a ? -(tau * down) * sum[a] : 0.0;
            t[square_index(a, lane)] = value;
            transposed[square_index(lane, a)] = value;
            AELLE_UNROLL
            for (int b = a + 1; b < panel_columns; ++b) sum[b] = multiply_add(value, memory.sums[square_index(b, a)], sum[b]);
        }
    }
    block.sync();
}

}  // namespace aelle::cuda::qr_detail
