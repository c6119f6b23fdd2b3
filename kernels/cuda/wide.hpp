#pragma once
/// Memory read and written by 16 bytes, as addresses that are multiples of it allow.

#include "kernels/cuda/block.hpp"

namespace aelle::cuda {

struct alignas(16) Pair {
    double first = 0.0, second = 0.0;
};
AELLE_DEVICE Pair load_pair(const double* from) { return *reinterpret_cast<const Pair*>(from); }
AELLE_DEVICE void store_pair(double* to, double first, double second) { *reinterpret_cast<Pair*>(to) = {first, second}; }

struct alignas(16) Four {
    float value[4];
};
AELLE_DEVICE void load_four(const float* from, float* to) {
    const Four four = *reinterpret_cast<const Four*>(from);
    AELLE_UNROLL
    for (int e = 0; e < 4; ++e) to[e] = four.value[e];
}
AELLE_DEVICE void store_four(float* to, const float (&from)[4]) { *reinterpret_cast<Four*>(to) = {{from[0], from[1], from[2], from[3]}}; }

}  // namespace aelle::cuda
