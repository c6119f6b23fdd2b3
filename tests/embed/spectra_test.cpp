#include "aelle/embed/spectra.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "aelle/embed/transform.hpp"

namespace aelle::embed {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Interpolation, LinearReproducesStraightLinesExactlyInPosition) {
    const std::vector<double> line{3.0, 1.0, -1.0, -3.0, -5.0};  // 3 - 2 position
    for (const int64_t length : {2, 3, 5, 8, 64}) {
        const auto samples = interpolate_linear(line, length);
        for (int64_t j = 0; j < length; ++j) {
            const double position = 4.0 * static_cast<double>(j) / static_cast<double>(length - 1);
            EXPECT_NEAR(samples[static_cast<std::size_t>(j)], 3.0 - 2.0 * position, 1e-14) << length << " " << j;
        }
    }
}

TEST(Interpolation, LinearTakesNeighboursOfACurve) {
    const std::vector<double> curve{0.0, -1.0, -9.0};
    const auto samples = interpolate_linear(curve, 4);  // positions 0, 2/3, 4/3, 2
    EXPECT_NEAR(samples[1], -2.0 / 3.0, 1e-15);
    EXPECT_NEAR(samples[2], -1.0 - 8.0 / 3.0, 1e-15);
    EXPECT_EQ(samples[3], -9.0);
}

TEST(Interpolation, SameLengthCopiesEvenInfinity) {
    const std::vector<double> spectrum{0.1, -0.3, -infinity};
    EXPECT_EQ(interpolate_linear(spectrum, 3), spectrum);
    const auto finer = interpolate_linear(spectrum, 5);
    EXPECT_EQ(finer[2], -0.3);
    EXPECT_EQ(finer[3], -infinity);
    EXPECT_EQ(finer[4], -infinity);
}

TEST(Interpolation, ASingleExponentFillsTheLength) {
    EXPECT_EQ(interpolate_linear(std::vector{-0.5}, 3), (std::vector{-0.5, -0.5, -0.5}));
    EXPECT_EQ(interpolate_linear(std::vector{-0.5, -0.7}, 1), (std::vector{-0.5}));
    EXPECT_EQ(interpolate_doubling(std::vector{-0.5}, 4), (std::vector{-0.5, -0.5, -0.5, -0.5}));
}

TEST(Interpolation, DoublingPutsMidpointsBetweenAndExtrapolatesTheLast) {
    const std::vector<double> spectrum{4.0, 2.0, -2.0};
    EXPECT_EQ(interpolate_doubling(spectrum, 6), (std::vector{4.0, 3.0, 2.0, 0.0, -2.0, -4.0}));
    // Twice: a straight line stays one.
    const auto line = interpolate_doubling(std::vector{0.0, -4.0}, 8);
    for (int j = 0; j < 8; ++j) EXPECT_EQ(line[static_cast<std::size_t>(j)], -static_cast<double>(j));
}

TEST(Interpolation, DoublingRefusesOtherLengths) {
    EXPECT_THROW(interpolate_doubling(std::vector{1.0, 0.0, -1.0}, 8), DataError);
    EXPECT_THROW(interpolate_doubling(std::vector{1.0, 0.0, -1.0}, 2), DataError);
}

TEST(Spectra, OnlyNanAndPlusInfinityAreUnusable) {
    EXPECT_TRUE(is_usable(std::vector{0.0, -infinity}));
    EXPECT_FALSE(is_usable(std::vector{0.0, std::nan("")}));
    EXPECT_FALSE(is_usable(std::vector{infinity, 0.0}));
    EXPECT_FALSE(is_usable(std::vector<double>{}));
}

TEST(Spectra, FloorRaisesAndCounts) {
    std::vector<double> spectrum{0.0, -500.0, -500.1, -infinity};
    EXPECT_EQ(raise_to_floor(spectrum, -500.0), 2);
    EXPECT_EQ(spectrum, (std::vector{0.0, -500.0, -500.0, -500.0}));
}

TEST(Spectra, StatisticsByHand) {
    const auto s = statistics(std::vector{1.0, 0.0, -1.5, -3.5});
    EXPECT_DOUBLE_EQ(s.mean, -1.0);
    EXPECT_DOUBLE_EQ(s.maximum, 1.0);
    EXPECT_DOUBLE_EQ(s.deviation, std::sqrt((4.0 + 1.0 + 0.25 + 6.25) / 4.0));
    EXPECT_DOUBLE_EQ(s.kaplan_yorke, 2.0 + 1.0 / 1.5);
}

TEST(Spectra, KaplanYorkeOfKnownSystems) {
    EXPECT_NEAR(kaplan_yorke_dimension(std::vector{0.419217, -1.623190}), 1.258267, 1e-5);  // Henon map, 1 + l1 / |l2|
    EXPECT_EQ(kaplan_yorke_dimension(std::vector{-0.1, -0.2}), 0.0);                       // fixed point
    EXPECT_EQ(kaplan_yorke_dimension(std::vector{0.0, -0.2}), 1.0);                        // limit cycle
    EXPECT_EQ(kaplan_yorke_dimension(std::vector{0.5, -0.2}), 2.0);                        // leading exponents only
    EXPECT_EQ(kaplan_yorke_dimension(std::vector{0.5, -infinity}), 1.0);
}

TEST(Transform, SignedLogarithmByHandAndOneScaleForAll) {
    SpectrumScaler scaler{SpectrumTransform::signed_log, 0.05, 0.0, 1.0};
    EXPECT_DOUBLE_EQ(scaler.apply(0.1), std::log(3.0));
    EXPECT_DOUBLE_EQ(scaler.apply(-0.1), -std::log(3.0));
    EXPECT_EQ(scaler.apply(0.0), 0.0);
    EXPECT_NEAR(scaler.apply(-500.0), -std::log(10001.0), 1e-12);

    Matrix<double> spectra(2, 2);
    spectra(0, 0) = 0.1;
    spectra(1, 0) = -0.1;
    spectra(0, 1) = 0.0;
    spectra(1, 1) = -1.0;
    scaler.fit(std::as_const(spectra).view());
    const double g[4] = {std::log(3.0), -std::log(3.0), 0.0, -std::log(21.0)};
    const double mean = (g[0] + g[1] + g[2] + g[3]) / 4.0;
    double variance = 0.0;
    for (const double x : g) variance += (x - mean) * (x - mean) / 4.0;
    const auto scaled = scaler.apply(std::as_const(spectra).view());
    for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(scaled.data()[i], (g[i] - mean) / std::sqrt(variance), 1e-13);
}

TEST(Transform, TargetIsCappedLogarithmAndInverts) {
    TargetScaler scaler{TargetTransform::log, 10.0, 0.0, 1.0};
    EXPECT_DOUBLE_EQ(scaler.apply(2.0), std::log(2.0));
    EXPECT_DOUBLE_EQ(scaler.apply(1e18), std::log(10.0));
    EXPECT_DOUBLE_EQ(scaler.apply(infinity), std::log(10.0));
    EXPECT_DOUBLE_EQ(scaler.apply(std::nan("")), std::log(10.0));  // a diverged variant
    EXPECT_TRUE(std::isfinite(scaler.apply(0.0)));
    scaler.fit(std::vector{1.0, std::exp(2.0)});
    EXPECT_NEAR(scaler.apply(1.0), -1.0, 1e-15);
    EXPECT_NEAR(scaler.apply(std::exp(2.0)), 1.0, 1e-15);
    for (const double loss : {0.01, 0.7, 9.0}) EXPECT_NEAR(scaler.invert(scaler.apply(loss)), loss, 1e-14 * loss + 1e-15);
    TargetScaler raw{TargetTransform::raw, 10.0, 0.0, 1.0};
    EXPECT_EQ(raw.apply(0.25), 0.25);
    EXPECT_EQ(raw.apply(20.0), 10.0);
}

TEST(Transform, ConstantValuesAreOnlyShifted) {
    TargetScaler target;
    target.fit(std::vector(7, 0.3));
    EXPECT_EQ(target.factor, 1.0);
    EXPECT_NEAR(target.apply(0.3), 0.0, 1e-14);
    SpectrumScaler spectrum;
    const Matrix<double> zero(4, 3);
    spectrum.fit(zero.view());
    EXPECT_EQ(spectrum.factor, 1.0);
}

TEST(Choices, NamesGoBothWaysAndUnknownOnesAreRefused) {
    EXPECT_EQ(name_of(SpectrumTransform::signed_log), "signed-log");
    EXPECT_EQ(from_name<BoundarySet>("validation"), BoundarySet::validation);
    EXPECT_THROW(from_name<FitEpochs>("first"), DataError);
}

}  // namespace
}  // namespace aelle::embed
