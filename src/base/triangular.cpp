#include "aelle/base/triangular.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "aelle/base/vector.hpp"

namespace aelle {
namespace {

/// Tiles of `vectors` by `columns` stay in registers. Tall ones load least, low ones waste least of a triangle.
struct Tile {
    int vectors, columns;
};
template <int Bytes>
inline constexpr Tile tall_tile{Bytes == 64 ? 4 : 2, 4};
inline constexpr Tile low_tile{1, 8};
template <class T, int Bytes>
inline constexpr Tile gram_tile_shape = Bytes != 64      ? Tile{2, 4}
                                        : sizeof(T) == 4 ? Tile{1, 16}
                                                         : Tile{2, 8};

template <class T, int Bytes, int V, int C>
AELLE_BODY void solve_tile(T* x, int64_t ld, int64_t first, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal) {
    using Vec = typename Vector<T, Bytes>::type;
    const int64_t stride = ld / Vector<T, Bytes>::lanes;
    Vec* column = reinterpret_cast<Vec*>(x) + first * stride;
    Vec sum[C][V];
    for (int c = 0; c < C; ++c)
        for (int v = 0; v < V; ++v) sum[c][v] = column[c * stride + v];
    const Vec* done = reinterpret_cast<const Vec*>(x);
    const T* factor = u + first * column_step;
    for (int64_t m = 0; m < first; ++m, done += stride, factor += row_step) {
        for (int c = 0; c < C; ++c) {
            const T f = factor[c * column_step];
            for (int v = 0; v < V; ++v) sum[c][v] -= f * done[v];
        }
    }
    for (int c = 0; c < C; ++c) {
        for (int b = 0; b < c; ++b) {
            const T f = u[(first + b) * row_step + (first + c) * column_step];
            for (int v = 0; v < V; ++v) sum[c][v] -= f * sum[b][v];
        }
        for (int v = 0; v < V; ++v) {
            if (inverse_diagonal != nullptr) sum[c][v] *= inverse_diagonal[first + c];
            column[c * stride + v] = sum[c][v];
        }
    }
}

template <class T, int Bytes, int V, int C>
AELLE_BODY void solve_rows(T* x, int64_t ld, int64_t columns, const T* u, int64_t row_step, int64_t column_step,
                           const T* inverse_diagonal) {
    int64_t j = 0;
    for (; j + C <= columns; j += C) solve_tile<T, Bytes, V, C>(x, ld, j, u, row_step, column_step, inverse_diagonal);
    for (; j < columns; ++j) solve_tile<T, Bytes, V, 1>(x, ld, j, u, row_step, column_step, inverse_diagonal);
}

template <class T, int Bytes, Tile tile>
AELLE_BODY void solve_tiles(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal,
                            bool lower) {
    constexpr int64_t lanes = Vector<T, Bytes>::lanes, rows = tile.vectors * lanes;
    int64_t i = 0;
    const auto columns = [&](int64_t end) { return lower ? std::min(n, end) : n; };  // a row i of a lower triangle ends at column i
    for (; i + rows <= ld; i += rows)
        solve_rows<T, Bytes, tile.vectors, tile.columns>(x + i, ld, columns(i + rows), u, row_step, column_step, inverse_diagonal);
    if constexpr (tile.vectors > 1)
        for (; i < ld; i += lanes)
            solve_rows<T, Bytes, 1, tile.columns>(x + i, ld, columns(i + lanes), u, row_step, column_step, inverse_diagonal);
}

template <class T, int Bytes>
AELLE_BODY void solve_body(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal,
                           bool lower) {
    if (lower) solve_tiles<T, Bytes, low_tile>(x, ld, n, u, row_step, column_step, inverse_diagonal, true);
    else solve_tiles<T, Bytes, tall_tile<Bytes>>(x, ld, n, u, row_step, column_step, inverse_diagonal, false);
}

template <class T, int Bytes, int C>
AELLE_BODY void product_tile(const T* u, const T* l, T* c, int64_t ld, int64_t n, int64_t row, int64_t first) {
    using Vec = typename Vector<T, Bytes>::type;
    Vec sum[C] = {};
    for (int64_t m = std::max(row, first + 1); m < n; ++m) {
        const Vec from = *reinterpret_cast<const Vec*>(u + m * ld + row);
        for (int j = 0; j < C; ++j) sum[j] += l[(first + j) * ld + m] * from;
    }
    for (int j = 0; j < C; ++j) *reinterpret_cast<Vec*>(c + (first + j) * ld + row) = sum[j];
}

template <class T, int Bytes>
AELLE_BODY void product_body(const T* u, const T* l, T* c, int64_t ld, int64_t n) {
    static_assert(low_tile.vectors == 1);
    constexpr int C = low_tile.columns;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    for (int64_t i = 0; i < ld; i += lanes) {
        const int64_t columns = std::min(n, i + lanes);
        int64_t j = 0;
        for (; j + C <= columns; j += C) product_tile<T, Bytes, C>(u, l, c, ld, n, i, j);
        for (; j < columns; ++j) product_tile<T, Bytes, 1>(u, l, c, ld, n, i, j);
    }
}

/// Exchanges the blocks of D lanes beside the diagonal of two rows.
template <int D, class Vec, std::size_t... I>
AELLE_BODY void exchange(Vec& a, Vec& b, std::index_sequence<I...>) {
    constexpr int lanes = static_cast<int>(sizeof...(I));
    const Vec first = __builtin_shufflevector(a, b, ((I & D) != 0 ? lanes + static_cast<int>(I) - D : static_cast<int>(I))...);
    b = __builtin_shufflevector(a, b, ((I & D) != 0 ? lanes + static_cast<int>(I) : static_cast<int>(I) + D)...);
    a = first;
}

/// Transposes a square of as many vectors as they have lanes.
template <int Bytes, int D>
AELLE_BODY void transpose_square(typename Vector<double, Bytes>::type* v) {
    constexpr int lanes = static_cast<int>(Vector<double, Bytes>::lanes);
    if constexpr (D < lanes) {
#pragma GCC unroll 8
        for (int i = 0; i < lanes; ++i)
            if ((i & D) == 0) exchange<D>(v[i], v[i + D], std::make_index_sequence<lanes>{});
        transpose_square<Bytes, 2 * D>(v);
    }
}

/// t (ld_t x rows) = z^T, rounded to T; z (rows x n)
template <class T, int Bytes>
AELLE_BODY void transpose_body(const double* z, int64_t ld_z, int64_t rows, int64_t n, T* t, int64_t ld_t) {
    using Loose = typename Vector<double, Bytes>::unaligned;
    using Rounded = typename Vector<T, Bytes / static_cast<int>(sizeof(double) / sizeof(T))>::type;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes;
    const int64_t whole_rows = rows / lanes * lanes, whole_columns = n / lanes * lanes;
    for (int64_t j = 0; j < whole_columns; j += lanes) {
        for (int64_t i = 0; i < whole_rows; i += lanes) {
            typename Vector<double, Bytes>::type square[lanes];
#pragma GCC unroll 8
            for (int64_t k = 0; k < lanes; ++k) square[k] = *reinterpret_cast<const Loose*>(z + (j + k) * ld_z + i);
            transpose_square<Bytes, 1>(square);
#pragma GCC unroll 8
            for (int64_t k = 0; k < lanes; ++k)
                *reinterpret_cast<Rounded*>(t + (i + k) * ld_t + j) = __builtin_convertvector(square[k], Rounded);
        }
    }
    for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = i < whole_rows ? whole_columns : 0; j < n; ++j) t[i * ld_t + j] = static_cast<T>(z[j * ld_z + i]);
        for (int64_t j = n; j < ld_t; ++j) t[i * ld_t + j] = T(0);
    }
}

template <class T, int Bytes, int V, int C>
AELLE_BODY void gram_tile(const T* t, int64_t ld, int64_t rows, T* g, int64_t row, int64_t first) {
    using Vec = typename Vector<T, Bytes>::type;
    Vec sum[C][V] = {};
    for (int64_t m = 0; m < rows; ++m) {
        const Vec* from = reinterpret_cast<const Vec*>(t + m * ld + row);
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c) {
            const T f = t[m * ld + first + c];
            for (int v = 0; v < V; ++v) sum[c][v] += f * from[v];
        }
    }
    for (int c = 0; c < C; ++c)
        for (int v = 0; v < V; ++v) reinterpret_cast<Vec*>(g + (first + c) * ld + row)[v] = sum[c][v];
}

template <class T, int Bytes, int V, int C>
AELLE_BODY void gram_rows(const T* t, int64_t ld, int64_t rows, T* g, int64_t row, int64_t columns) {
    int64_t j = 0;
    for (; j + C <= columns; j += C) gram_tile<T, Bytes, V, C>(t, ld, rows, g, row, j);
    for (; j < columns; ++j) gram_tile<T, Bytes, V, 1>(t, ld, rows, g, row, j);
}

template <class T, int Bytes>
AELLE_BODY void gram_body(const double* z, int64_t ld_z, int64_t rows, int64_t n, T* g, int64_t ld, T* t) {
    transpose_body<T, Bytes>(z, ld_z, rows, n, t, ld);
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    constexpr int V = gram_tile_shape<T, Bytes>.vectors, C = gram_tile_shape<T, Bytes>.columns;
    int64_t i = 0;
    for (; i + V * lanes <= ld; i += V * lanes) gram_rows<T, Bytes, V, C>(t, ld, rows, g, i, std::min(n, i + V * lanes));
    if constexpr (V > 1)
        for (; i < ld; i += lanes) gram_rows<T, Bytes, 1, C>(t, ld, rows, g, i, std::min(n, i + lanes));
}

/// Rows `first` to `first` + C of R at the vector of columns `at`, but for what they take from one another.
template <class T, int Bytes, int C>
AELLE_BODY void rest_of_rows(const T* g, int64_t ld, int64_t first, int64_t at, typename Vector<T, Bytes>::type* row) {
    using Vec = typename Vector<T, Bytes>::type;
    for (int c = 0; c < C; ++c) row[c] = *reinterpret_cast<const Vec*>(g + (first + c) * ld + at);
    for (int64_t p = 0; p < first; ++p) {
        const Vec above = *reinterpret_cast<const Vec*>(g + p * ld + at);
        for (int c = 0; c < C; ++c) row[c] -= g[p * ld + first + c] * above;
    }
}

/// Rows `first` to `first` + C of R, those before them being there.
template <class T, int Bytes, int C>
AELLE_BODY bool cholesky_rows(T* g, int64_t ld, int64_t n, int64_t first, T smallest, T* inverse_diagonal) {
    using Vec = typename Vector<T, Bytes>::type;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    const int64_t start = first / lanes * lanes;
    static_assert(C == 1 || C <= lanes, "the square on the diagonal must lie in one vector");
    Vec row[C];
    T r[C][C];
    rest_of_rows<T, Bytes, C>(g, ld, first, start, row);
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
        alignas(Bytes) T lane[lanes];
        *reinterpret_cast<Vec*>(lane) = row[c];
#pragma GCC unroll 8
        for (int k = c; k < C; ++k) r[c][k] = lane[first - start + k];
    }
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
        if (!(r[c][c] > smallest)) return false;
        const T inverse = T(1) / std::sqrt(r[c][c]);
        inverse_diagonal[first + c] = inverse;
#pragma GCC unroll 8
        for (int k = c; k < C; ++k) r[c][k] *= inverse;
#pragma GCC unroll 8
        for (int d = c + 1; d < C; ++d)
#pragma GCC unroll 8
            for (int k = d; k < C; ++k) r[d][k] -= r[c][d] * r[c][k];
    }
    for (int64_t at = start; at < n; at += lanes) {
        if (at != start) rest_of_rows<T, Bytes, C>(g, ld, first, at, row);
        for (int c = 0; c < C; ++c) {
            for (int p = 0; p < c; ++p) row[c] -= r[p][c] * row[p];
            row[c] *= inverse_diagonal[first + c];
            *reinterpret_cast<Vec*>(g + (first + c) * ld + at) = row[c];
        }
    }
    return true;
}

template <class T, int Bytes>
AELLE_BODY bool cholesky_body(T* g, int64_t ld, int64_t n, T smallest, T* inverse_diagonal) {
    constexpr auto C = static_cast<int>(std::min<int64_t>(Vector<T, Bytes>::lanes, 8));
    int64_t i = 0;
    for (; i + C <= n; i += C)
        if (!cholesky_rows<T, Bytes, C>(g, ld, n, i, smallest, inverse_diagonal)) return false;
    for (; i < n; ++i)
        if (!cholesky_rows<T, Bytes, 1>(g, ld, n, i, smallest, inverse_diagonal)) return false;
    return true;
}

#define AELLE_WRAP(NAME, BYTES, TARGET)                                                                                             \
    template <class T>                                                                                                              \
    struct NAME {                                                                                                                   \
        TARGET static void solve(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse,  \
                                 bool lower) {                                                                                      \
            solve_body<T, BYTES>(x, ld, n, u, row_step, column_step, inverse, lower);                                               \
        }                                                                                                                           \
        TARGET static void product(const T* u, const T* l, T* c, int64_t ld, int64_t n) { product_body<T, BYTES>(u, l, c, ld, n); } \
        TARGET static bool cholesky(T* g, int64_t ld, int64_t n, T smallest, T* inverse) {                                          \
            return cholesky_body<T, BYTES>(g, ld, n, smallest, inverse);                                                            \
        }                                                                                                                           \
        TARGET static void gram(const double* z, int64_t ld_z, int64_t rows, int64_t n, T* g, int64_t ld, T* t) {                   \
            gram_body<T, BYTES>(z, ld_z, rows, n, g, ld, t);                                                                        \
        }                                                                                                                           \
        static constexpr TriangularFunctions<T> table{solve, product, cholesky, gram};                                              \
    };

AELLE_WRAP(Baseline, 16, )
#if defined(__x86_64__)
AELLE_WRAP(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_WRAP(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_WRAP

template <class T>
const TriangularFunctions<T>& widest() {
    static const TriangularFunctions<T>& chosen = *all_triangular_functions<T>().back();
    return chosen;
}

}  // namespace

template <class T>
std::vector<const TriangularFunctions<T>*> all_triangular_functions() {
    std::vector<const TriangularFunctions<T>*> all{&Baseline<T>::table};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v3")) all.push_back(&Avx2<T>::table);
    if (__builtin_cpu_supports("x86-64-v4")) all.push_back(&Avx512<T>::table);
#endif
    return all;
}

template <class T>
void solve_from_right(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal,
                      bool lower) {
    widest<T>().solve_from_right(x, ld, n, u, row_step, column_step, inverse_diagonal, lower);
}

template <class T>
void lower_part_of_product(const T* u, const T* l, T* c, int64_t ld, int64_t n) {
    widest<T>().lower_part_of_product(u, l, c, ld, n);
}

template <class T>
bool cholesky(T* g, int64_t ld, int64_t n, T smallest, T* inverse_diagonal) {
    return widest<T>().cholesky(g, ld, n, smallest, inverse_diagonal);
}

template <class T>
void gram(const double* z, int64_t ld_z, int64_t rows, int64_t n, T* g, int64_t ld, T* scratch) {
    widest<T>().gram(z, ld_z, rows, n, g, ld, scratch);
}

template std::vector<const TriangularFunctions<float>*> all_triangular_functions();
template std::vector<const TriangularFunctions<double>*> all_triangular_functions();
template void solve_from_right(float*, int64_t, int64_t, const float*, int64_t, int64_t, const float*, bool);
template void solve_from_right(double*, int64_t, int64_t, const double*, int64_t, int64_t, const double*, bool);
template void lower_part_of_product(const float*, const float*, float*, int64_t, int64_t);
template void lower_part_of_product(const double*, const double*, double*, int64_t, int64_t);
template bool cholesky(float*, int64_t, int64_t, float, float*);
template bool cholesky(double*, int64_t, int64_t, double, double*);
template void gram(const double*, int64_t, int64_t, int64_t, float*, int64_t, float*);
template void gram(const double*, int64_t, int64_t, int64_t, double*, int64_t, double*);

}  // namespace aelle
