#pragma once
/// exp, tanh and the logistic sigmoid of one vector register of doubles, to be inlined into functions compiled for one instruction set.
///
/// Largest errors over the whole range, in units in the last place: 1.5 for exp, 3 for tanh and sigmoid, 5 for their derivatives, which are
/// taken from the argument and so keep their relative accuracy where the functions are flat. Results below the smallest normal number
/// are within two of the smallest subnormal. NaN gives NaN, limits at +-infinity are exact, tanh keeps the sign of zero
/// (tests/base/activations_test.cpp). A lane's bits depend on its argument and the instruction set alone: every expression has a single
/// way to be contracted to a fused multiply-add. Rounding to nearest is assumed.

#include <cstdint>

#include "aelle/base/vector.hpp"

namespace aelle::elementary {

template <int Bytes>
using Doubles = typename Vector<double, Bytes>::type;
template <int Bytes>
using Integers = typename Vector<uint64_t, Bytes>::type;

inline constexpr double rounder = 0x1.8p52;  ///< adding it rounds to an integer, found in the low bits
inline constexpr uint64_t sign_bit = uint64_t{1} << 63;

/// 2^k of the k in the low bits of rounder + k; k from -1022 to 1023.
template <int Bytes>
AELLE_BODY void power_of_two(const Integers<Bytes>& shifted, Doubles<Bytes>& power) {
    power = (Doubles<Bytes>)((shifted << 52) + (uint64_t{1023} << 52));
}

/// x = k ln 2 + r with |r| <= ln 2 / 2 and `shifted` = rounder + k; p = exp(r) - 1 to full relative accuracy. |x| < 1500.
template <int Bytes>
AELLE_BODY void reduce(const Doubles<Bytes>& x, Doubles<Bytes>& shifted, Doubles<Bytes>& p) {
    using Vec = Doubles<Bytes>;
    constexpr double high = 0x1.62e42fefa3000p-1, low = 0x1.3de6af278ece6p-42;  // ln 2 in two parts; k times the first is exact
    shifted = x * 0x1.71547652b82fep0 + rounder;
    const Vec k = shifted - rounder;
    const Vec near = x - k * high;
    const Vec r = near - k * low;
    // (exp(r) - 1 - r) / r^2 to 2^-59 of exp(r) - 1: Chebyshev interpolation of degree 10, summed by even and odd powers
    const Vec s = r * r;
    Vec even = s * 0x1.1f8b44c453178p-29 + 0x1.27e4ccd26ebd0p-22;
    Vec odd = s * 0x1.af4dde339dbdbp-26 + 0x1.71de0236f77a4p-19;
    even = even * s + 0x1.a01a01acf8ef2p-16;
    odd = odd * s + 0x1.a01a01abe6502p-13;
    even = even * s + 0x1.6c16c16c15201p-10;
    odd = odd * s + 0x1.11111111100dfp-7;
    even = even * s + 0x1.5555555555558p-5;
    odd = odd * s + 0x1.5555555555557p-3;
    even = even * s + 0.5;
    const Vec q = odd * r + even;
    p = q * s + r;
}

/// exp(x)
template <int Bytes>
AELLE_BODY void exponential(const Doubles<Bytes>& x, Doubles<Bytes>& result) {
    using Vec = Doubles<Bytes>;
    constexpr double least = -746.0, most = 710.0;  // beyond them exp is 0 and infinity; NaN passes both comparisons
    const Vec low = x < least ? Vec{} + least : x;
    const Vec bounded = low > most ? Vec{} + most : low;
    Vec shifted, p, first, second;
    reduce<Bytes>(bounded, shifted, p);
    // 2^k in two factors: k may be beyond the exponents of normal numbers
    const Vec half = (shifted - rounder) * 0.5 + rounder;
    power_of_two<Bytes>((Integers<Bytes>)half, first);
    power_of_two<Bytes>((Integers<Bytes>)shifted - (Integers<Bytes>)half, second);
    const Vec scaled = (1.0 + p) * first;
    result = scaled * second;
}

/// exp(-|x|)
template <int Bytes>
AELLE_BODY void decay(const Doubles<Bytes>& x, Doubles<Bytes>& result) {
    const Doubles<Bytes> negative = (Doubles<Bytes>)((Integers<Bytes>)x | sign_bit);
    exponential<Bytes>(negative, result);
}

/// tanh|x| = e / (e + 2), e = exp(2|x|) - 1
template <int Bytes>
AELLE_BODY void hyperbolic_tangent(const Doubles<Bytes>& x, Doubles<Bytes>& result) {
    using Vec = Doubles<Bytes>;
    using Int = Integers<Bytes>;
    constexpr double most = 20.0;  // tanh rounds to 1 from 19.07 on
    const Int sign = (Int)x & sign_bit;
    const Vec size = (Vec)((Int)x ^ sign);
    const Vec bounded = size > most ? Vec{} + most : size;  // NaN stays
    Vec shifted, p, power;
    reduce<Bytes>(bounded + bounded, shifted, p);
    power_of_two<Bytes>((Int)shifted, power);
    const Vec e = power * p + (power - 1.0);
    result = (Vec)((Int)(e / (e + 2.0)) | sign);
}

/// 1 / (1 + exp(-x))
template <int Bytes>
AELLE_BODY void logistic(const Doubles<Bytes>& x, Doubles<Bytes>& result) {
    using Vec = Doubles<Bytes>;
    Vec e;
    decay<Bytes>(x, e);
    const Vec numerator = x >= 0.0 ? Vec{} + 1.0 : e;
    result = numerator / (1.0 + e);
}

/// 1 - tanh(x)^2 = 4 e / (1 + e)^2, e = exp(-2|x|)
template <int Bytes>
AELLE_BODY void hyperbolic_tangent_slope(const Doubles<Bytes>& x, Doubles<Bytes>& result) {
    Doubles<Bytes> e;
    decay<Bytes>(x + x, e);
    const Doubles<Bytes> sum = 1.0 + e;
    result = 4.0 * e / (sum * sum);
}

/// sigmoid(x) (1 - sigmoid(x)) = e / (1 + e)^2, e = exp(-|x|)
template <int Bytes>
AELLE_BODY void logistic_slope(const Doubles<Bytes>& x, Doubles<Bytes>& result) {
    Doubles<Bytes> e;
    decay<Bytes>(x, e);
    const Doubles<Bytes> sum = 1.0 + e;
    result = e / (sum * sum);
}

}  // namespace aelle::elementary
