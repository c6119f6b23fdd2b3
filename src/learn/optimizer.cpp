// Compiled with -fno-math-errno and -fno-trapping-math (CMakeLists.txt): a square root that has to set errno is not vectorised.

#include "optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace aelle::learn {

template <class T>
void adam_step(double learning_rate, int64_t step, std::span<const T> gradient, std::span<T> mean, std::span<T> square, std::span<T> parameters) {
    constexpr double beta1 = 0.9, beta2 = 0.999;
    const auto decay1 = static_cast<T>(beta1), decay2 = static_cast<T>(beta2);
    const auto gain1 = static_cast<T>(1 - beta1), gain2 = static_cast<T>(1 - beta2);
    const auto rate = static_cast<T>(learning_rate / (1 - std::pow(beta1, static_cast<double>(step))));
    const auto root = static_cast<T>(std::sqrt(1 - std::pow(beta2, static_cast<double>(step))));
    const auto epsilon = static_cast<T>(1e-8);
    const T* __restrict g = gradient.data();
    T* __restrict m = mean.data();
    T* __restrict v = square.data();
    T* __restrict theta = parameters.data();
    for (std::size_t i = 0; i < gradient.size(); ++i) {
        m[i] = decay1 * m[i] + gain1 * g[i];
        v[i] = decay2 * v[i] + gain2 * g[i] * g[i];
        theta[i] -= rate * (m[i] / (std::sqrt(v[i]) / root + epsilon));
    }
}

template <class T>
void sgd_step(double learning_rate, double momentum, std::span<const T> gradient, std::span<T> velocity, std::span<T> parameters) {
    const auto rate = static_cast<T>(learning_rate), keep = static_cast<T>(momentum);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
        T step = gradient[i];
        if (momentum != 0) step = velocity[i] = keep * velocity[i] + step;
        parameters[i] -= rate * step;
    }
}

template <class T>
void clip_norm(double largest, std::span<T> gradient) {
    double squares = 0;
    for (const T g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
    const double factor = largest / (std::sqrt(squares) + 1e-6);
    if (factor >= 1) return;  // false for NaN, which must spread
    for (T& g : gradient) g *= static_cast<T>(factor);
}

template <class T>
bool all_finite(std::span<const T> values) {
    int bad = 0;
    for (const T value : values) bad |= std::fabs(value) <= std::numeric_limits<T>::max() ? 0 : 1;  // false for NaN
    return bad == 0;
}

template void adam_step(double, int64_t, std::span<const float>, std::span<float>, std::span<float>, std::span<float>);
template void adam_step(double, int64_t, std::span<const double>, std::span<double>, std::span<double>, std::span<double>);
template void sgd_step(double, double, std::span<const float>, std::span<float>, std::span<float>);
template void sgd_step(double, double, std::span<const double>, std::span<double>, std::span<double>);
template void clip_norm(double, std::span<float>);
template void clip_norm(double, std::span<double>);
template bool all_finite(std::span<const float>);
template bool all_finite(std::span<const double>);

}  // namespace aelle::learn
