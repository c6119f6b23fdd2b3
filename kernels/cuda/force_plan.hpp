#pragma once
/// What the kernels of force.hpp work on: descriptors of networks, where P0 and M lie in memory, and how the host packs them.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "aelle/base/random.hpp"  // AELLE_HOST_DEVICE

namespace aelle::cuda {

inline constexpr int force_chunk = 32;        ///< rows that the lanes of a warp hold at a time
inline constexpr int force_panel = 8;         ///< columns of P that a warp holds at a time
inline constexpr int force_max_rank = 32;     ///< of what is put off
inline constexpr int force_max_units = 1024;  ///< what shared memory holds

AELLE_HOST_DEVICE inline int force_padded(int n) { return (n + force_chunk - 1) / force_chunk * force_chunk; }

/// A square matrix by rows in slices of 32 slots; slot l of a slice holds the entries of one row at start[slice] + l, + 32 and so on. Slices
/// are as long as their longest row, filled up with zeros to a multiple of 4 entries (SELL-C-sigma, sorted over all rows: Kreutzer, Hager,
/// Wellein, Fehske & Bishop, SIAM J. Sci. Comput. 36 (2014)).
struct SlicedRows {
    const int32_t* start = nullptr;    ///< (slices + 1)
    const uint16_t* row = nullptr;     ///< (N) the row that a slot holds
    const uint16_t* column = nullptr;  ///< of each entry; null: entry k is in column k
    const double* value = nullptr;
};

/// What one block trains. Vectors are N long unless noted.
struct ForceNetwork {
    SlicedRows m;
    const double* w_fb = nullptr;
    double *x = nullptr, *z = nullptr, *w_out = nullptr;  ///< z: one number
    double* tiles = nullptr;         ///< P0 as inverse_place says; this and the next three: null where nothing is learned
    double* v = nullptr;             ///< (force_padded(N) x rank), aligned to 16 bytes
    double* c = nullptr;             ///< (rank)
    int32_t* pending = nullptr;      ///< how many columns of v P0 lacks: 0 at first
    const double* target = nullptr;  ///< (steps)
    double* output = nullptr;        ///< (steps) z' before the update of its step
    double dt = 0.1;
    int64_t first_step = 0, learn_every = 0;  ///< 0: nothing is learned, target is not read
    int32_t n = 0, rank = 1, steps = 0;       ///< 1 <= rank <= force_max_rank
};

/// Loops of one network with frozen weights.
struct FrozenNetwork {
    SlicedRows m;
    const double* w_fb = nullptr;
    double *x = nullptr, *z = nullptr;  ///< (N x loops), (loops)
    const double* w_out = nullptr;      ///< (N x loops)
    double* output = nullptr;           ///< (loops x steps), column t at t * ld
    int64_t ld = 0;
    double dt = 0.1;
    int32_t n = 0, loops = 0, steps = 0;
};

/// Chunks of 32 x 8 before panel `panel` of 8 columns: the lower triangle goes by panels, each from the chunk that holds its diagonal downwards.
AELLE_HOST_DEVICE inline int64_t inverse_chunks_before(int n, int panel) {
    constexpr int per_chunk = force_chunk / force_panel;
    const int64_t chunks = force_padded(n) / force_chunk, group = panel / per_chunk;
    return per_chunk * (group * chunks - group * (group - 1) / 2) + panel % per_chunk * (chunks - group);
}
/// Numbers that P0 takes: zero outside the lower triangle and in the padding.
AELLE_HOST_DEVICE inline int64_t inverse_size(int n) {
    return inverse_chunks_before(n, force_padded(n) / force_panel) * force_chunk * force_panel;
}
/// Where element (i, j), i >= j, of P0 lies.
AELLE_HOST_DEVICE inline int64_t inverse_place(int n, int i, int j) {
    const int64_t chunk = inverse_chunks_before(n, j / force_panel) + i / force_chunk - j / force_chunk;
    return (chunk * force_panel + j % force_panel) * force_chunk + i % force_chunk;
}

/// How many loops a block takes: 16 where three such matrices of N rows fit into 227 KB.
inline int frozen_width(int n) { return n <= 576 ? 16 : 8; }

/// M as SlicedRows, on the host.
struct ForceMatrix {
    int n = 0;
    std::vector<int32_t> start;
    std::vector<uint16_t> row, column;
    std::vector<double> value;

    SlicedRows view() const { return {start.data(), row.data(), column.empty() ? nullptr : column.data(), value.data()}; }
    int64_t bytes() const {
        return static_cast<int64_t>(start.size() * sizeof(int32_t) + (row.size() + column.size()) * sizeof(uint16_t) +
                                    value.size() * sizeof(double));
    }
};

/// Matrices with a smaller share of nonzeros than this are stored with the columns of their entries.
inline constexpr double force_sparse_below = 0.5;

/// `row_major` has n * n values. Rows are sorted by their number of nonzeros, so that slices have little to fill; what fills a row points to
/// the unit itself, so that no NaN of another unit comes in by it.
inline ForceMatrix pack_force_matrix(int n, const double* row_major) {
    const auto size = static_cast<std::size_t>(n);
    ForceMatrix made{.n = n, .start = {0}, .row = std::vector<uint16_t>(size), .column = {}, .value = {}};
    std::vector<int> count(size);
    for (int i = 0; i < n; ++i)
        count[i] = n - static_cast<int>(std::count(row_major + int64_t{i} * n, row_major + int64_t{i + 1} * n, 0.0));
    const int64_t nonzeros = std::accumulate(count.begin(), count.end(), int64_t{0});
    const bool dense = static_cast<double>(nonzeros) >= force_sparse_below * static_cast<double>(n) * static_cast<double>(n);
    std::iota(made.row.begin(), made.row.end(), uint16_t{0});
    if (!dense) std::stable_sort(made.row.begin(), made.row.end(), [&](uint16_t a, uint16_t b) { return count[a] > count[b]; });
    for (int first = 0; first < n; first += force_chunk) {
        const int longest = dense ? n : count[made.row[first]], length = (longest + 3) / 4 * 4;
        const std::size_t here = made.value.size(), end = here + static_cast<std::size_t>(length) * force_chunk;
        made.value.resize(end);
        if (!dense) made.column.resize(end);
        made.start.push_back(static_cast<int32_t>(end));
        for (int slot = first; slot < n && slot < first + force_chunk; ++slot) {
            const int i = made.row[slot];
            std::size_t at = here + static_cast<std::size_t>(slot - first);
            for (int j = 0; j < n; ++j) {
                const double value = row_major[int64_t{i} * n + j];
                if (!dense && value == 0.0) continue;
                made.value[at] = value;
                if (!dense) made.column[at] = static_cast<uint16_t>(j);
                at += force_chunk;
            }
            for (; !dense && at < end; at += force_chunk) made.column[at] = static_cast<uint16_t>(i);
        }
    }
    return made;
}

/// P0 from the lower triangle packed by columns; I / alpha where that is empty. `tiles` has room for inverse_size(n).
inline void pack_inverse(int n, std::span<const double> packed, double alpha, double* tiles) {
    std::fill_n(tiles, inverse_size(n), 0.0);
    std::size_t next = 0;
    for (int j = 0; j < n; ++j) {
        if (packed.empty()) tiles[inverse_place(n, j, j)] = 1.0 / alpha;
        for (int i = j; i < n && !packed.empty(); ++i) tiles[inverse_place(n, i, j)] = packed[next++];
    }
}

/// Bytes of device memory of one network in training besides M, targets and outputs: P0, v, c, x, w_out, w_fb, z, the count and the descriptor.
inline int64_t force_bytes(int n, int rank) {
    const int64_t numbers = inverse_size(n) + int64_t{rank} * (force_padded(n) + 1) + 3 * int64_t{n} + 1;
    return numbers * static_cast<int64_t>(sizeof(double)) + static_cast<int64_t>(sizeof(int32_t) + sizeof(ForceNetwork));
}
/// The same of the frozen loops of one network, besides M and outputs.
inline int64_t frozen_bytes(int n, int loops) {
    const int64_t numbers = 2 * int64_t{loops} * n + loops + n;
    return numbers * static_cast<int64_t>(sizeof(double)) + static_cast<int64_t>(sizeof(FrozenNetwork));
}

}  // namespace aelle::cuda
