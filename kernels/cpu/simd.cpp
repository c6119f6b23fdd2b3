#include "kernels/cpu/simd.hpp"

#include <algorithm>

#include "aelle/base/vector.hpp"

namespace aelle::cpu {
namespace {

/// Numbers of x meet those of a in short vectors: one load of values for all of them, and four sums so that none waits for another.
template <class T>
AELLE_BODY void sparse_vector_body(const Sparse<T>& a, const T* x, T* y) {
    using Vec = typename Vector<T, 16>::type;
    using Loose = typename Vector<T, 16>::unaligned;
    constexpr int64_t lanes = Vector<T, 16>::lanes, sums = 4;
    const int32_t* column = a.column.data();
    const T* value = a.value.data();
    for (int64_t i = 0; i < a.rows; ++i) {
        Vec sum[sums] = {};
        int64_t p = a.row_start[i];
        const int64_t end = a.row_start[i + 1];
        for (; p + sums * lanes <= end; p += sums * lanes) {
            for (int64_t s = 0; s < sums; ++s) {
                Vec gathered;
                for (int64_t k = 0; k < lanes; ++k) gathered[k] = x[column[p + s * lanes + k]];
                sum[s] += gathered * *reinterpret_cast<const Loose*>(value + p + s * lanes);
            }
        }
        T rest = T(0);
        for (; p < end; ++p) rest += value[p] * x[column[p]];
        const Vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        y[i] += lane_sum<T, 16>(all) + rest;
    }
}

/// Columns [first, first + count) of w += A diag(scale) v, count <= Width. The tile holds them row by row, so that
/// every nonzero meets contiguous numbers; results leave in blocks of eight rows, a cache line per column.
template <class T, int Bytes, int64_t Width>
AELLE_BODY void sparse_tile_body(const Sparse<T>& a, const T* scale, MatrixView<const T> v, MatrixView<T> w, T* tile, int64_t first,
                                 int64_t count) {
    using Vec = typename Vector<T, Bytes>::type;
    constexpr int Vectors = static_cast<int>(Width / Vector<T, Bytes>::lanes);
    constexpr int64_t rows_together = 8;
    for (int64_t i0 = 0; i0 < a.cols; i0 += rows_together) {
        const int64_t i1 = std::min(i0 + rows_together, a.cols);
        for (int64_t k = 0; k < count; ++k) {
            const T* from = v.column(first + k);
            for (int64_t i = i0; i < i1; ++i) tile[i * Width + k] = scale ? scale[i] * from[i] : from[i];
        }
        for (int64_t k = count; k < Width; ++k)
            for (int64_t i = i0; i < i1; ++i) tile[i * Width + k] = T(0);
    }
    const int32_t* column = a.column.data();
    const T* value = a.value.data();
    const Vec* packed = reinterpret_cast<const Vec*>(tile);
    for (int64_t i0 = 0; i0 < a.rows; i0 += rows_together) {
        const int64_t block_rows = std::min(rows_together, a.rows - i0);
        alignas(64) T result[rows_together * Width];
        for (int64_t i = 0; i < block_rows; ++i) {
            Vec even[Vectors] = {}, odd[Vectors] = {};
            int64_t p = a.row_start[i0 + i];
            const int64_t end = a.row_start[i0 + i + 1];
            for (; p + 1 < end; p += 2) {
                const Vec* x = packed + column[p] * Vectors;
                const Vec* y = packed + column[p + 1] * Vectors;
                for (int c = 0; c < Vectors; ++c) {
                    even[c] += value[p] * x[c];
                    odd[c] += value[p + 1] * y[c];
                }
            }
            if (p < end)
                for (int c = 0; c < Vectors; ++c) even[c] += value[p] * packed[column[p] * Vectors + c];
            for (int c = 0; c < Vectors; ++c) reinterpret_cast<Vec*>(result)[i * Vectors + c] = even[c] + odd[c];
        }
        for (int64_t k = 0; k < count; ++k) {
            T* to = w.column(first + k) + i0;
            for (int64_t i = 0; i < block_rows; ++i) to[i] += result[i * Width + k];
        }
    }
}

template <class T, int Bytes>
AELLE_BODY void sparse_block_body(const Sparse<T>& a, const T* scale, MatrixView<const T> v, MatrixView<T> w, T* tile) {
    constexpr int64_t one = vector_length<T>, two = tile_columns<T>;
    int64_t first = 0;
    for (; v.cols - first > one; first += two) sparse_tile_body<T, Bytes, two>(a, scale, v, w, tile, first, std::min(two, v.cols - first));
    if (first < v.cols) sparse_tile_body<T, Bytes, one>(a, scale, v, w, tile, first, v.cols - first);
}

template <class T>
AELLE_BODY void weighted_sum_body(int64_t n, int64_t count, const T* const* c, const T* const* s, T* out) {
    const T *c0 = c[0], *s0 = s[0];
    int64_t next = 1;
    if (count == 4) {
        const T *c1 = c[1], *s1 = s[1], *c2 = c[2], *s2 = s[2], *c3 = c[3], *s3 = s[3];
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] = c0[i] * s0[i] + c1[i] * s1[i] + (c2[i] * s2[i] + c3[i] * s3[i]);
        return;
    }
    if (count > 1) {
        const T *c1 = c[1], *s1 = s[1];
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] = c0[i] * s0[i] + c1[i] * s1[i];
        next = 2;
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] = c0[i] * s0[i];
    }
    for (; next < count; ++next) {
        const T *ck = c[next], *sk = s[next];
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] += ck[i] * sk[i];
    }
}

template <class T>
AELLE_BODY void permute_body(int64_t n, const int64_t* order, const T* from, const T* factor, T* to) {
    const T first = factor[0], second = factor[1];
    for (int64_t i = 0; i < n; ++i) to[i] = from[order[i]] * first * second;
}

template <class T, int Bytes>
AELLE_BODY T scale_body(int64_t n, const T* from, const T* factor, T* to) {
    using Loose = typename Vector<T, Bytes>::unaligned;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    const T first = factor[0], second = factor[1];
    typename Vector<T, Bytes>::type even = {}, odd = {};
    int64_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
        const Loose low = *reinterpret_cast<const Loose*>(from + i) * first * second;
        const Loose high = *reinterpret_cast<const Loose*>(from + i + lanes) * first * second;
        *reinterpret_cast<Loose*>(to + i) = low;
        *reinterpret_cast<Loose*>(to + i + lanes) = high;
        even += low * low;
        odd += high * high;
    }
    T rest = T(0);
    for (; i < n; ++i) {
        to[i] = from[i] * first * second;
        rest += to[i] * to[i];
    }
    return lane_sum<T, Bytes>(even + odd) + rest;
}

template <class T, int Bytes>
AELLE_BODY T largest_body(const T* x, int64_t n) {
    using Vec = typename Vector<T, Bytes>::type;
    using Loose = typename Vector<T, Bytes>::unaligned;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    Vec most = {};
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const Vec value = *reinterpret_cast<const Loose*>(x + i);
        most = value > most ? value : most;
        most = -value > most ? -value : most;
    }
    T result = T(0);
    for (int64_t k = 0; k < lanes; ++k) result = most[k] > result ? most[k] : result;
    for (; i < n; ++i) {
        const T size = x[i] < T(0) ? -x[i] : x[i];
        result = size > result ? size : result;
    }
    return result;
}

template <class T>
AELLE_BODY void quotients_body(int64_t n, const T* x, double scale, const double* inverse, float* to) {
    constexpr double most = 1e18;  // far inside the range of float, so that sums of products of a few stay there
    for (int64_t k = 0; k < n; ++k) {
        const double value = static_cast<double>(x[k]) * scale * inverse[k];
        to[k] = static_cast<float>(value > most ? most : value < -most ? -most : value);
    }
}

template <class T>
AELLE_BODY bool row_maxima_body(MatrixView<const T> z, T* largest) {
    std::fill_n(largest, z.rows, T(0));
    T zero = T(0);  // stays 0 unless an infinity or a NaN comes along
    for (int64_t j = 0; j < z.cols; ++j) {
        const T* x = z.column(j);
#pragma omp simd reduction(+ : zero)
        for (int64_t i = 0; i < z.rows; ++i) {
            const T size = x[i] < T(0) ? -x[i] : x[i];
            largest[i] = size > largest[i] ? size : largest[i];
            zero += x[i] * T(0);
        }
    }
    return zero == T(0);
}

#define AELLE_KERNELS(NAME, BYTES, TARGET)                                                                                            \
    template <class T>                                                                                                                \
    struct NAME {                                                                                                                     \
        TARGET static void sparse_vector(const Sparse<T>& a, const T* x, T* y) { sparse_vector_body<T>(a, x, y); }                    \
        TARGET static void sparse_block(const Sparse<T>& a, const T* scale, MatrixView<const T> v, MatrixView<T> w, T* tile) {        \
            sparse_block_body<T, BYTES>(a, scale, v, w, tile);                                                                        \
        }                                                                                                                             \
        TARGET static void weighted_sum(int64_t n, int64_t count, const T* const* c, const T* const* s, T* out) {                     \
            weighted_sum_body<T>(n, count, c, s, out);                                                                                \
        }                                                                                                                             \
        TARGET static void permute(int64_t n, const int64_t* order, const T* from, const T* factor, T* to) {                          \
            permute_body<T>(n, order, from, factor, to);                                                                              \
        }                                                                                                                             \
        TARGET static T scale(int64_t n, const T* from, const T* factor, T* to) { return scale_body<T, BYTES>(n, from, factor, to); } \
        TARGET static void quotients(int64_t n, const T* x, double scale, const double* inverse, float* to) {                         \
            quotients_body<T>(n, x, scale, inverse, to);                                                                              \
        }                                                                                                                             \
        TARGET static T largest(const T* x, int64_t n) { return largest_body<T, BYTES>(x, n); }                                       \
        TARGET static bool row_maxima(MatrixView<const T> z, T* largest) { return row_maxima_body<T>(z, largest); }                   \
        static constexpr Kernels<T> table{sparse_vector, sparse_block, weighted_sum, permute, scale, quotients, largest, row_maxima}; \
    };

AELLE_KERNELS(Baseline, 16, )
#if defined(__x86_64__)
AELLE_KERNELS(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_KERNELS(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_KERNELS

}  // namespace

InstructionSet best_instruction_set() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return InstructionSet::avx512;
    if (__builtin_cpu_supports("x86-64-v3")) return InstructionSet::avx2;
#endif
    return InstructionSet::baseline;
}

std::string_view name(InstructionSet set) {
    switch (set) {
        case InstructionSet::avx512: return "avx512";
        case InstructionSet::avx2: return "avx2";
        case InstructionSet::baseline: break;
    }
#if defined(__x86_64__)
    return "sse2";
#else
    return "baseline";
#endif
}

template <class T>
const Kernels<T>& kernels(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return Avx512<T>::table;
    if (set == InstructionSet::avx2) return Avx2<T>::table;
#endif
    static_cast<void>(set);
    return Baseline<T>::table;
}

template const Kernels<float>& kernels(InstructionSet);
template const Kernels<double>& kernels(InstructionSet);

}  // namespace aelle::cpu
