#pragma once
/// Matrix products by a team of blocks.

#include "kernels/cuda/team.hpp"

namespace aelle::cuda {

/// Along which index neighbouring threads read an operand: the inner one of the product (k) or the outer one (a row of A, a column of B). Memory is read
/// fastest where that index runs over neighbouring addresses.
enum class Along { inner, outer };

/// Numbers of shared memory that `product` needs with so many threads.
constexpr int product_scratch(int threads) { return 16 * (64 + 4) + 16 * (threads / 16 * 8 + 4); }

/// A tile of 64 x (Threads / 16 * Columns) of C, 4 x Columns a thread, from panels of 16 of the inner index.
template <int Threads, int Columns, Along AlongA, Along AlongB, class T, class A, class B, class Store>
AELLE_DEVICE void product_tiles(const Team& team, int m, int n, int k, T* shared, const A& a, const B& b, const Store& store) {
    constexpr int rows = 4, depth = 16, tile_m = 64, tile_n = Threads / 16 * Columns, ld_a = tile_m + 4, ld_b = tile_n + 4;
    const Block& block = team.block();
    int tile = 0;
    T* panel_a = shared;
    T* panel_b = shared + depth * ld_a;
    const int t = block.thread(), row = t % 16 * rows, column = t / 16 * Columns;
    for (int n0 = 0; n0 < n; n0 += tile_n) {
        for (int m0 = 0; m0 < m; m0 += tile_m) {
            if (tile++ % team.size() != team.rank()) continue;
            T sum[rows][Columns] = {};
            const bool useful = m0 + row < m && n0 + column < n;
            for (int k0 = 0; k0 < k; k0 += depth) {
                block.sync();
                for (int e = t; e < depth * tile_m; e += Threads) {
                    const int kk = AlongA == Along::inner ? e % depth : e / tile_m, i = AlongA == Along::inner ? e / depth : e % tile_m;
                    panel_a[kk * ld_a + i] = m0 + i < m && k0 + kk < k ? a(m0 + i, k0 + kk) : T(0);
                }
                for (int e = t; e < depth * tile_n; e += Threads) {
                    const int kk = AlongB == Along::inner ? e % depth : e / tile_n, j = AlongB == Along::inner ? e / depth : e % tile_n;
                    panel_b[kk * ld_b + j] = n0 + j < n && k0 + kk < k ? b(k0 + kk, n0 + j) : T(0);
                }
                block.sync();
                if (!useful) continue;
                AELLE_UNROLL
                for (int kk = 0; kk < depth; ++kk) {
                    T x[rows], y[Columns];
                    AELLE_UNROLL
                    for (int i = 0; i < rows; ++i) x[i] = panel_a[kk * ld_a + row + i];
                    AELLE_UNROLL
                    for (int j = 0; j < Columns; ++j) y[j] = panel_b[kk * ld_b + column + j];
                    AELLE_UNROLL
                    for (int i = 0; i < rows; ++i) {
                        AELLE_UNROLL
                        for (int j = 0; j < Columns; ++j) sum[i][j] = multiply_add(x[i], y[j], sum[i][j]);
                    }
                }
            }
            AELLE_UNROLL
            for (int j = 0; j < Columns; ++j) {
                AELLE_UNROLL
                for (int i = 0; i < rows; ++i)
                    if (m0 + row + i < m && n0 + column + j < n) store(m0 + row + i, n0 + column + j, sum[i][j]);
            }
        }
    }
    team.sync();
}

/// store(i, j, sum over k' < k of a(i, k') b(k', j)) for i < m, j < n, each by one thread and summed in the order of k', so that bits depend on the operands
/// alone. `shared` holds product_scratch(Threads) numbers. Ends with a barrier of the team, and what operands read must have passed one; k may be 0.
template <int Threads, Along AlongA, Along AlongB, class T, class A, class B, class Store>
AELLE_DEVICE void product(const Team& team, int m, int n, int k, T* shared, const A& a, const B& b, const Store& store) {
    if (n > Threads / 16 * 4) product_tiles<Threads, 8, AlongA, AlongB>(team, m, n, k, shared, a, b, store);
    else product_tiles<Threads, 4, AlongA, AlongB>(team, m, n, k, shared, a, b, store);
}

}  // namespace aelle::cuda
