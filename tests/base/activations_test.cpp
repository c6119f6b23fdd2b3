// exp, tanh and sigmoid over arrays against long double, for every instruction set that this processor has.

#include "aelle/base/activations.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "aelle/base/random.hpp"

namespace aelle {
namespace {

using Real = long double;

struct Function {
    const char* name;
    VectorFunction VectorFunctions::*member;
    Real (*exact)(Real);
    double tolerance;  ///< in units in the last place
};

Real decay(Real x) { return std::exp(-std::fabs(x)); }

const Function functions[] = {
    {"exp", &VectorFunctions::exp, [](Real x) { return std::exp(x); }, 1.5},
    {"tanh", &VectorFunctions::tanh, [](Real x) { return std::tanh(x); }, 3.0},
    {"sigmoid", &VectorFunctions::sigmoid, [](Real x) { return (x >= 0 ? 1 : decay(x)) / (1 + decay(x)); }, 3.0},
    {"tanh'", &VectorFunctions::tanh_derivative, [](Real x) { return 4 * decay(2 * x) / ((1 + decay(2 * x)) * (1 + decay(2 * x))); }, 5.0},
    {"sigmoid'", &VectorFunctions::sigmoid_derivative, [](Real x) { return decay(x) / ((1 + decay(x)) * (1 + decay(x))); }, 5.0},
};

constexpr double infinity = std::numeric_limits<double>::infinity();

/// All exponents, and the ranges in which the functions bend, saturate, overflow and underflow more closely.
std::vector<double> arguments() {
    RandomStream random(7, 0, Purpose::noise);
    std::vector<double> x{
        0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 0.5, -0.5, 1.0, -1.0, 1.7976931348623157e308, -1.7976931348623157e308};
    for (int exponent = -1074; exponent < 1024; ++exponent)
        for (int i = 0; i < 20; ++i) x.push_back(std::ldexp(random.uniform(-2.0, 2.0), exponent));
    for (const double size : {0.01, 0.2, 0.36, 0.5, 1.0, 3.0, 10.0, 20.0, 40.0, 360.0, 720.0, 760.0})
        for (int i = 0; i < 20000; ++i) x.push_back(random.uniform(-size, size));
    for (int k = -1080; k < 1030; ++k)  // where the reduced argument is largest
        for (const double shift : {-1e-12, 0.0, 1e-12}) x.push_back((k + 0.5) * 0.69314718055994531 + shift);
    return x;
}

double error_in_ulps(double found, Real exact) {
    if (std::isinf(found)) return exact > Real(std::numeric_limits<double>::max()) ? 0.0 : infinity;
    int exponent = 0;
    std::frexp(exact, &exponent);
    return static_cast<double>(std::fabs(found - exact) / std::ldexp(Real(1), std::max(exponent - 53, -1074)));
}

TEST(Activations, ErrorsStayBelowTheirBoundsOverTheWholeRange) {
    const std::vector<double> x = arguments();
    std::vector<double> y(x.size());
    for (const VectorFunctions* set : all_vector_functions()) {
        for (const Function& f : functions) {
            (set->*f.member)(static_cast<int64_t>(x.size()), x.data(), y.data());
            double worst = 0.0, where = 0.0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const double error = error_in_ulps(y[i], f.exact(x[i]));
                if (!(error <= worst)) worst = error, where = x[i];
            }
            EXPECT_LE(worst, f.tolerance) << f.name << "(" << where << ")";
        }
    }
}

TEST(Activations, LimitsZerosAndNan) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto value = [](VectorFunction f, double x) {
        f(1, &x, &x);
        return x;
    };
    for (const VectorFunctions* set : all_vector_functions()) {
        EXPECT_EQ(value(set->exp, infinity), infinity);
        EXPECT_EQ(value(set->exp, -infinity), 0.0);
        EXPECT_EQ(value(set->exp, 0.0), 1.0);
        EXPECT_EQ(value(set->tanh, infinity), 1.0);
        EXPECT_EQ(value(set->tanh, -infinity), -1.0);
        EXPECT_EQ(value(set->tanh, 0.0), 0.0);
        EXPECT_FALSE(std::signbit(value(set->tanh, 0.0)));
        EXPECT_TRUE(std::signbit(value(set->tanh, -0.0)));
        EXPECT_EQ(value(set->tanh, 3e-310), 3e-310);
        EXPECT_EQ(value(set->sigmoid, infinity), 1.0);
        EXPECT_EQ(value(set->sigmoid, -infinity), 0.0);
        EXPECT_EQ(value(set->sigmoid, -0.0), 0.5);
        for (const double x : {infinity, -infinity}) {
            EXPECT_EQ(value(set->tanh_derivative, x), 0.0);
            EXPECT_EQ(value(set->sigmoid_derivative, x), 0.0);
        }
        for (const Function& f : functions) EXPECT_TRUE(std::isnan(value(set->*f.member, nan))) << f.name;
    }
}

TEST(Activations, BitsDependOnTheArgumentAlone) {
    RandomStream random(8, 0, Purpose::noise);
    std::vector<double> x(70);
    for (double& value : x) value = random.uniform(-4.0, 4.0);
    for (const VectorFunctions* set : all_vector_functions()) {
        for (const Function& f : functions) {
            std::vector<double> alone(x.size());
            for (std::size_t i = 0; i < x.size(); ++i) (set->*f.member)(1, &x[i], &alone[i]);
            for (std::size_t first = 0; first < 9; ++first) {
                for (std::size_t count = 0; first + count <= x.size(); ++count) {
                    std::vector<double> y(x.size() + 1, 77.0);
                    (set->*f.member)(static_cast<int64_t>(count), x.data() + first, y.data() + 1);
                    ASSERT_TRUE(std::equal(y.begin() + 1, y.begin() + 1 + static_cast<int64_t>(count),
                                           alone.begin() + static_cast<int64_t>(first)));
                    ASSERT_EQ(y.front(), 77.0);
                    ASSERT_TRUE(
                        std::all_of(y.begin() + 1 + static_cast<int64_t>(count), y.end(), [](double value) { return value == 77.0; }));
                }
            }
            std::vector<double> in_place = x;  // neighbours that are not finite disturb nothing
            in_place[3] = std::numeric_limits<double>::quiet_NaN();
            in_place[4] = infinity;
            (set->*f.member)(static_cast<int64_t>(x.size()), in_place.data(), in_place.data());
            for (std::size_t i = 5; i < x.size(); ++i) ASSERT_EQ(std::bit_cast<uint64_t>(in_place[i]), std::bit_cast<uint64_t>(alone[i]));
        }
    }
}

}  // namespace
}  // namespace aelle
