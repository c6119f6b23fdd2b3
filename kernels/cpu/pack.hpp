#pragma once
/// One vector register of numbers, on which cells' pointwise functions and duals work as on a number.
///
/// Everything is inlined into functions compiled for one instruction set (`[[gnu::target]]`, `[[gnu::flatten]]`), whose registers have
/// `Bytes` bytes; nothing here may be called from elsewhere in a hot loop.
///
/// tanh and sigmoid of float: error at most 4 units in the last place; their derivatives, from the argument: relative error at most 1e-6
/// (tests/backend/pack_test.cpp, over all exponents). Where exp(-|a|), of tanh exp(-2|a|), is below the smallest normal number it counts as 0.
/// Limits are taken at +-infinity; NaN gives NaN. For double: base/elementary.hpp, a few units in the last place over the whole range.

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "aelle/base/dual.hpp"
#include "aelle/base/elementary.hpp"

#define AELLE_INLINE [[gnu::always_inline]] inline

namespace aelle::cpu {

template <class T, int Bytes>
struct Pack {
    typedef T Register __attribute__((vector_size(Bytes)));
    static constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));

    Register lane;

    AELLE_INLINE Pack() : lane{} {}
    AELLE_INLINE Pack(T x) : lane(Register{} + x) {}
    AELLE_INLINE static Pack of(const Register& lane) {
        Pack p;
        p.lane = lane;
        return p;
    }
    AELLE_INLINE static Pack load(const T* from) {
        Pack p;
        std::memcpy(&p.lane, from, sizeof p.lane);
        return p;
    }
    /// The first `count` lanes; 0 in the others.
    AELLE_INLINE static Pack load(const T* from, int64_t count) {
        if (count >= lanes) return load(from);
        alignas(Bytes) T full[lanes] = {};
        for (int64_t i = 0; i < count; ++i) full[i] = from[i];
        return load(full);
    }
    AELLE_INLINE void store(T* to, int64_t count) const {
        if (count >= lanes) {
            std::memcpy(to, &lane, sizeof lane);
            return;
        }
        for (int64_t i = 0; i < count; ++i) to[i] = lane[i];
    }

    AELLE_INLINE Pack& operator+=(const Pack& b) {
        lane += b.lane;
        return *this;
    }
    AELLE_INLINE Pack& operator-=(const Pack& b) {
        lane -= b.lane;
        return *this;
    }
    AELLE_INLINE friend Pack operator+(const Pack& a, const Pack& b) { return of(a.lane + b.lane); }
    AELLE_INLINE friend Pack operator-(const Pack& a, const Pack& b) { return of(a.lane - b.lane); }
    AELLE_INLINE friend Pack operator*(const Pack& a, const Pack& b) { return of(a.lane * b.lane); }
    AELLE_INLINE friend Pack operator/(const Pack& a, const Pack& b) { return of(a.lane / b.lane); }
    AELLE_INLINE friend Pack operator-(const Pack& a) { return of(-a.lane); }
};

/// exp of a number <= 0, and exp - 1 to full relative accuracy.
template <int Bytes>
struct Exponential {
    Pack<float, Bytes> value, minus_one;
};

/// exp(x) = 2^k exp(r), |r| <= ln 2 / 2; polynomial of Cephes' expf (Moshier).
template <int Bytes>
AELLE_INLINE Exponential<Bytes> exponential(const Pack<float, Bytes>& argument) {
    using P = Pack<float, Bytes>;
    using Float = typename P::Register;
    typedef uint32_t Bits __attribute__((vector_size(Bytes)));
    constexpr float least = -87.3365f;      // exp is the smallest normal number
    constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, found in the low bits
    const Float x = argument.lane;
    const Float bounded = x < least ? Float{} + least : x;  // NaN stays
    const Float shifted = bounded * 1.44269504f + rounder;
    const Float k = shifted - rounder;
    const Float power = (Float)(((Bits)shifted << 23) + 0x3F800000u);  // 2^k
    const Float r = bounded - k * 0.693359375f + k * 2.12194440e-4f;
    Float p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r;  // exp(r) - 1
    const Float value = power * p + power;
    return {P::of(x < least ? Float{} : value), P::of(power * p + (power - 1.0f))};
}

/// exp(a), a <= 0
template <class T, int Bytes>
AELLE_INLINE Pack<T, Bytes> exp_of_negative(const Pack<T, Bytes>& a) {
    if constexpr (std::is_same_v<T, float>) {
        return exponential(a).value;
    } else {
        Pack<T, Bytes> result;
        elementary::exponential<Bytes>(a.lane, result.lane);
        return result;
    }
}

template <int Bytes>
AELLE_INLINE Pack<float, Bytes> minus_absolute(const Pack<float, Bytes>& x) {
    typedef uint32_t Bits __attribute__((vector_size(Bytes)));
    return Pack<float, Bytes>::of((typename Pack<float, Bytes>::Register)((Bits)x.lane | 0x80000000u));
}

/// tanh |a| = (1 - e) / (1 + e), e = exp(-2|a|)
template <class T, int Bytes>
AELLE_INLINE Pack<T, Bytes> tanh(const Pack<T, Bytes>& a) {
    if constexpr (std::is_same_v<T, float>) {
        const auto e = exponential(Pack<T, Bytes>(2.0f) * minus_absolute(a));
        const auto size = e.minus_one.lane / (1.0f + e.value.lane);
        return Pack<T, Bytes>::of(a.lane < 0.0f ? size : a.lane == 0.0f ? a.lane : -size);
    } else {
        Pack<T, Bytes> result;
        elementary::hyperbolic_tangent<Bytes>(a.lane, result.lane);
        return result;
    }
}

template <class T, int Bytes>
AELLE_INLINE Pack<T, Bytes> tanh_derivative(const Pack<T, Bytes>& a) {
    if constexpr (std::is_same_v<T, float>) {
        const auto e = exponential(Pack<T, Bytes>(2.0f) * minus_absolute(a)).value.lane;
        const auto inverse = 1.0f / (1.0f + e);
        return Pack<T, Bytes>::of(4.0f * e * inverse * inverse);
    } else {
        Pack<T, Bytes> result;
        elementary::hyperbolic_tangent_slope<Bytes>(a.lane, result.lane);
        return result;
    }
}

template <class T, int Bytes>
AELLE_INLINE Pack<T, Bytes> sigmoid(const Pack<T, Bytes>& a) {
    if constexpr (std::is_same_v<T, float>) {
        const auto e = exponential(minus_absolute(a)).value.lane;
        const auto inverse = 1.0f / (1.0f + e);
        return Pack<T, Bytes>::of(a.lane >= 0.0f ? inverse : e * inverse);
    } else {
        Pack<T, Bytes> result;
        elementary::logistic<Bytes>(a.lane, result.lane);
        return result;
    }
}

template <class T, int Bytes>
AELLE_INLINE Pack<T, Bytes> sigmoid_derivative(const Pack<T, Bytes>& a) {
    if constexpr (std::is_same_v<T, float>) {
        const auto e = exponential(minus_absolute(a)).value.lane;
        const auto inverse = 1.0f / (1.0f + e);
        return Pack<T, Bytes>::of(e * inverse * inverse);
    } else {
        Pack<T, Bytes> result;
        elementary::logistic_slope<Bytes>(a.lane, result.lane);
        return result;
    }
}

}  // namespace aelle::cpu
