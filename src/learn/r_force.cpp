#include "aelle/learn/r_force.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

namespace aelle::learn {
namespace {

constexpr std::size_t circles = 4;
using Counts = std::array<int64_t, circles>;

/// floor(share of `all`) for the first circles, shares in proportion to the weights; one infinite weight takes everything.
int64_t share_of(const std::vector<double>& weights, std::size_t circle, int64_t all) {
    if (std::isinf(weights[circle])) return all;
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    return static_cast<int64_t>(weights[circle] / sum * static_cast<double>(all));
}

Counts counts_of(const std::array<double, circles>& radius, double gain, int64_t pairs) {
    Counts counts{};
    std::vector<double> weights;
    if (radius[3] > 1.55) {
        const auto inner = static_cast<int64_t>(0.99 * static_cast<double>(pairs));
        for (std::size_t c = 0; c < 3; ++c) weights.push_back(std::pow(std::fabs(radius[c] - 1.15), -2.0 * gain));
        for (std::size_t c = 0; c < 2; ++c) counts[c] = std::max(share_of(weights, c, inner), inner / 10);
        counts[1] = std::min(counts[1], inner - counts[0]);
        counts[2] = inner - counts[0] - counts[1];
        counts[3] = pairs - inner;
        return counts;
    }
    for (std::size_t c = 0; c < circles; ++c) weights.push_back(1.0 + std::tanh(-2.0 * std::fabs(radius[c] - 1.15)));
    counts[3] = pairs;
    for (std::size_t c = 0; c < 3; ++c) {
        counts[c] = share_of(weights, c, pairs);
        counts[3] -= counts[c];
    }
    return counts;
}

using Range = std::array<double, 2>;

std::array<Range, circles> angles_of(double gain) {
    constexpr double pi = std::numbers::pi;
    const Range outer = gain < 1.4 ? Range{0.0, 1.2 * pi / (3.0 * gain * gain)} : Range{0.4 * pi, 0.6 * pi};
    if (gain < 1.8) return {Range{0.02, pi / 3.0}, Range{pi / 3.0, 2.0 * pi / 3.0}, Range{2.0 * pi / 3.0, pi - 0.02}, outer};
    return {Range{0.8 * pi, pi - 0.02}, Range{0.4 * pi, 0.8 * pi}, Range{0.02, 0.4 * pi}, outer};
}

/// Rows of a random orthogonal matrix: Gaussian ones, each made orthogonal to those before it, twice, as once leaves rounding.
std::vector<double> random_orthogonal(int64_t n, RandomStream& random) {
    std::vector<double> rows(static_cast<std::size_t>(n * n));
    for (double& value : rows) value = random.normal();
    for (int64_t i = 0; i < n; ++i) {
        double* row = rows.data() + i * n;
        for (int pass = 0; pass < 2; ++pass) {
            for (int64_t k = 0; k < i; ++k) {
                const double* other = rows.data() + k * n;
                const double dot = std::inner_product(row, row + n, other, 0.0);
                for (int64_t j = 0; j < n; ++j) row[j] -= dot * other[j];
            }
        }
        const double length = std::sqrt(std::inner_product(row, row + n, row, 0.0));
        for (int64_t j = 0; j < n; ++j) row[j] /= length;
    }
    return rows;
}

}  // namespace

std::vector<std::complex<double>> r_force_eigenvalues(int64_t hidden, double gain) {
    const std::array<double, circles> radius{0.9 * gain, 0.7 * gain, 0.72 * gain, 1.2 * gain};
    const Counts counts = counts_of(radius, gain, hidden / 2);
    const auto angles = angles_of(gain);
    std::vector<std::complex<double>> values;
    for (std::size_t c = 0; c < circles; ++c) {
        const double step = counts[c] > 1 ? (angles[c][1] - angles[c][0]) / static_cast<double>(counts[c] - 1) : 0.0;
        for (int64_t i = 0; i < counts[c]; ++i) values.push_back(std::polar(radius[c], angles[c][0] + step * static_cast<double>(i)));
    }
    return values;
}

std::vector<double> r_force_weights(int64_t hidden, double gain, RandomStream& random) {
    const std::vector<double> vectors = random_orthogonal(hidden, random);
    const auto values = r_force_eigenvalues(hidden, gain);
    std::vector<double> m(vectors.size(), 0.0);
    for (std::size_t pair = 0; pair < values.size(); ++pair) {
        const double* a = vectors.data() + 2 * pair * static_cast<std::size_t>(hidden);
        const double* b = a + hidden;
        const double c = values[pair].real(), s = values[pair].imag();
        for (int64_t i = 0; i < hidden; ++i) {
            const double of_a = c * a[i] - s * b[i], of_b = c * b[i] + s * a[i];
            double* row = m.data() + i * hidden;
            for (int64_t j = 0; j < hidden; ++j) row[j] += of_a * a[j] + of_b * b[j];
        }
    }
    return m;
}

}  // namespace aelle::learn
