// Double-double arithmetic against 113 bits.

#include <gtest/gtest.h>

#include <cmath>

#include "aelle/base/double_double.hpp"
#include "aelle/base/random.hpp"
#include "tests/fixtures/quad.hpp"

namespace aelle {
namespace {

using fixtures::Quad;

Quad wide(const DoubleDouble& a) { return static_cast<Quad>(a.high) + static_cast<Quad>(a.low); }

double relative_error(const DoubleDouble& found, Quad expected) {
    return static_cast<double>(fixtures::absolute(wide(found) - expected) / fixtures::absolute(expected));
}

/// A number of random size with a random low part.
DoubleDouble random_number(RandomStream& random, double spread) {
    const double high = random.normal() * std::exp(spread * random.uniform(-1, 1));
    return DoubleDouble::sum(high, high * 0x1p-53 * random.uniform(-0.9, 0.9));
}

TEST(DoubleDouble, ArithmeticKeeps100Bits) {
    RandomStream random(1, 0, Purpose::weights);
    for (int i = 0; i < 20000; ++i) {
        const DoubleDouble a = random_number(random, 30), b = random_number(random, 30);
        EXPECT_LT(relative_error(a + b, wide(a) + wide(b)), 0x1p-100);
        EXPECT_LT(relative_error(a - b, wide(a) - wide(b)), 0x1p-100);
        EXPECT_LT(relative_error(a * b, wide(a) * wide(b)), 0x1p-100);
        EXPECT_LT(relative_error(a / b, wide(a) / wide(b)), 0x1p-99);
        EXPECT_LT(relative_error(sqrt(a * a), fixtures::absolute(wide(a))), 0x1p-99);
    }
}

TEST(DoubleDouble, CancellationIsExact) {
    const DoubleDouble a(1.0, 0x1p-80), b(1.0, 0x1p-90);
    EXPECT_EQ((a - b).high, 0x1p-80 - 0x1p-90);
    EXPECT_EQ((a - a).high, 0.0);
}

TEST(DoubleDouble, FunctionsKeep94Bits) {
    RandomStream random(2, 0, Purpose::weights);
    for (int i = 0; i < 2000; ++i) {
        const DoubleDouble a = random_number(random, 5);
        if (std::fabs(a.high) > 340) continue;
        const Quad e = fixtures::exponential(-fixtures::absolute(wide(a))), s = Quad(1) + e, e2 = e * e, s2 = Quad(1) + e2;
        EXPECT_LT(relative_error(exp(-fabs(a)), e), 0x1p-94) << a.high;
        EXPECT_LT(relative_error(sigmoid(a), (a.high < 0 ? e : Quad(1)) / s), 0x1p-94) << a.high;
        EXPECT_LT(relative_error(sigmoid_derivative(a), e / (s * s)), 0x1p-94) << a.high;
        EXPECT_LT(relative_error(tanh_derivative(a), Quad(4) * e2 / (s2 * s2)), 0x1p-94) << a.high;
        const Quad t = (Quad(1) - e2) / s2;
        EXPECT_LT(static_cast<double>(fixtures::absolute(wide(tanh(a)) - (a.high < 0 ? -t : t))), 0x1p-94) << a.high;
    }
    EXPECT_EQ(exp(DoubleDouble(-800.0)).high, 0.0);
    EXPECT_EQ(exp(DoubleDouble(0.0)).high, 1.0);
}

}  // namespace
}  // namespace aelle
