#include "aelle/base/triangular.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "aelle/base/vector.hpp"

namespace aelle {
namespace {

/// Tiles of V vectors by C columns stay in registers.
template <int Bytes>
inline constexpr int tile_vectors = Bytes == 64 ? 4 : 2;
inline constexpr int tile_columns = 4;

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

template <class T, int Bytes, int V>
AELLE_BODY void solve_rows(T* x, int64_t ld, int64_t first, int64_t columns, const T* u, int64_t row_step, int64_t column_step,
                           const T* inverse_diagonal) {
    int64_t j = first;
    for (; j + tile_columns <= columns; j += tile_columns)
        solve_tile<T, Bytes, V, tile_columns>(x, ld, j, u, row_step, column_step, inverse_diagonal);
    for (; j < columns; ++j) solve_tile<T, Bytes, V, 1>(x, ld, j, u, row_step, column_step, inverse_diagonal);
}

template <class T, int Bytes>
AELLE_BODY void solve_body(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal,
                           bool lower) {
    constexpr int V = tile_vectors<Bytes>;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    int64_t i = 0;
    const auto columns = [&](int64_t end) { return lower ? std::min(n, end) : n; };  // a row i of a lower triangle ends at column i
    for (; i + V * lanes <= ld; i += V * lanes)
        solve_rows<T, Bytes, V>(x + i, ld, 0, columns(i + V * lanes), u, row_step, column_step, inverse_diagonal);
    for (; i < ld; i += lanes) solve_rows<T, Bytes, 1>(x + i, ld, 0, columns(i + lanes), u, row_step, column_step, inverse_diagonal);
}

template <class T, int Bytes, int V, int C>
AELLE_BODY void product_tile(const T* u, const T* l, T* c, int64_t ld, int64_t n, int64_t row, int64_t first) {
    using Vec = typename Vector<T, Bytes>::type;
    Vec sum[C][V] = {};
    for (int64_t m = std::max(row, first + 1); m < n; ++m) {
        const Vec* from = reinterpret_cast<const Vec*>(u + m * ld + row);
        for (int j = 0; j < C; ++j) {
            const T f = l[(first + j) * ld + m];
            for (int v = 0; v < V; ++v) sum[j][v] += f * from[v];
        }
    }
    for (int j = 0; j < C; ++j)
        for (int v = 0; v < V; ++v) reinterpret_cast<Vec*>(c + (first + j) * ld + row)[v] = sum[j][v];
}

template <class T, int Bytes, int V>
AELLE_BODY void product_rows(const T* u, const T* l, T* c, int64_t ld, int64_t n, int64_t row, int64_t columns) {
    int64_t j = 0;
    for (; j + tile_columns <= columns; j += tile_columns) product_tile<T, Bytes, V, tile_columns>(u, l, c, ld, n, row, j);
    for (; j < columns; ++j) product_tile<T, Bytes, V, 1>(u, l, c, ld, n, row, j);
}

template <class T, int Bytes>
AELLE_BODY void product_body(const T* u, const T* l, T* c, int64_t ld, int64_t n) {
    constexpr int V = tile_vectors<Bytes>;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    int64_t i = 0;
    for (; i + V * lanes <= ld; i += V * lanes) product_rows<T, Bytes, V>(u, l, c, ld, n, i, std::min(n, i + V * lanes));
    for (; i < ld; i += lanes) product_rows<T, Bytes, 1>(u, l, c, ld, n, i, std::min(n, i + lanes));
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

/// t (ld_t x rows) = z^T, z (rows x n)
template <int Bytes>
AELLE_BODY void transpose_body(const double* z, int64_t ld_z, int64_t rows, int64_t n, double* t, int64_t ld_t) {
    using Vec = typename Vector<double, Bytes>::type;
    using Loose = typename Vector<double, Bytes>::unaligned;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes;
    const int64_t whole_rows = rows / lanes * lanes, whole_columns = n / lanes * lanes;
    for (int64_t j = 0; j < whole_columns; j += lanes) {
        for (int64_t i = 0; i < whole_rows; i += lanes) {
            Vec square[lanes];
#pragma GCC unroll 8
            for (int64_t k = 0; k < lanes; ++k) square[k] = *reinterpret_cast<const Loose*>(z + (j + k) * ld_z + i);
            transpose_square<Bytes, 1>(square);
#pragma GCC unroll 8
            for (int64_t k = 0; k < lanes; ++k) *reinterpret_cast<Vec*>(t + (i + k) * ld_t + j) = square[k];
        }
    }
    for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = i < whole_rows ? whole_columns : 0; j < n; ++j) t[i * ld_t + j] = z[j * ld_z + i];
        for (int64_t j = n; j < ld_t; ++j) t[i * ld_t + j] = 0.0;
    }
}

template <int Bytes, int V, int C>
AELLE_BODY void gram_tile(const double* t, int64_t ld, const double* z, int64_t ld_z, int64_t rows, double* g, int64_t row, int64_t first) {
    using Vec = typename Vector<double, Bytes>::type;
    Vec sum[C][V] = {};
    for (int64_t m = 0; m < rows; ++m) {
        const Vec* from = reinterpret_cast<const Vec*>(t + m * ld + row);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) {
            const double f = z[(first + c) * ld_z + m];
            for (int v = 0; v < V; ++v) sum[c][v] += f * from[v];
        }
    }
    for (int c = 0; c < C; ++c)
        for (int v = 0; v < V; ++v) reinterpret_cast<Vec*>(g + (first + c) * ld + row)[v] = sum[c][v];
}

template <int Bytes, int V>
AELLE_BODY void gram_rows(const double* t, int64_t ld, const double* z, int64_t ld_z, int64_t rows, double* g, int64_t row,
                          int64_t columns) {
    constexpr int C = Bytes == 64 ? 8 : 4;
    int64_t j = 0;
    for (; j + C <= columns; j += C) gram_tile<Bytes, V, C>(t, ld, z, ld_z, rows, g, row, j);
    for (; j < columns; ++j) gram_tile<Bytes, V, 1>(t, ld, z, ld_z, rows, g, row, j);
}

template <int Bytes>
AELLE_BODY void gram_body(const double* z, int64_t ld_z, int64_t rows, int64_t n, double* g, int64_t ld, double* t) {
    transpose_body<Bytes>(z, ld_z, rows, n, t, ld);
    constexpr int64_t lanes = Vector<double, Bytes>::lanes, two = 2 * lanes;
    int64_t i = 0;
    for (; i + two <= ld; i += two) gram_rows<Bytes, 2>(t, ld, z, ld_z, rows, g, i, std::min(n, i + two));
    for (; i < ld; i += lanes) gram_rows<Bytes, 1>(t, ld, z, ld_z, rows, g, i, std::min(n, i + lanes));
}

/// row i -= sum over p < count of r(first + p, i) r(first + p, :), from the vector that holds (i, i) on.
template <int Bytes, int Rows>
AELLE_BODY void subtract_rows(double* g, int64_t ld, int64_t n, int64_t first, int64_t i) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes;
    double factor[Rows];
    for (int p = 0; p < Rows; ++p) factor[p] = g[(first + p) * ld + i];
    for (int64_t j = i / lanes * lanes; j < n; j += lanes) {
        Vec value = *reinterpret_cast<Vec*>(g + i * ld + j);
        for (int p = 0; p < Rows; ++p) value -= factor[p] * *reinterpret_cast<const Vec*>(g + (first + p) * ld + j);
        *reinterpret_cast<Vec*>(g + i * ld + j) = value;
    }
}

template <int Bytes>
AELLE_BODY bool cholesky_body(double* g, int64_t ld, int64_t n, double smallest, double* inverse_diagonal) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes;
    constexpr int panel = 8;
    for (int64_t first = 0; first < n; first += panel) {
        const int64_t end = std::min(first + panel, n);
        for (int64_t i = first; i < end; ++i) {
            for (int64_t p = first; p < i; ++p) subtract_rows<Bytes, 1>(g, ld, n, p, i);
            const double pivot = g[i * ld + i];
            if (!(pivot > smallest)) return false;
            const double inverse = 1.0 / std::sqrt(pivot);
            inverse_diagonal[i] = inverse;
            for (int64_t j = i / lanes * lanes; j < n; j += lanes) *reinterpret_cast<Vec*>(g + i * ld + j) *= inverse;
        }
        for (int64_t i = end; i < n; ++i) subtract_rows<Bytes, panel>(g, ld, n, first, i);
    }
    return true;
}

template <class T>
struct Wrapped {
    void (*solve)(T*, int64_t, int64_t, const T*, int64_t, int64_t, const T*, bool);
    void (*product)(const T*, const T*, T*, int64_t, int64_t);
    bool (*cholesky)(double*, int64_t, int64_t, double, double*);
    void (*gram)(const double*, int64_t, int64_t, int64_t, double*, int64_t, double*);
};

#define AELLE_WRAP(NAME, BYTES, TARGET)                                                                                             \
    template <class T>                                                                                                              \
    struct NAME {                                                                                                                   \
        TARGET static void solve(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse,  \
                                 bool lower) {                                                                                      \
            solve_body<T, BYTES>(x, ld, n, u, row_step, column_step, inverse, lower);                                               \
        }                                                                                                                           \
        TARGET static void product(const T* u, const T* l, T* c, int64_t ld, int64_t n) { product_body<T, BYTES>(u, l, c, ld, n); } \
        TARGET static bool cholesky(double* g, int64_t ld, int64_t n, double smallest, double* inverse) {                           \
            return cholesky_body<BYTES>(g, ld, n, smallest, inverse);                                                               \
        }                                                                                                                           \
        TARGET static void gram(const double* z, int64_t ld_z, int64_t rows, int64_t n, double* g, int64_t ld, double* t) {         \
            gram_body<BYTES>(z, ld_z, rows, n, g, ld, t);                                                                           \
        }                                                                                                                           \
        static constexpr Wrapped<T> table{solve, product, cholesky, gram};                                                          \
    };

AELLE_WRAP(Baseline, 16, )
#if defined(__x86_64__)
AELLE_WRAP(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_WRAP(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_WRAP

template <class T>
const Wrapped<T>& wrapped() {
    static const Wrapped<T>& chosen = []() -> const Wrapped<T>& {
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("x86-64-v4")) return Avx512<T>::table;
        if (__builtin_cpu_supports("x86-64-v3")) return Avx2<T>::table;
#endif
        return Baseline<T>::table;
    }();
    return chosen;
}

}  // namespace

template <class T>
void solve_from_right(T* x, int64_t ld, int64_t n, const T* u, int64_t row_step, int64_t column_step, const T* inverse_diagonal,
                      bool lower) {
    wrapped<T>().solve(x, ld, n, u, row_step, column_step, inverse_diagonal, lower);
}

template <class T>
void lower_part_of_product(const T* u, const T* l, T* c, int64_t ld, int64_t n) {
    wrapped<T>().product(u, l, c, ld, n);
}

bool cholesky(double* g, int64_t ld, int64_t n, double smallest, double* inverse_diagonal) {
    return wrapped<double>().cholesky(g, ld, n, smallest, inverse_diagonal);
}

void gram(const double* z, int64_t ld_z, int64_t rows, int64_t n, double* g, int64_t ld, double* scratch) {
    wrapped<double>().gram(z, ld_z, rows, n, g, ld, scratch);
}

template void solve_from_right(float*, int64_t, int64_t, const float*, int64_t, int64_t, const float*, bool);
template void solve_from_right(double*, int64_t, int64_t, const double*, int64_t, int64_t, const double*, bool);
template void lower_part_of_product(const float*, const float*, float*, int64_t, int64_t);
template void lower_part_of_product(const double*, const double*, double*, int64_t, int64_t);

}  // namespace aelle
