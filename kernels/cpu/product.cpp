#include "kernels/cpu/product.hpp"

#include <algorithm>
#include <cstring>

#include "aelle/base/vector.hpp"
#include "kernels/cpu/blas.hpp"

namespace aelle::cpu {
namespace {

/// The factors and the sum, moved to the tile at hand.
template <class T>
struct Operands {
    const T* a;
    int64_t lda;
    const T* b;
    int64_t row_step, column_step;
    T* c;
    int64_t ldc;

    AELLE_BODY Operands at(int64_t row, int64_t column) const {
        return {a + row, lda, b + column * column_step, row_step, column_step, c + row + column * ldc, ldc};
    }
};

/// V registers of rows, the last of which has `last` of its lanes, by C columns.
template <class T, int Bytes, int V, int C>
AELLE_BODY void product_tile(const Operands<T>& of, int64_t k, int64_t last, bool add) {
    using Vec = typename Vector<T, Bytes>::type;
    using Loose = typename Vector<T, Bytes>::unaligned;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    Vec sum[C][V] = {};
    // What lies beyond a column's end is the next column, whose sums are dropped; beyond the last one there may be nothing.
    const int64_t whole = last == lanes ? k : k - 1;
    const T* a = of.a;
    const T* b = of.b;
    for (int64_t p = 0; p < whole; ++p, a += of.lda, b += of.row_step) {
        for (int c = 0; c < C; ++c) {
            const T factor = b[c * of.column_step];
            for (int v = 0; v < V; ++v) sum[c][v] += factor * reinterpret_cast<const Loose*>(a)[v];
        }
    }
    const auto tail = static_cast<std::size_t>(last) * sizeof(T);
    if (whole < k) {
        Vec end{};
        std::memcpy(&end, a + (V - 1) * lanes, tail);
        for (int c = 0; c < C; ++c) {
            const T factor = b[c * of.column_step];
            for (int v = 0; v + 1 < V; ++v) sum[c][v] += factor * reinterpret_cast<const Loose*>(a)[v];
            sum[c][V - 1] += factor * end;
        }
    }
    for (int c = 0; c < C; ++c) {
        T* to = of.c + c * of.ldc;
        for (int v = 0; v < V; ++v) {
            if (v + 1 == V && last != lanes) {
                Vec end{};
                if (add) std::memcpy(&end, to + v * lanes, tail);
                end += sum[c][v];
                std::memcpy(to + v * lanes, &end, tail);
            } else {
                Loose& at = reinterpret_cast<Loose*>(to)[v];
                at = add ? at + sum[c][v] : sum[c][v];
            }
        }
    }
}

template <class T, int Bytes, int V>
AELLE_BODY void product_strip(const Operands<T>& of, int64_t n, int64_t k, int64_t last, bool add) {
    constexpr int C = Bytes == 16 ? 4 : 6;
    int64_t j = 0;
    for (; j + C <= n; j += C) product_tile<T, Bytes, V, C>(of.at(0, j), k, last, add);
    for (; j + 2 <= n; j += 2) product_tile<T, Bytes, V, 2>(of.at(0, j), k, last, add);
    if (j < n) product_tile<T, Bytes, V, 1>(of.at(0, j), k, last, add);
}

template <class T, int Bytes>
AELLE_BODY void product_body(int64_t m, int64_t n, int64_t k, Operands<T> of, bool add) {
    constexpr int V = Bytes == 64 ? 4 : 2;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    for (int64_t first = 0; first < k; first += product_depth) {
        const int64_t depth = std::min(product_depth, k - first);
        int64_t i = 0;
        for (; i + V * lanes <= m; i += V * lanes) product_strip<T, Bytes, V>(of.at(i, 0), n, depth, lanes, add);
        const int64_t left = m - i, vectors = (left + lanes - 1) / lanes, last = left - (vectors - 1) * lanes;
        if (vectors == 1) product_strip<T, Bytes, 1>(of.at(i, 0), n, depth, last, add);
        if (vectors == 2) product_strip<T, Bytes, 2>(of.at(i, 0), n, depth, last, add);
        if constexpr (V == 4) {
            if (vectors == 3) product_strip<T, Bytes, 3>(of.at(i, 0), n, depth, last, add);
            if (vectors == 4) product_strip<T, Bytes, 4>(of.at(i, 0), n, depth, last, add);
        }
        of.a += depth * of.lda;
        of.b += depth * of.row_step;
        add = true;
    }
}

#define AELLE_PRODUCT(NAME, BYTES, TARGET)                                                                                              \
    template <class T>                                                                                                                  \
    TARGET void NAME(int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b, int64_t row_step, int64_t column_step, T* c, \
                     int64_t ldc, bool add) {                                                                                           \
        product_body<T, BYTES>(m, n, k, {a, lda, b, row_step, column_step, c, ldc}, add);                                               \
    }
AELLE_PRODUCT(baseline, 16, )
#if defined(__x86_64__)
AELLE_PRODUCT(avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_PRODUCT(avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_PRODUCT

}  // namespace

template <class T>
Product<T> product(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return avx512<T>;
    if (set == InstructionSet::avx2) return avx2<T>;
#endif
    static_cast<void>(set);
    return baseline<T>;
}

namespace {

/// Not for rows shorter than a register, nor where blocks for the third cache begin to pay.
template <class T>
bool suits_product(int64_t m, int64_t n, int64_t k) {
    constexpr double most = 768.0 * 768.0 * 768.0;
    return m >= vector_length<T> && k >= 1 && static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) <= most;
}

}  // namespace

template <class T>
void multiply(bool a_transposed, bool b_transposed, MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c) {
    static const Product<T> own = product<T>(best_instruction_set());
    if (a_transposed || (beta != T(0) && beta != T(1)) || !suits_product<T>(c.rows, c.cols, a.cols))
        return blas_multiply(a_transposed, b_transposed, a, b, beta, c);
    own(c.rows, c.cols, a.cols, a.data, a.ld, b.data, b_transposed ? b.ld : 1, b_transposed ? 1 : b.ld, c.data, c.ld, beta != T(0));
}

template void multiply(bool, bool, MatrixView<const float>, MatrixView<const float>, float, MatrixView<float>);
template void multiply(bool, bool, MatrixView<const double>, MatrixView<const double>, double, MatrixView<double>);
template Product<float> product(InstructionSet);
template Product<double> product(InstructionSet);

}  // namespace aelle::cpu
