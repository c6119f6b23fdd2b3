#include "kernels/cpu/reflectors.hpp"

#include <algorithm>

#include "aelle/base/vector.hpp"

namespace aelle::cpu {
namespace {

constexpr int R = block_reflectors;

/// Columns whose products with four reflectors stay in registers.
template <int Bytes>
inline constexpr int tile_width = Bytes == 64 ? 4 : 2;

/// One pass over C columns both applies a reflector and takes the products with the next one.
template <class T, int Bytes, int C>
AELLE_BODY void one_by_one_tile(const T* v, const T* tau, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c) {
    using Vec = typename Vector<T, Bytes>::type;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    const int64_t end = ld / lanes;
    Vec* x = reinterpret_cast<Vec*>(c);
    Vec dot[C] = {};
    const Vec* now = reinterpret_cast<const Vec*>(v + first * ld);
    for (int64_t i = first / lanes; i < end; ++i)
        for (int j = 0; j < C; ++j) dot[j] += now[i] * x[j * end + i];
    for (int64_t step = 0, k = first; step < count; ++step, k += direction) {
        T weight[C];
        for (int j = 0; j < C; ++j) {
            weight[j] = tau[k] * lane_sum<T, Bytes>(dot[j]);
            dot[j] = Vec{};
        }
        const Vec* next = reinterpret_cast<const Vec*>(v + (k + direction) * ld);
        if (step + 1 == count) {
            for (int64_t i = k / lanes; i < end; ++i)
                for (int j = 0; j < C; ++j) x[j * end + i] -= weight[j] * now[i];
            return;
        }
        for (int64_t i = std::min(k, k + direction) / lanes; i < end; ++i) {
            for (int j = 0; j < C; ++j) {
                const Vec value = x[j * end + i] - weight[j] * now[i];
                x[j * end + i] = value;
                dot[j] += value * next[i];
            }
        }
        now = next;
    }
}

/// Lane r of `sums` is the sum of the lanes of dot[r].
template <class T, int Bytes>
AELLE_BODY void four_lane_sums(const typename Vector<T, Bytes>::type* dot, typename Vector<T, R * sizeof(T)>::type& sums) {
    if constexpr (Bytes > R * static_cast<int>(sizeof(T))) {
        typename Vector<T, Bytes / 2>::type half[R];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) sum_of_halves<T, Bytes>(dot[r], half[r]);
        four_lane_sums<T, Bytes / 2>(half, sums);
    } else {
        const auto first = __builtin_shufflevector(dot[0], dot[1], 0, 4, 2, 6) + __builtin_shufflevector(dot[0], dot[1], 1, 5, 3, 7);
        const auto second = __builtin_shufflevector(dot[2], dot[3], 0, 4, 2, 6) + __builtin_shufflevector(dot[2], dot[3], 1, 5, 3, 7);
        sums = __builtin_shufflevector(first, second, 0, 1, 4, 5) + __builtin_shufflevector(first, second, 2, 3, 6, 7);
    }
}

/// The weights of the four reflectors of a block for one column, from its products with them: those times a (R x R) matrix, given by columns.
template <class T, int Bytes>
AELLE_BODY void weigh(const T* matrix, const typename Vector<T, Bytes>::type* dot, T* weight) {
    if constexpr (Bytes >= R * static_cast<int>(sizeof(T))) {
        using Four = typename Vector<T, R * sizeof(T)>::type;
        Four sums;
        four_lane_sums<T, Bytes>(dot, sums);
        const Four* columns = reinterpret_cast<const Four*>(matrix);
        *reinterpret_cast<Four*>(weight) = (columns[0] * sums[0] + columns[1] * sums[1]) + (columns[2] * sums[2] + columns[3] * sums[3]);
    } else {
        T sums[R];
        for (int r = 0; r < R; ++r) sums[r] = lane_sum<T, Bytes>(dot[r]);
        for (int r = 0; r < R; ++r)
            weight[r] = (matrix[r] * sums[0] + matrix[R + r] * sums[1]) + (matrix[2 * R + r] * sums[2] + matrix[3 * R + r] * sums[3]);
    }
}

template <class T, int Bytes, int C>
AELLE_BODY void blocks_tile(const T* v, const T* t, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c) {
    using Vec = typename Vector<T, Bytes>::type;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    const int64_t end = ld / lanes;
    Vec* x = reinterpret_cast<Vec*>(c);
    Vec dot[C][R] = {};
    const Vec* now = reinterpret_cast<const Vec*>(v + R * first * ld);
    for (int64_t i = R * first / lanes; i < end; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) {
            const Vec value = x[j * end + i];
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) dot[j][r] += now[r * end + i] * value;
        }
    }
    const T* matrix = t + (direction > 0 ? 0 : R * R);
    for (int64_t step = 0, b = first; step < count; ++step, b += direction) {
        alignas(64) T weight[C][R];
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) {
            weigh<T, Bytes>(matrix + b * block_weights, dot[j], weight[j]);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) dot[j][r] = Vec{};
        }
        const bool last = step + 1 == count;
        const Vec* next = reinterpret_cast<const Vec*>(v + R * (last ? b : b + direction) * ld);
        for (int64_t i = R * (last ? b : std::min(b, b + direction)) / lanes; i < end; ++i) {
            Vec mine[R], ahead[R];
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) {
                mine[r] = now[r * end + i];
                ahead[r] = next[r * end + i];
            }
#pragma GCC unroll 4
            for (int j = 0; j < C; ++j) {
                Vec value = x[j * end + i];
#pragma GCC unroll 4
                for (int r = 0; r < R; ++r) value -= mine[r] * weight[j][r];
                x[j * end + i] = value;
#pragma GCC unroll 4
                for (int r = 0; r < R; ++r) dot[j][r] += ahead[r] * value;
            }
        }
        now = next;
    }
}

template <class T, int Bytes>
AELLE_BODY void one_by_one_body(const T* v, const T* tau, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c,
                                int64_t columns) {
    if (count == 0) return;
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) one_by_one_tile<T, Bytes, 4>(v, tau, ld, first, direction, count, c + j * ld);
    for (; j < columns; ++j) one_by_one_tile<T, Bytes, 1>(v, tau, ld, first, direction, count, c + j * ld);
}

template <class T, int Bytes>
AELLE_BODY void blocks_body(const T* v, const T* t, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c, int64_t columns) {
    if (count == 0) return;
    constexpr int width = tile_width<Bytes>;
    int64_t j = 0;
    for (; j + width <= columns; j += width) blocks_tile<T, Bytes, width>(v, t, ld, first, direction, count, c + j * ld);
    for (; j < columns; ++j) blocks_tile<T, Bytes, 1>(v, t, ld, first, direction, count, c + j * ld);
}

/// T_kk = tau_k, and column k above it -tau_k T V^T v_k; by rows, then by columns.
template <class T, int Bytes>
AELLE_BODY void make_block_body(const T* v, const T* tau, int64_t ld, int64_t block, T* t) {
    using Vec = typename Vector<T, Bytes>::type;
    constexpr int64_t lanes = Vector<T, Bytes>::lanes;
    const int64_t end = ld / lanes, start = R * block / lanes;
    const Vec* of = reinterpret_cast<const Vec*>(v + R * block * ld);
    for (int k = 0; k < R; ++k) {
        const T tau_k = tau[R * block + k];
        Vec dot[R] = {};
        for (int64_t i = start; i < end; ++i)
            for (int a = 0; a < k; ++a) dot[a] += of[a * end + i] * of[k * end + i];
        T sums[R];
        for (int a = 0; a < k; ++a) sums[a] = lane_sum<T, Bytes>(dot[a]);
        for (int r = 0; r < R; ++r) {
            T sum = T(0);
            for (int a = r; a < k; ++a) sum += t[r * R + a] * sums[a];
            t[r * R + k] = t[R * R + k * R + r] = r == k ? tau_k : r < k ? -tau_k * sum : T(0);
        }
    }
}

#define AELLE_KERNELS(NAME, BYTES, TARGET)                                                                                         \
    template <class T>                                                                                                             \
    struct NAME {                                                                                                                  \
        TARGET static void one_by_one(const T* v, const T* tau, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c, \
                                      int64_t columns) {                                                                           \
            one_by_one_body<T, BYTES>(v, tau, ld, first, direction, count, c, columns);                                            \
        }                                                                                                                          \
        TARGET static void blocks(const T* v, const T* t, int64_t ld, int64_t first, int64_t direction, int64_t count, T* c,       \
                                  int64_t columns) {                                                                               \
            blocks_body<T, BYTES>(v, t, ld, first, direction, count, c, columns);                                                  \
        }                                                                                                                          \
        TARGET static void make_block(const T* v, const T* tau, int64_t ld, int64_t block, T* t) {                                 \
            make_block_body<T, BYTES>(v, tau, ld, block, t);                                                                       \
        }                                                                                                                          \
        static constexpr ReflectorKernels<T> table{one_by_one, blocks, make_block};                                                \
    };

AELLE_KERNELS(Baseline, 16, )
#if defined(__x86_64__)
AELLE_KERNELS(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_KERNELS(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_KERNELS

}  // namespace

template <class T>
const ReflectorKernels<T>& reflector_kernels(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return Avx512<T>::table;
    if (set == InstructionSet::avx2) return Avx2<T>::table;
#endif
    static_cast<void>(set);
    return Baseline<T>::table;
}

template const ReflectorKernels<float>& reflector_kernels(InstructionSet set);
template const ReflectorKernels<double>& reflector_kernels(InstructionSet set);

}  // namespace aelle::cpu
