// Strongly contracting products along a stored trajectory, against 113-bit arithmetic.

#include <gtest/gtest.h>

#include <cmath>

#include "aelle/base/dual.hpp"
#include "aelle/base/nan_max.hpp"
#include "aelle/base/random.hpp"
#include "tests/fixtures/quad.hpp"
#include "tests/lyapunov/systems.hpp"

namespace aelle::lyapunov {
namespace {

using namespace test;

/// J_t = diag(1 - tanh(a_t)^2) W along h' = tanh(a), a = W h + x_t with W ~ U(-p, p): a saturated tanh network.
std::vector<Matrix<double>> saturated_network(int64_t n, int64_t steps, double p, uint64_t seed) {
    RandomStream random(seed, 0, Purpose::weights);
    Matrix<double> w(n, n);
    for (int64_t i = 0; i < n * n; ++i) w.data()[i] = random.uniform(-p, p);
    std::vector<double> h(static_cast<std::size_t>(n), 0.0);
    std::vector<Matrix<double>> jacobians;
    for (int64_t t = 0; t < steps; ++t) {
        Matrix<double> j = w;
        std::vector<double> next(h.size());
        for (int64_t i = 0; i < n; ++i) {
            double a = random.normal();
            for (int64_t k = 0; k < n; ++k) a += w(i, k) * h[k];
            next[i] = std::tanh(a);
            const double slope = tanh_derivative(a);
            for (int64_t k = 0; k < n; ++k) j(i, k) *= slope;
        }
        h = next;
        jacobians.push_back(j);
    }
    return jacobians;
}

std::vector<double> exact_exponents(const std::vector<Matrix<double>>& jacobians) {
    const int64_t n = jacobians.front().rows();
    fixtures::QuadMatrix q(n, n);
    for (int64_t i = 0; i < n; ++i) q(i, i) = 1;
    std::vector<double> sum(static_cast<std::size_t>(n), 0.0);
    for (const Matrix<double>& j : jacobians) {
        fixtures::QuadMatrix exact(n, n);
        std::copy_n(j.data(), n * n, exact.data.begin());
        q = product(exact, q);
        const std::vector<double> logs = fixtures::givens_qr(q);
        for (std::size_t i = 0; i < logs.size(); ++i) sum[i] += logs[i] / static_cast<double>(jacobians.size());
    }
    std::sort(sum.rbegin(), sum.rend());
    return sum;
}

struct Outcome {
    double worst_flagged = 0, worst_unflagged = 0, share_unflagged = 0;
};

Outcome compare(const std::vector<Matrix<double>>& jacobians, const std::vector<double>& exact, backend::QrMethod qr, int64_t interval) {
    MatrixProduct<double> system(jacobians);
    const Spectrum found = spectrum_of(system, {.steps = static_cast<int64_t>(jacobians.size()), .interval = interval, .qr = qr});
    Outcome outcome;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        const double error = std::fabs(found.exponents[i] - exact[i]);
        double& worst = found.reliable[i] ? outcome.worst_unflagged : outcome.worst_flagged;
        worst = nan_max(worst, error);
        outcome.share_unflagged += found.reliable[i] ? 1.0 / static_cast<double>(exact.size()) : 0.0;
    }
    return outcome;
}

TEST(ContractingProducts, AccurateQrIsRightWherePlainQrReturnsNoise) {
    for (const double p : {0.4, 0.8, 1.5, 3.0, 10.0}) {
        for (const uint64_t seed : {1, 2}) {
            const auto jacobians = saturated_network(32, 8, p, seed);
            const std::vector<double> exact = exact_exponents(jacobians);
            for (const int64_t interval : {0, 1}) {
                const Outcome accurate = compare(jacobians, exact, backend::QrMethod::accurate, interval);
                EXPECT_LT(accurate.worst_unflagged, 1e-6) << "p " << p << " seed " << seed;
                EXPECT_GE(accurate.share_unflagged, 0.95) << "p " << p << " seed " << seed;
                const Outcome library = compare(jacobians, exact, backend::QrMethod::library, interval);
                EXPECT_LT(library.worst_unflagged, 1e-6) << "p " << p << " seed " << seed;
                if (p >= 3) {
                    EXPECT_GT(library.worst_flagged, 0.1) << "p " << p;  // noise, and flagged as such
                }
            }
        }
    }
}

}  // namespace
}  // namespace aelle::lyapunov
