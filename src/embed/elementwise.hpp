#pragma once
/// Loops over arrays, compiled for several instruction sets; the widest that the processor has is taken at run time.

#include <cstdint>

namespace aelle::embed {

/// x = tanh x. In float within 3 units in the last place of the true value (a test holds it to that); the double version is the C library's.
void tanh_in_place(float* x, int64_t count);
void tanh_in_place(double* x, int64_t count);

/// One step of Adam: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w -= rate m / (sqrt(v) * inverse_root + epsilon).
template <class T>
struct AdamStep {
    T first_decay, second_decay;
    T rate;          ///< learning rate / (1 - b1^t)
    T inverse_root;  ///< 1 / sqrt(1 - b2^t)
    T epsilon;
};
void adam_step(const AdamStep<float>& step, int64_t count, const float* gradient, float* mean, float* square, float* weights);
void adam_step(const AdamStep<double>& step, int64_t count, const double* gradient, double* mean, double* square, double* weights);

/// factors[i] = 0 with probability `rate` (to 2^-16), else 1 / (1 - rate); all from the Philox stream of (key, word1, word2).
void dropout_factors(uint64_t key, uint32_t word1, uint32_t word2, double rate, float* factors, int64_t count);

}  // namespace aelle::embed
