#pragma once
/// Sums over the columns of a matrix by a team of blocks: gradients of biases.

#include "kernels/cuda/team.hpp"

namespace aelle::cuda {

inline constexpr int row_sum_parts = 16;

/// store(i, sum over k < columns of d[i + k ld]) for i < rows, in an order that the sizes decide. `partial`: row_sum_parts x rows numbers.
template <class Store>
AELLE_DEVICE void row_sums(const Team& team, int64_t rows, int64_t columns, const float* d, int64_t ld, float* partial,
                           const Store& store) {
    const int64_t strips = (rows + warp_size - 1) / warp_size, length = (columns + row_sum_parts - 1) / row_sum_parts;
    for (int64_t item = team.warp(); item < strips * row_sum_parts; item += team.warps()) {
        const int64_t i = item % strips * warp_size + team.block().lane(), part = item / strips;
        if (i >= rows) continue;
        const int64_t end = (part + 1) * length < columns ? (part + 1) * length : columns;
        float sum = 0.0f;
        for (int64_t k = part * length; k < end; ++k) sum += d[i + k * ld];
        partial[part * rows + i] = sum;
    }
    team.sync();
    team.each(rows, [&](int64_t i) {
        float sum = 0.0f;
        for (int part = 0; part < row_sum_parts; ++part) sum += partial[part * rows + i];
        store(i, sum);
    });
}

}  // namespace aelle::cuda
