// Compiled with -fno-math-errno and -fno-trapping-math (CMakeLists.txt): a square root that has to set errno is not vectorised.

#include "elementwise.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "aelle/base/random.hpp"

// Bodies are inlined into one function for each instruction set, so each is vectorised for it.
#define AELLE_INLINE [[gnu::always_inline]] inline
#if defined(__x86_64__) && defined(__GNUC__)
#define AELLE_HAS_AVX2 1
#define AELLE_AVX2 [[gnu::target("avx2,fma")]]
#endif

namespace aelle::embed {
namespace {

#ifdef AELLE_HAS_AVX2
bool has_avx2() {
    static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return has;
}
#endif

/// tanh |x| = e / (e + 2) with e = exp(2|x|) - 1 = 2^k (exp(r) - 1) + (2^k - 1), |r| <= ln(2) / 2: small arguments keep their relative accuracy.
AELLE_INLINE float tanh_one(float x) {
    const float y = std::min(2.0f * std::fabs(x), 20.0f);  // tanh 10 rounds to 1
    const auto k = static_cast<int32_t>(y * 1.44269504f + 0.5f);
    const auto kf = static_cast<float>(k);
    const float r = (y - kf * 0.693359375f) + kf * 2.12194440e-4f;  // ln 2 in two parts, the first exact in products
    const float p =
        r * (1.0f + r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040)))))));
    const float power = std::bit_cast<float>((k + 127) << 23);
    const float e = power * p + (power - 1.0f);
    return std::copysign(e / (e + 2.0f), x);
}

AELLE_INLINE void tanh_body(float* x, int64_t count) {
    for (int64_t i = 0; i < count; ++i) x[i] = tanh_one(x[i]);
}

template <class T>
AELLE_INLINE void adam_body(const AdamStep<T>& s, int64_t count, const T* __restrict gradient, T* __restrict mean, T* __restrict square,
                            T* __restrict weights) {
    for (int64_t i = 0; i < count; ++i) {
        const T g = gradient[i];
        mean[i] = s.first_decay * mean[i] + (T(1) - s.first_decay) * g;
        square[i] = s.second_decay * square[i] + (T(1) - s.second_decay) * g * g;
        weights[i] -= s.rate * mean[i] / (std::sqrt(square[i]) * s.inverse_root + s.epsilon);
    }
}

/// Eight factors a block, from the halves of its four words.
AELLE_INLINE void dropout_body(std::array<uint32_t, 2> key, uint32_t word1, uint32_t word2, uint32_t bound, float keep,
                               float* __restrict factors, int64_t blocks) {
    for (int64_t b = 0; b < blocks; ++b) {
        const auto words = philox({static_cast<uint32_t>(b), word1, word2, static_cast<uint32_t>(Purpose::dropout) << 24}, key);
        for (std::size_t i = 0; i < 4; ++i) {
            factors[8 * b + 2 * static_cast<int64_t>(i)] = (words[i] & 0xFFFFu) < bound ? 0.0f : keep;
            factors[8 * b + 2 * static_cast<int64_t>(i) + 1] = (words[i] >> 16) < bound ? 0.0f : keep;
        }
    }
}

#ifdef AELLE_HAS_AVX2
AELLE_AVX2 void tanh_avx2(float* x, int64_t count) { tanh_body(x, count); }
AELLE_AVX2 void adam_avx2(const AdamStep<float>& s, int64_t n, const float* g, float* m, float* v, float* w) { adam_body(s, n, g, m, v, w); }
AELLE_AVX2 void dropout_avx2(std::array<uint32_t, 2> key, uint32_t word1, uint32_t word2, uint32_t bound, float keep, float* f, int64_t blocks) {
    dropout_body(key, word1, word2, bound, keep, f, blocks);
}
#endif

}  // namespace

void tanh_in_place(float* x, int64_t count) {
#ifdef AELLE_HAS_AVX2
    if (has_avx2()) return tanh_avx2(x, count);
#endif
    tanh_body(x, count);
}

void tanh_in_place(double* x, int64_t count) {
    for (int64_t i = 0; i < count; ++i) x[i] = std::tanh(x[i]);
}

void adam_step(const AdamStep<float>& step, int64_t count, const float* gradient, float* mean, float* square, float* weights) {
#ifdef AELLE_HAS_AVX2
    if (has_avx2()) return adam_avx2(step, count, gradient, mean, square, weights);
#endif
    adam_body(step, count, gradient, mean, square, weights);
}

void adam_step(const AdamStep<double>& step, int64_t count, const double* gradient, double* mean, double* square, double* weights) {
    adam_body(step, count, gradient, mean, square, weights);
}

void dropout_factors(uint64_t key, uint32_t word1, uint32_t word2, double rate, float* factors, int64_t count) {
    const std::array<uint32_t, 2> keys{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
    const auto bound = static_cast<uint32_t>(std::lround(rate * 65536.0));
    const auto keep = static_cast<float>(1.0 / (1.0 - rate));
    const int64_t blocks = count / 8;
#ifdef AELLE_HAS_AVX2
    if (has_avx2()) dropout_avx2(keys, word1, word2, bound, keep, factors, blocks);
    else dropout_body(keys, word1, word2, bound, keep, factors, blocks);
#else
    dropout_body(keys, word1, word2, bound, keep, factors, blocks);
#endif
    if (count > 8 * blocks) {
        float rest[8];
        const auto words = philox({static_cast<uint32_t>(blocks), word1, word2, static_cast<uint32_t>(Purpose::dropout) << 24}, keys);
        for (std::size_t i = 0; i < 4; ++i) {
            rest[2 * i] = (words[i] & 0xFFFFu) < bound ? 0.0f : keep;
            rest[2 * i + 1] = (words[i] >> 16) < bound ? 0.0f : keep;
        }
        std::copy_n(rest, count - 8 * blocks, factors + 8 * blocks);
    }
}

}  // namespace aelle::embed
