#include "kernels/cpu/batch_stage.hpp"

namespace aelle::cpu {
namespace {

template <class T, int Bytes>
AELLE_INLINE void tanh_body(int64_t count, const T* x, T* y) {
    using P = Pack<T, Bytes>;
    for (int64_t i = 0; i < count; i += P::lanes) tanh(P::load(x + i, count - i)).store(y + i, count - i);
}

template <class T, int Bytes>
AELLE_INLINE void add_through_tanh_body(int64_t count, const T* x, const T* d, T* sum) {
    using P = Pack<T, Bytes>;
    for (int64_t i = 0; i < count; i += P::lanes) {
        const int64_t left = count - i;
        (P::load(sum + i, left) + tanh_derivative(P::load(x + i, left)) * P::load(d + i, left)).store(sum + i, left);
    }
}

template <class T, int Bytes>
AELLE_INLINE void add_body(int64_t count, const T* x, T* sum) {
    using P = Pack<T, Bytes>;
    for (int64_t i = 0; i < count; i += P::lanes) (P::load(sum + i, count - i) + P::load(x + i, count - i)).store(sum + i, count - i);
}

template <class T, int Bytes>
AELLE_INLINE T largest_body(int64_t count, const T* x) {
    using P = Pack<T, Bytes>;
    T top = x[0];
    int64_t i = 0;
    if (count >= P::lanes) {
        auto most = P::load(x).lane;
        for (i = P::lanes; i + P::lanes <= count; i += P::lanes) {
            const auto next = P::load(x + i).lane;
            most = next > most ? next : most;
        }
        for (int64_t k = 0; k < P::lanes; ++k) top = most[k] > top ? most[k] : top;
    }
    for (; i < count; ++i) top = x[i] > top ? x[i] : top;
    return top;
}

template <class T, int Bytes>
AELLE_INLINE T normalise_body(int64_t count, T* x, T top) {
    using P = Pack<T, Bytes>;
    P sums;
    for (int64_t i = 0; i < count; i += P::lanes) {
        const int64_t left = count - i;
        P e = exp_of_negative(P::load(x + i, left) - P(top));
        e.store(x + i, left);
        for (int64_t k = left; k < P::lanes; ++k) e.lane[k] = T(0);
        sums += e;
    }
    T sum = T(0);
    for (int64_t k = 0; k < P::lanes; ++k) sum += sums.lane[k];
    const P scale(T(1) / sum);
    for (int64_t i = 0; i < count; i += P::lanes) (P::load(x + i, count - i) * scale).store(x + i, count - i);
    return sum;
}

#define AELLE_ELEMENTWISE(NAME, BYTES, TARGET)                                                                    \
    template <class T>                                                                                            \
    struct NAME {                                                                                                 \
        TARGET static void tanh(int64_t count, const T* x, T* y) { tanh_body<T, BYTES>(count, x, y); }            \
        TARGET static void add_through_tanh(int64_t count, const T* x, const T* d, T* sum) {                      \
            add_through_tanh_body<T, BYTES>(count, x, d, sum);                                                    \
        }                                                                                                         \
        TARGET static void add(int64_t count, const T* x, T* sum) { add_body<T, BYTES>(count, x, sum); }          \
        TARGET static T largest(int64_t count, const T* x) { return largest_body<T, BYTES>(count, x); }           \
        TARGET static T normalise(int64_t count, T* x, T top) { return normalise_body<T, BYTES>(count, x, top); } \
        static constexpr Elementwise<T> table{tanh, add_through_tanh, add, largest, normalise};                   \
    };
AELLE_ELEMENTWISE(Baseline, 16, )
#if defined(__x86_64__)
AELLE_ELEMENTWISE(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_ELEMENTWISE(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_ELEMENTWISE

}  // namespace

template <class T>
const Elementwise<T>& elementwise(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return Avx512<T>::table;
    if (set == InstructionSet::avx2) return Avx2<T>::table;
#endif
    static_cast<void>(set);
    return Baseline<T>::table;
}

template const Elementwise<float>& elementwise(InstructionSet);
template const Elementwise<double>& elementwise(InstructionSet);

}  // namespace aelle::cpu
