#include "aelle/embed/pca.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"

namespace aelle::embed {
namespace {

TEST(Pca, FindsTheAxesOfAKnownCovariance) {
    // Four points whose covariance is exactly V diag(8, 2) V^T (divided by n - 1 = 3), V = rotation with cos 0.6, sin 0.8.
    const double r1 = std::sqrt(12.0), r2 = std::sqrt(3.0);
    const double along[4][2] = {{r1, 0}, {-r1, 0}, {0, r2}, {0, -r2}};
    Matrix<double> samples(2, 4);
    for (int64_t j = 0; j < 4; ++j) {
        samples(0, j) = 5.0 + 0.6 * along[j][0] - 0.8 * along[j][1];
        samples(1, j) = -3.0 + 0.8 * along[j][0] + 0.6 * along[j][1];
    }
    const Pca pca = fit_pca(std::as_const(samples).view());
    EXPECT_NEAR(pca.mean[0], 5.0, 1e-14);
    EXPECT_NEAR(pca.mean[1], -3.0, 1e-14);
    EXPECT_NEAR(pca.variance[0], 8.0, 1e-13);
    EXPECT_NEAR(pca.variance[1], 2.0, 1e-13);
    EXPECT_NEAR(pca.axes(0, 0), 0.6, 1e-14);
    EXPECT_NEAR(pca.axes(1, 0), 0.8, 1e-14);   // largest loading positive
    EXPECT_NEAR(pca.axes(0, 1), 0.8, 1e-14);
    EXPECT_NEAR(pca.axes(1, 1), -0.6, 1e-14);
    const Matrix<double> scores = pca.project(std::as_const(samples).view(), 1);
    EXPECT_NEAR(scores(0, 0), r1, 1e-13);
    EXPECT_NEAR(scores(0, 2), 0.0, 1e-13);
}

TEST(Pca, AllAxesReconstructTheSamples) {
    RandomStream random(1, 2, Purpose::noise);
    Matrix<double> samples(7, 5);  // fewer samples than dimensions
    for (int64_t i = 0; i < samples.size(); ++i) samples.data()[i] = random.normal();
    const Pca pca = fit_pca(std::as_const(samples).view());
    const Matrix<double> scores = pca.project(std::as_const(samples).view(), 4);  // rank of five centred samples
    for (int64_t j = 0; j < 5; ++j) {
        for (int64_t i = 0; i < 7; ++i) {
            double value = pca.mean[static_cast<std::size_t>(i)];
            for (int64_t k = 0; k < 4; ++k) value += pca.axes(i, k) * scores(k, j);
            EXPECT_NEAR(value, samples(i, j), 1e-12);
        }
    }
    for (int64_t a = 0; a < 7; ++a) {
        for (int64_t b = 0; b < 7; ++b) {
            double dot = 0.0;
            for (int64_t i = 0; i < 7; ++i) dot += pca.axes(i, a) * pca.axes(i, b);
            EXPECT_NEAR(dot, a == b ? 1.0 : 0.0, 1e-12);
        }
    }
}

TEST(Pca, RefusesNoSamplesAndNumbersThatAreNone) {
    const Matrix<double> none(3, 0);
    EXPECT_THROW(fit_pca(none.view()), DataError);
    Matrix<double> bad(2, 2);
    bad(1, 1) = std::nan("");
    EXPECT_THROW(fit_pca(std::as_const(bad).view()), DataError);
}

TEST(Ridge, RecoversALinearRule) {
    RandomStream random(3, 0, Purpose::noise);
    Matrix<double> x(3, 30);
    std::vector<double> y;
    for (int64_t j = 0; j < 30; ++j) {
        for (int64_t i = 0; i < 3; ++i) x(i, j) = random.normal() * std::pow(10.0, static_cast<double>(i));
        y.push_back(4.0 + 2.0 * x(0, j) - 0.5 * x(1, j) + 0.01 * x(2, j));
    }
    const LinearModel model = fit_ridge(std::as_const(x).view(), y, 0.0);
    EXPECT_NEAR(model.intercept, 4.0, 1e-12);
    EXPECT_NEAR(model.weights[0], 2.0, 1e-12);
    EXPECT_NEAR(model.weights[1], -0.5, 1e-12);
    EXPECT_NEAR(model.weights[2], 0.01, 1e-12);
}

TEST(Ridge, OneFeatureShrinksByTheClosedForm) {
    Matrix<double> x(1, 4);
    const std::vector<double> y{1.0, 2.0, 2.0, 7.0};
    for (int64_t j = 0; j < 4; ++j) x(0, j) = static_cast<double>(2 * j);  // mean 3, variance 5
    const LinearModel model = fit_ridge(std::as_const(x).view(), y, 0.25);
    // Standardised: w = cov(x, y) / sd / (1 + penalty); cov = mean(x y) - 3 * 3.
    const double covariance = (0.0 + 4.0 + 8.0 + 42.0) / 4.0 - 9.0;
    EXPECT_NEAR(model.weights[0], covariance / 5.0 / 1.25, 1e-13);
    EXPECT_NEAR(model.intercept, 3.0 - 3.0 * model.weights[0], 1e-13);
}

TEST(Ridge, MinimumNormSplitsEqualFeaturesAndIgnoresConstantOnes) {
    Matrix<double> x(3, 3);  // more features than the rank of the samples
    for (int64_t j = 0; j < 3; ++j) {
        x(0, j) = x(1, j) = static_cast<double>(j);
        x(2, j) = 7.5;
    }
    const LinearModel model = fit_ridge(std::as_const(x).view(), std::vector{0.0, 1.0, 2.0}, 0.0);
    EXPECT_NEAR(model.weights[0], 0.5, 1e-12);
    EXPECT_NEAR(model.weights[1], 0.5, 1e-12);
    EXPECT_EQ(model.weights[2], 0.0);
    EXPECT_NEAR(model.predict(x.column(2)), 2.0, 1e-12);
}

}  // namespace
}  // namespace aelle::embed
