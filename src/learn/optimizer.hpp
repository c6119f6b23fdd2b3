#pragma once
/// Parameter updates, element by element, with PyTorch's formulas and order of operations.

#include <cstdint>
#include <span>

namespace aelle::learn {

/// Adam: beta = (0.9, 0.999), epsilon 1e-8, no weight decay; `step` counts from 1.
///
///     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
///     theta -= lr / (1 - b1^step) m / (sqrt(v) / sqrt(1 - b2^step) + epsilon)
template <class T>
void adam_step(double learning_rate, int64_t step, std::span<const T> gradient, std::span<T> mean, std::span<T> square, std::span<T> parameters);

/// v = momentum v + g, theta -= lr v; zero velocity before the first step, so that the first v is g. Without momentum `velocity` is not used.
template <class T>
void sgd_step(double learning_rate, double momentum, std::span<const T> gradient, std::span<T> velocity, std::span<T> parameters);

/// g *= min(1, largest / (|g| + 1e-6)), |g| the Euclidean norm; torch.nn.utils.clip_grad_norm_.
template <class T>
void clip_norm(double largest, std::span<T> gradient);

template <class T>
bool all_finite(std::span<const T> values);

}  // namespace aelle::learn
