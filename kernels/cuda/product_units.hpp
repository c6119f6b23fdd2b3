#pragma once
/// Matrix products of doubles by a team of blocks through the units for matrices (Block::multiply_16x8x8), twice as fast as one by one.
///
/// A block has a tile of C at a time, 64 Height x Threads / 4, and each of its warps 16 Height x 32 of it. Panels of 16 of the inner index go through
/// registers into shared memory, of which there are two, so that the next one is on its way while the units work on this one and a panel costs one
/// barrier. The units take the inner indices 2 t and 2 t + 1 where the instruction has t and t + 4, in both operands, which are then neighbours.
/// Places in a panel are permuted so that neither storing nor reading it makes two lanes wait for one bank.

#include "kernels/cuda/product.hpp"
#include "kernels/cuda/wide.hpp"

namespace aelle::cuda {

/// Numbers of shared memory that `product_units` needs.
constexpr int product_units_scratch(int threads, int height = 1) { return 2 * 16 * (64 * height + threads / 4); }

namespace units_detail {

inline constexpr int depth = 16;

/// Rows of A or columns of B, `Size` of them ("outer" index), for `depth` inner indices.
template <Along along, int Size, int Threads>
struct Panel {
    static constexpr bool inner_first = along == Along::inner;
    static constexpr int numbers = Size * depth, count = numbers / Threads;  ///< count: of a thread
    static_assert(count * Threads == numbers && (inner_first ? Threads % depth : Threads % Size) == 0 && Size % 16 == 0);
    using Values = double[count];

    AELLE_DEVICE static int place(int outer, int inner) {
        return inner_first ? outer * depth + (inner ^ (outer % 2 * 8)) : inner * Size + (outer ^ (inner / 2 % 4 * 4));
    }
    /// Where the numbers of a thread begin and what lies between two of them.
    AELLE_DEVICE static int outer_of(int t) { return inner_first ? t / depth : t % Size; }
    AELLE_DEVICE static int inner_of(int t) { return inner_first ? t % depth : t / Size; }
    static constexpr int outer_step = inner_first ? Threads / depth : 0, inner_step = inner_first ? 0 : Threads / Size;

    /// The thread's numbers of the panel that begins at (first, k0) of an operand of outers x inners; zeros outside.
    template <class Operand>
    AELLE_DEVICE static void fetch(Values& x, int t, int first, int k0, int outers, int inners, const Operand& operand) {
        const int outer = first + outer_of(t), inner = k0 + inner_of(t);
        if constexpr (inner_first && requires { operand.fetch(x, outer, outer_step, inner); }) {
            operand.fetch(x, outer, outer_step, inner);
        } else {
            AELLE_UNROLL
            for (int c = 0; c < count; ++c) {
                const int o = outer + c * outer_step, i = inner + c * inner_step;
                x[c] = o < outers && i < inners ? operand(o, i) : 0.0;
            }
        }
    }
    AELLE_DEVICE static void put(double* panel, int t, const Values& x) {
        double* to = panel + place(outer_of(t), inner_of(t));
        AELLE_UNROLL
        for (int c = 0; c < count; ++c) {
            if constexpr (inner_first) to[c * (outer_step * depth)] = x[c];  // outer_step is even
            else panel[place(outer_of(t), inner_of(t) + c * inner_step)] = x[c];
        }
    }
    /// Entries (outer + 8 Step, inner) and (outer + 8 Step, inner + 1), inner even.
    AELLE_DEVICE static void pair(const double* panel, int outer, int inner, int step, double& first, double& second) {
        const double* from = panel + (inner_first ? place(outer, inner) + 8 * depth * step : place(outer + 8 * step, inner));
        if constexpr (inner_first) {
            const Pair two = load_pair(from);
            first = two.first;
            second = two.second;
        } else {
            first = from[0];
            second = from[Size];
        }
    }
};

/// What a thread has of C: entries (row + 8 r, column + 8 (c / 2) + c % 2) at [r][c].
template <int Height>
using Share = double[2 * Height][8];

template <int Height, class PanelA, class PanelB>
AELLE_DEVICE void multiply(const Block& block, const double* panel_a, const double* panel_b, int row, int column, Share<Height>& sum) {
    const int g = block.lane() / 4, t = block.lane() % 4;
    AELLE_UNROLL
    for (int k = 0; k < depth; k += 8) {
        double a[Height][4], b[4][2];
        AELLE_UNROLL
        for (int r = 0; r < 2 * Height; ++r) PanelA::pair(panel_a, row + g, k + 2 * t, r, a[r / 2][r % 2], a[r / 2][r % 2 + 2]);
        AELLE_UNROLL
        for (int c = 0; c < 4; ++c) PanelB::pair(panel_b, column + g, k + 2 * t, c, b[c][0], b[c][1]);
        AELLE_UNROLL
        for (int c = 0; c < 4; ++c) {
            AELLE_UNROLL
            for (int r = 0; r < Height; ++r) {
                double part[4] = {sum[2 * r][2 * c], sum[2 * r][2 * c + 1], sum[2 * r + 1][2 * c], sum[2 * r + 1][2 * c + 1]};
                block.multiply_16x8x8(part, a[r], b[c]);
                AELLE_UNROLL
                for (int e = 0; e < 4; ++e) sum[2 * r + e / 2][2 * c + e % 2] = part[e];
            }
        }
    }
}

}  // namespace units_detail

/// An operand of product_units() that lies in memory along the inner index: entry (outer, inner) at outer * ld + inner.
struct AlongInner {
    const double* data;
    int ld, outers, inners;

    template <int Count>
    AELLE_DEVICE void fetch(double (&x)[Count], int outer, int step, int inner) const {
        int at = outer * ld + inner;
#if defined(__CUDACC__)
        asm volatile("" : "+r"(at));  // addresses that are kept for the next panel take more registers than there are
#endif
        AELLE_UNROLL
        for (int c = 0; c < Count; ++c) x[c] = outer + c * step < outers && inner < inners ? data[at + c * step * ld] : 0.0;
    }
};

/// As product(), of doubles; the order in which terms are added depends on nothing but k. `shared` holds product_units_scratch(Threads, Height)
/// numbers that no thread reads any more. Operands and results may come many at a time:
///     a.fetch(double (&x)[Count], int i, int step, int k)      x[c] = entry (i + c step, k) or, outside of A, 0; for Along::inner, for B the same
///     store.share(int i, int j, double (&sum)[Rows][8])        sum[r][c] belongs to (i + 8 r, j + 8 (c / 2) + c % 2), which may lie outside of C
template <int Threads, Along AlongA, Along AlongB, int Height = 1, class A, class B, class Store>
AELLE_DEVICE void product_units(const Team& team, int m, int n, int k, double* shared, const A& a, const B& b, const Store& store) {
    constexpr int tile_m = 64 * Height, tile_n = Threads / 4, depth = units_detail::depth;
    using PanelA = units_detail::Panel<AlongA, tile_m, Threads>;
    using PanelB = units_detail::Panel<AlongB, tile_n, Threads>;
    constexpr int size = PanelA::numbers + PanelB::numbers;
    const Block& block = team.block();
    const int t = block.thread(), row = block.warp() % 4 * (16 * Height), column = block.warp() / 4 * 32;
    const auto columns_of_b = [&](auto j, auto inner) { return b(inner, j); };
    const int tiles_m = (m + tile_m - 1) / tile_m, tiles = tiles_m * ((n + tile_n - 1) / tile_n), panels = (k + depth - 1) / depth;
    for (int tile = team.rank(); tile < tiles; tile += team.size()) {
        const int m0 = tile % tiles_m * tile_m, n0 = tile / tiles_m * tile_n;
        const bool useful = m0 + row < m && n0 + column < n;
        typename PanelA::Values next_a;
        typename PanelB::Values next_b;
        units_detail::Share<Height> sum = {};
        const auto fetch = [&](int panel) {
            PanelA::fetch(next_a, t, m0, panel * depth, m, k, a);
            if constexpr (requires { b.fetch(next_b, 0, 0, 0); }) PanelB::fetch(next_b, t, n0, panel * depth, n, k, b);
            else PanelB::fetch(next_b, t, n0, panel * depth, n, k, columns_of_b);
        };
        const auto put = [&](int panel) {
            PanelA::put(shared + panel % 2 * size, t, next_a);
            PanelB::put(shared + panel % 2 * size + PanelA::numbers, t, next_b);
        };
        if (panels > 0) {
            fetch(0);
            put(0);
        }
        block.sync();
        for (int panel = 0; panel < panels; ++panel) {
            const double* now = shared + panel % 2 * size;
            if (panel + 1 < panels) fetch(panel + 1);
            if (useful) units_detail::multiply<Height, PanelA, PanelB>(block, now, now + PanelA::numbers, row, column, sum);
            if (panel + 1 < panels) put(panel + 1);
            block.sync();
        }
        if (!useful) continue;
        const int i = m0 + row + block.lane() / 4, j = n0 + column + block.lane() % 4 * 2;
        if constexpr (requires { store.share(i, j, sum); }) {
            store.share(i, j, sum);
        } else {
            AELLE_UNROLL
            for (int c = 0; c < 8; ++c) {
                AELLE_UNROLL
                for (int r = 0; r < 2 * Height; ++r) {
                    const int at_i = i + 8 * r, at_j = j + c / 2 * 8 + c % 2;
                    if (at_i < m && at_j < n) store(at_i, at_j, sum[r][c]);
                }
            }
        }
    }
    team.sync();
}

}  // namespace aelle::cuda
