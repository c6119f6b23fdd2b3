// Exponents known on paper.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "tests/fixtures/random_network.hpp"
#include "tests/lyapunov/systems.hpp"

namespace aelle::lyapunov {
namespace {

using namespace test;
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Spectrum, OfAConstantMatrixIsLogOfItsEigenvalues) {
    // similar to diag(3, -1.5, 0.5, 0.01) by a unit lower triangular matrix
    const std::vector<double> eigenvalues = {3, -1.5, 0.5, 0.01};
    const Matrix<double> s = matrix(4, {1, 0, 0, 0, 0.7, 1, 0, 0, -0.4, 0.3, 1, 0, 0.2, -1.1, 0.6, 1});
    Matrix<double> inverse(4, 4), a(4, 4);
    for (int64_t j = 0; j < 4; ++j) {  // forward substitution
        for (int64_t i = 0; i < 4; ++i) {
            inverse(i, j) = i == j ? 1.0 : 0.0;
            for (int64_t k = 0; k < i; ++k) inverse(i, j) -= s(i, k) * inverse(k, j);
        }
    }
    for (int64_t i = 0; i < 4; ++i)
        for (int64_t j = 0; j < 4; ++j)
            for (int64_t k = 0; k < 4; ++k) a(i, j) += s(i, k) * eigenvalues[k] * inverse(k, j);
    for (const int64_t interval : {0, 1, 3}) {
        MatrixProduct<double> system({a});
        const Spectrum found = spectrum_of(system, {.steps = 200, .warmup = 100, .interval = interval});
        const double tolerance = interval == 3 ? 1e-8 : 1e-11;  // rounding grows by (3 / 0.01)^3 in a block of three
        for (std::size_t i = 0; i < 4; ++i) {
            EXPECT_NEAR(found.exponents[i], std::log(std::fabs(eigenvalues[i])), tolerance) << interval;
            EXPECT_TRUE(found.reliable[i]);
        }
        EXPECT_LT(found.logdet_defect, tolerance);
    }
}

TEST(Spectrum, OfARotationPairIsTheLogOfTheModulus) {
    MatrixProduct<double> system({matrix(2, {0.6, -0.9, 0.9, 0.6})});
    const Spectrum found = spectrum_of(system, {.steps = 50});
    EXPECT_NEAR(found.exponents[0], 0.5 * std::log(0.36 + 0.81), 1e-13);
    EXPECT_NEAR(found.exponents[1], 0.5 * std::log(0.36 + 0.81), 1e-13);
}

TEST(Spectrum, OfTheHenonMap) {
    Henon system;
    const Spectrum found = spectrum_of(system, {.steps = 200000, .warmup = 1000});
    EXPECT_NEAR(found.exponents[0], 0.4192, 2e-3);
    EXPECT_NEAR(found.exponents[0] + found.exponents[1], std::log(0.3), 1e-12);
    EXPECT_TRUE(found.reliable[0] && found.reliable[1]);
}

/// Three unlike matrices in turn: log|eigenvalues of C B A| / 3, from the characteristic polynomial of the product.
TEST(Spectrum, OfAPeriodThreeProductIsThatOfTheProductAndNotOfItsTranspose) {
    const std::vector<Matrix<double>> in_turn = {matrix(2, {2, 1, 0, 1}), matrix(2, {1, 0, 3, 1}), matrix(2, {0, 1, -1, 2})};
    const auto exponents_of_product = [&](bool transpose) {
        Matrix<double> p = matrix(2, {1, 0, 0, 1});
        for (const Matrix<double>& original : in_turn) {
            const Matrix<double> m = transpose ? transposed(original) : original;
            Matrix<double> next(2, 2);
            for (int64_t i = 0; i < 2; ++i)
                for (int64_t j = 0; j < 2; ++j) next(i, j) = m(i, 0) * p(0, j) + m(i, 1) * p(1, j);
            p = next;
        }
        const double trace = p(0, 0) + p(1, 1), det = p(0, 0) * p(1, 1) - p(0, 1) * p(1, 0), root = trace * trace / 4 - det;
        EXPECT_GT(root, 0.0);  // real and distinct
        const double large = std::fabs(trace / 2) + std::sqrt(root);
        return std::array<double, 2>{std::log(large) / 3, std::log(std::fabs(det / large)) / 3};
    };
    const auto right = exponents_of_product(false), wrong = exponents_of_product(true);
    ASSERT_GT(std::fabs(right[0] - wrong[0]), 0.05);  // a transposed Jacobian would be noticed
    for (const int64_t interval : {0, 1, 2, 3, 7}) {
        MatrixProduct<double> system(in_turn);
        const Spectrum found = spectrum_of(system, {.steps = 300, .warmup = 30, .interval = interval});
        EXPECT_NEAR(found.exponents[0], right[0], 1e-10) << interval;
        EXPECT_NEAR(found.exponents[1], right[1], 1e-10) << interval;
    }
}

/// M = 0 at x = 0: J = (1 - dt) I + dt w_f w_o^T.
TEST(Spectrum, OfARankOneNetworkAtItsFixedPoint) {
    constexpr int64_t n = 12;
    cells::Parameters parameters;
    parameters.tensors["weight_hh_l0"].assign(n * n, 0.0);
    parameters.tensors["weight_fb"] = fixtures::random_vector(n, 1.0, 3);
    parameters.tensors["weight_out"] = fixtures::random_vector(n, 1.0, 4);
    const cells::CellSpec& cell = cells::find_cell("rank1");
    cells::complete(cell, {.hidden = n}, parameters);
    double dot = 0;
    for (int64_t i = 0; i < n; ++i) dot += parameters.tensors["weight_fb"][i] * parameters.tensors["weight_out"][i];
    std::vector<double> expected(n - 1, std::log(0.9));
    expected.push_back(std::log(std::fabs(0.9 + 0.1 * dot)));
    std::sort(expected.rbegin(), expected.rend());
    for (const bool random_start : {false, true}) {
        const auto system = network_system<double>(cpu().network(cell, {.hidden = n}, parameters, backend::TangentSpace::full), {},
                                                   std::vector<double>(n, 0.0));
        const Spectrum found = spectrum_of(*system, {.steps = 2000, .warmup = 3000, .random_start = random_start, .seed = 7});
        for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(found.exponents[i], expected[i], 1e-10);
    }
}

TEST(Spectrum, OfSingularJacobiansKeepsTheOthers) {
    for (const int64_t interval : {0, 1}) {
        MatrixProduct<double> system({matrix(3, {2, 0, 0, 0, 0, 0, 0, 0, 0.5})});
        const Spectrum found = spectrum_of(system, {.steps = 20, .interval = interval});
        EXPECT_NEAR(found.exponents[0], std::log(2.0), 1e-14);
        EXPECT_NEAR(found.exponents[1], std::log(0.5), 1e-14);
        EXPECT_EQ(found.exponents[2], -infinity);
        EXPECT_TRUE(found.finite);
        for (const uint8_t reliable : found.reliable) EXPECT_TRUE(reliable);
        EXPECT_EQ(found.logdet_defect, 0.0);
    }
}

TEST(Spectrum, OfADenseMatrixOfRankTwoHasTheTwoRight) {
    // columns 0 and 1, and their sum: eigenvalues 2, 0.5 and 0, hidden from the eye by a rotation-free similarity
    const Matrix<double> a = matrix(3, {2, 0.5, 2.5, 0, 0.5, 0.5, 0, 0, 0});
    MatrixProduct<double> system({a});
    const Spectrum found = spectrum_of(system, {.steps = 200, .warmup = 100});
    EXPECT_NEAR(found.exponents[0], std::log(2.0), 1e-12);
    EXPECT_NEAR(found.exponents[1], std::log(0.5), 1e-12);
    EXPECT_EQ(found.exponents[2], -infinity);
}

TEST(Spectrum, OfTheZeroMatrixIsMinusInfinity) {
    MatrixProduct<double> system({Matrix<double>(3, 3)});
    const Spectrum found = spectrum_of(system, {.steps = 5});
    for (const double x : found.exponents) EXPECT_EQ(x, -infinity);
    EXPECT_TRUE(found.finite);
}

}  // namespace
}  // namespace aelle::lyapunov
