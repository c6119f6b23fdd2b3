// Recurrent weights of R-FORCE: counts by hand, eigenvalues through the traces of powers, normality.

#include "aelle/learn/r_force.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

namespace aelle::learn {
namespace {

using Complex = std::complex<double>;

std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b, int64_t n) {
    std::vector<double> c(a.size(), 0.0);
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t k = 0; k < n; ++k) {
            for (int64_t j = 0; j < n; ++j)
                c[static_cast<std::size_t>(i * n + j)] += a[static_cast<std::size_t>(i * n + k)] * b[static_cast<std::size_t>(k * n + j)];
        }
    }
    return c;
}

std::vector<double> transposed(const std::vector<double>& a, int64_t n) {
    std::vector<double> t(a.size());
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) t[static_cast<std::size_t>(j * n + i)] = a[static_cast<std::size_t>(i * n + j)];
    }
    return t;
}

double trace(const std::vector<double>& a, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += a[static_cast<std::size_t>(i * n + i)];
    return sum;
}

/// Pairs on the circle of that radius.
int64_t on_circle(const std::vector<Complex>& values, double radius) {
    int64_t count = 0;
    for (const Complex value : values) count += std::fabs(std::abs(value) - radius) < 1e-12;
    return count;
}

TEST(RForce, PairsAreSharedAmongTheCirclesAsTheRuleSays) {
    // N 512: 256 pairs, 253 of them inside where 1.2 g > 1.55.
    struct Case {
        double gain;
        int64_t first, second, third, outer;
    };
    for (const Case& c : {Case{1.3, 252, 1, 0, 3},       // |r - 1.15|^(-2 g): 26141, 40.9, 55.1: next to nothing is left for the others
                          Case{1.5, 25, 62, 166, 3},     // 125, 1000, 2915.5: the first raised from 7 to a tenth
                          Case{1.8, 25, 185, 43, 3},     // 15.2, 2824.8, 1019.4
                          Case{2.0, 25, 160, 68, 3}}) {  // 5.6, 256, 141.4
        const auto values = r_force_eigenvalues(512, c.gain);
        ASSERT_EQ(values.size(), 256u);
        EXPECT_EQ(on_circle(values, 0.9 * c.gain), c.first) << c.gain;
        EXPECT_EQ(on_circle(values, 0.7 * c.gain), c.second) << c.gain;
        EXPECT_EQ(on_circle(values, 0.72 * c.gain), c.third) << c.gain;
        EXPECT_EQ(on_circle(values, 1.2 * c.gain), c.outer) << c.gain;
    }
    // g 1.1: 1 + tanh(-2 |r - 1.15|) of .99, .77, .792, 1.32 is .6905, .3589, .3856, .6725 of 2.1075: 83, 43, 46 of 256, the rest outside.
    const auto small = r_force_eigenvalues(512, 1.1);
    EXPECT_EQ(on_circle(small, 0.99), 83);
    EXPECT_EQ(on_circle(small, 0.77), 43);
    EXPECT_EQ(on_circle(small, 0.792), 46);
    EXPECT_EQ(on_circle(small, 1.32), 84);
}

TEST(RForce, CirclesThatPassThroughTheSingularRadiusKeepTheCounts) {
    for (const double gain : {1.15 / 0.9, 1.15 / 0.7, 1.15 / 0.72, 1.3, 1.6, 3.0}) {
        for (const int64_t hidden : {2, 3, 10, 200})
            EXPECT_EQ(r_force_eigenvalues(hidden, gain).size(), static_cast<std::size_t>(hidden / 2)) << gain;
    }
}

TEST(RForce, AnglesFillTheirRanges) {
    const auto values = r_force_eigenvalues(512, 1.5);
    EXPECT_NEAR(std::arg(values[0]), 0.02, 1e-12);
    EXPECT_NEAR(std::arg(values[24]), std::numbers::pi / 3, 1e-12);
    EXPECT_NEAR(std::arg(values[24 + 62 + 166]), std::numbers::pi - 0.02, 1e-12);
    EXPECT_NEAR(std::arg(values[253]), 0.4 * std::numbers::pi, 1e-12);
    EXPECT_NEAR(std::arg(values[255]), 0.6 * std::numbers::pi, 1e-12);
    EXPECT_NEAR(std::arg(r_force_eigenvalues(512, 1.9)[0]), 0.8 * std::numbers::pi, 1e-12);
}

/// The first N power sums fix the eigenvalues of an N x N matrix.
TEST(RForce, WeightsHaveTheEigenvaluesAskedForAndAreNormal) {
    for (const int64_t n : {11, 12}) {
        for (const double gain : {1.1, 1.5, 2.0}) {
            RandomStream random(7, 0, Purpose::weights);
            const std::vector<double> m = r_force_weights(n, gain, random);
            const auto values = r_force_eigenvalues(n, gain);
            std::vector<double> power = m;
            std::vector<Complex> powers = values;
            for (int64_t k = 1; k <= n; ++k) {
                double expected = 0, size = 0;
                for (const Complex value : powers) {
                    expected += 2.0 * value.real();
                    size += 2.0 * std::abs(value);
                }
                EXPECT_NEAR(trace(power, n), expected, 1e-12 * size) << n << " " << gain << " " << k;
                power = product(power, m, n);
                for (std::size_t i = 0; i < values.size(); ++i) powers[i] *= values[i];
            }
            const auto left = product(m, transposed(m, n), n), right = product(transposed(m, n), m, n);
            for (std::size_t i = 0; i < left.size(); ++i) EXPECT_NEAR(left[i], right[i], 1e-12);
        }
    }
}

TEST(RForce, IsAFunctionOfTheStream) {
    RandomStream one(7, 0, Purpose::weights), same(7, 0, Purpose::weights), other(8, 0, Purpose::weights);
    const auto m = r_force_weights(20, 1.5, one);
    EXPECT_EQ(m, r_force_weights(20, 1.5, same));
    EXPECT_NE(m, r_force_weights(20, 1.5, other));
}

}  // namespace
}  // namespace aelle::learn
