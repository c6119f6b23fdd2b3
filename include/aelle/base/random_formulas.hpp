#pragma once
/// The formulas of RandomStream and RandomField (random.hpp), for the host's loops and for kernels on a device. Results are the same bits everywhere as long
/// as no product and sum are fused: files that include this are compiled with contraction off.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "aelle/base/random.hpp"

namespace aelle::random_formulas {

AELLE_HOST_DEVICE inline std::array<uint32_t, 2> key_words(uint64_t seed) {
    return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

/// Counter words: block index | step | variant | purpose and the high bits of step and variant.
AELLE_HOST_DEVICE inline std::array<uint32_t, 4> counter_words(uint32_t block, uint64_t variant, Purpose purpose, uint64_t step) {
    return {block, static_cast<uint32_t>(step), static_cast<uint32_t>(variant),
            static_cast<uint32_t>(purpose) << 24 ^ static_cast<uint32_t>(step >> 32) << 12 ^ static_cast<uint32_t>(variant >> 32)};
}

/// Of RandomField(seed, variant, purpose, step, time).
AELLE_HOST_DEVICE inline std::array<uint32_t, 2> field_key(uint64_t seed, uint64_t variant, Purpose purpose, uint64_t step, uint32_t time) {
    const std::array<uint32_t, 4> words = philox(counter_words(time, variant, purpose, step), key_words(seed));
    return {words[0], words[1]};
}

/// ln x of a normal positive x, to about 1e-7 absolute or relative; polynomial of Cephes' logf (Moshier).
AELLE_HOST_DEVICE inline float natural_logarithm(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t shifted = bits - 0x3F3504F3u;  // of sqrt(1/2): the mantissa comes into [sqrt(1/2), sqrt(2))
    const float exponent = static_cast<float>(static_cast<int32_t>(shifted) >> 23);
    const float m = std::bit_cast<float>((shifted & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const float square = m * m;
    return m + (square * (m * p - 0.5f)) + exponent * 0.693147181f;
}

/// cos(2 pi u) and sin(2 pi u) for u in (0, 1), from the octant around the nearest quarter turn.
AELLE_HOST_DEVICE inline void turn(float u, float& cosine, float& sine) {
    const int32_t quarter = static_cast<int32_t>(u * 4.0f + 0.5f);
    const float x = 6.283185307f * (u - 0.25f * static_cast<float>(quarter));
    const float z = x * x;
    const float s = x + x * z * ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f);
    const float c = 1.0f - 0.5f * z + z * z * ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f);
    const bool odd = (quarter & 1) != 0;
    const float a = odd ? s : c, b = odd ? c : s;
    cosine = ((quarter + 1) & 2) != 0 ? -a : a;
    sine = (quarter & 2) != 0 ? -b : b;
}

AELLE_HOST_DEVICE inline float unit_interval(uint32_t word) {
    return (static_cast<float>(static_cast<int32_t>(word >> 9)) + 0.5f) * 0x1p-23f;
}

/// Two of N(0, 1) from two words: Box-Muller.
AELLE_HOST_DEVICE inline void normal_pair(uint32_t of_radius, uint32_t of_angle, float& first, float& second) {
    const float u = (static_cast<float>(static_cast<int32_t>(of_radius >> 1)) + 0.5f) * 0x1p-31f;
    const float squared = -2.0f * natural_logarithm(u);
    const float radius = std::sqrt(squared > 0.0f ? squared : 0.0f);  // ln may round to above 0 next to u = 1
    float cosine, sine;
    turn(unit_interval(of_angle), cosine, sine);
    first = radius * cosine;
    second = radius * sine;
}

/// One number of a field: column `column` of row `row` of stream `stream`.
AELLE_HOST_DEVICE inline float field_uniform(const std::array<uint32_t, 2>& key, uint32_t stream, uint32_t row, uint32_t column) {
    return unit_interval(philox({column / 4, row, stream, 0}, key)[column % 4]);
}
AELLE_HOST_DEVICE inline float field_normal(const std::array<uint32_t, 2>& key, uint32_t stream, uint32_t row, uint32_t column) {
    const std::array<uint32_t, 4> words = philox({column / 4, row, stream, 0}, key);
    const uint32_t pair = column % 4 / 2 * 2;
    float first, second;
    normal_pair(words[pair], words[pair + 1], first, second);
    return column % 2 == 0 ? first : second;
}

}  // namespace aelle::random_formulas
