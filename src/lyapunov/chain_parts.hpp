#pragma once
/// How chains begin and what is told of them at their end, wherever they run.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/random.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::lyapunov {

/// Q_0 of SpectrumOptions::random_start: Q of a Gaussian matrix. `log_r` (columns) is overwritten.
template <class T>
void draw_tangents(const backend::Backend& backend, uint64_t seed, MatrixView<T> q, std::span<double> log_r,
                   backend::Backend::QrWork& work) {
    RandomStream random(seed, 0, Purpose::tangent);
    for (int64_t j = 0; j < q.cols; ++j)
        for (int64_t i = 0; i < q.rows; ++i) q(i, j) = static_cast<T>(random.normal());
    backend.qr(backend::QrMethod::accurate, q, log_r, work);
}

/// Exponents log_sum / steps, descending if `sorted`, and which are reliable: those whose error is at most `limit`.
inline void tell(std::span<const double> log_sum, std::span<const double> error, double steps, double limit, bool sorted,
                 Spectrum& spectrum) {
    std::vector<double> mean(log_sum.begin(), log_sum.end());
    for (double& exponent : mean) exponent /= steps;
    std::vector<std::size_t> order(mean.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (sorted) std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return mean[a] > mean[b]; });
    for (std::size_t j = 0; j < order.size(); ++j) {
        spectrum.exponents[j] = mean[order[j]];
        spectrum.reliable[j] = error[order[j]] <= limit;
    }
}

}  // namespace aelle::lyapunov
