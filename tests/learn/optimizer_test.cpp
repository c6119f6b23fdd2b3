// Parameter updates against the published formulas in long double.
#include "src/learn/optimizer.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "aelle/base/random.hpp"

namespace aelle::test {
namespace {

/// Ten gradients whose elements reach from 1e-6 to 10.
std::vector<float> gradient(int step) {
    std::vector<float> g;
    RandomStream random(1, static_cast<uint64_t>(step), Purpose::noise);
    for (int i = 0; i < 57; ++i) g.push_back(static_cast<float>(random.normal() * std::pow(10.0, i % 8 - 6)));
    return g;
}

TEST(Optimizer, AdamIsPytorchs) {
    const double lr = 0.01;
    std::vector<float> m(57), v(57), theta(57, 0.5f);
    std::vector<long double> rm(57), rv(57), rtheta(57, 0.5L);
    for (int t = 1; t <= 10; ++t) {
        const std::vector<float> g = gradient(t);
        learn::adam_step<float>(lr, t, g, m, v, theta);
        for (std::size_t i = 0; i < g.size(); ++i) {
            rm[i] = 0.9L * rm[i] + 0.1L * g[i];
            rv[i] = 0.999L * rv[i] + 0.001L * g[i] * g[i];
            const long double mean = rm[i] / (1 - std::pow(0.9L, t)), square = rv[i] / (1 - std::pow(0.999L, t));
            rtheta[i] -= lr * mean / (std::sqrt(square) + 1e-8L);
            EXPECT_NEAR(theta[i], static_cast<double>(rtheta[i]), 1e-6) << t << " " << i;
        }
    }
}

// Where the gradient is of the size of epsilon, the place of epsilon shows: (1 - b1) g / (1 - b1) over sqrt(v / (1 - b2)) + 1e-8.
TEST(Optimizer, AdamAddsEpsilonAfterTheCorrectedRoot) {
    std::vector<float> m(1), v(1), theta(1, 0.0f);
    learn::adam_step<float>(1.0, 1, std::vector<float>{1e-8f}, m, v, theta);
    EXPECT_NEAR(theta[0], -0.5, 1e-4);
}

TEST(Optimizer, SgdKeepsVelocityAsPytorchDoes) {
    for (const double momentum : {0.0, 0.9}) {
        std::vector<float> velocity(57), theta(57, 1.0f);
        std::vector<long double> rv(57), rtheta(57, 1.0L);
        for (int t = 1; t <= 10; ++t) {
            const std::vector<float> g = gradient(t);
            learn::sgd_step<float>(0.1, momentum, g, velocity, theta);
            for (std::size_t i = 0; i < g.size(); ++i) {
                rv[i] = t == 1 ? g[i] : momentum * rv[i] + g[i];
                rtheta[i] -= 0.1L * rv[i];
                EXPECT_NEAR(theta[i], static_cast<double>(rtheta[i]), 2e-6 * (1 + std::fabs(static_cast<double>(rtheta[i]))));
            }
        }
    }
}

TEST(Optimizer, ClippingScalesOnlyLargeGradients) {
    std::vector<double> g{3.0, 4.0};
    learn::clip_norm<double>(10.0, g);
    EXPECT_EQ(g, (std::vector<double>{3.0, 4.0}));
    learn::clip_norm<double>(1.0, g);
    EXPECT_NEAR(g[0], 3.0 / (5.0 + 1e-6), 1e-15);
    EXPECT_NEAR(g[1], 4.0 / (5.0 + 1e-6), 1e-15);
    g = {std::numeric_limits<double>::quiet_NaN(), 1.0};
    learn::clip_norm<double>(1.0, g);
    EXPECT_TRUE(std::isnan(g[1]));
}

TEST(Optimizer, FiniteMeansNeitherInfiniteNorNan) {
    std::vector<float> values(100, 3e38f);
    EXPECT_TRUE(learn::all_finite<float>(values));
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        values[41] = bad;
        EXPECT_FALSE(learn::all_finite<float>(values));
    }
}

}  // namespace
}  // namespace aelle::test
