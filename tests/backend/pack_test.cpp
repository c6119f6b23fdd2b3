// tanh and sigmoid of vector registers against the standard library in double precision, over all exponents.

#include "kernels/cpu/pack.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <vector>

#include "aelle/base/random.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::cpu {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr double smallest_normal = std::numeric_limits<float>::min();

struct Functions {
    std::vector<float> tanh, tanh_derivative, sigmoid, sigmoid_derivative;
};

template <int Bytes>
AELLE_INLINE void evaluate_body(const std::vector<float>& x, Functions& f) {
    using P = Pack<float, Bytes>;
    const auto n = static_cast<int64_t>(x.size());
    for (int64_t i = 0; i < n; i += P::lanes) {
        const P a = P::load(&x[i], n - i);
        tanh(a).store(&f.tanh[i], n - i);
        tanh_derivative(a).store(&f.tanh_derivative[i], n - i);
        sigmoid(a).store(&f.sigmoid[i], n - i);
        sigmoid_derivative(a).store(&f.sigmoid_derivative[i], n - i);
    }
}
[[gnu::flatten]] void evaluate_baseline(const std::vector<float>& x, Functions& f) { evaluate_body<16>(x, f); }
#if defined(__x86_64__)
[[gnu::flatten, gnu::target("arch=x86-64-v3")]] void evaluate_avx2(const std::vector<float>& x, Functions& f) { evaluate_body<32>(x, f); }
[[gnu::flatten, gnu::target("arch=x86-64-v4")]] void evaluate_avx512(const std::vector<float>& x, Functions& f) { evaluate_body<64>(x, f); }
#endif

Functions evaluate(InstructionSet set, const std::vector<float>& x) {
    Functions f{std::vector<float>(x.size()), std::vector<float>(x.size()), std::vector<float>(x.size()), std::vector<float>(x.size())};
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return evaluate_avx512(x, f), f;
    if (set == InstructionSet::avx2) return evaluate_avx2(x, f), f;
#endif
    return evaluate_baseline(x, f), f;
}

/// Every exponent of both signs with many mantissas, and a dense range where the functions bend. A number that is no whole register.
std::vector<float> arguments() {
    std::vector<float> x = {0.0f, -0.0f};
    RandomStream random(1, 0, Purpose::sampling);
    for (uint32_t exponent = 0; exponent < 255; ++exponent) {
        for (int i = 0; i < 200; ++i) {
            const uint32_t mantissa = i == 0 ? 0 : i == 1 ? 0x7FFFFF : random.bits() >> 9;
            x.push_back(std::bit_cast<float>(exponent << 23 | mantissa));
            x.push_back(-x.back());
        }
    }
    for (int i = -100000; i <= 100000; ++i) x.push_back(static_cast<float>(i) * 9.1e-4f);  // to +-91
    return x;
}

/// Difference in units in the last place of a float next to `exact`.
double units(double found, double exact) {
    int exponent = 0;
    std::frexp(exact, &exponent);
    return std::fabs(found - exact) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

class PackFunctions : public ::testing::TestWithParam<InstructionSet> {
protected:
    void SetUp() override {
        if (GetParam() > best_instruction_set()) GTEST_SKIP() << "the processor lacks " << name(GetParam());
    }
};

TEST_P(PackFunctions, AreAccurateForEveryExponent) {
    const std::vector<float> x = arguments();
    const Functions f = evaluate(GetParam(), x);
    double tanh_error = 0, sigmoid_error = 0, tanh_slope_error = 0, sigmoid_slope_error = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double a = x[i], sigmoid = aelle::sigmoid(a), tanh_slope = aelle::tanh_derivative(a), sigmoid_slope = aelle::sigmoid_derivative(a);
        tanh_error = std::max(tanh_error, units(f.tanh[i], std::tanh(a)));
        if (sigmoid > smallest_normal) sigmoid_error = std::max(sigmoid_error, units(f.sigmoid[i], sigmoid));
        else EXPECT_LE(f.sigmoid[i], smallest_normal);
        if (tanh_slope > 4 * smallest_normal) tanh_slope_error = std::max(tanh_slope_error, std::fabs(f.tanh_derivative[i] / tanh_slope - 1));
        else EXPECT_LE(f.tanh_derivative[i], 4 * smallest_normal);
        if (sigmoid_slope > smallest_normal)
            sigmoid_slope_error = std::max(sigmoid_slope_error, std::fabs(f.sigmoid_derivative[i] / sigmoid_slope - 1));
        else EXPECT_LE(f.sigmoid_derivative[i], smallest_normal);
    }
    EXPECT_LE(tanh_error, 4);
    EXPECT_LE(sigmoid_error, 4);
    EXPECT_LE(tanh_slope_error, 1e-6);
    EXPECT_LE(sigmoid_slope_error, 1e-6);
    RecordProperty("tanh_units", std::to_string(tanh_error));
    RecordProperty("sigmoid_units", std::to_string(sigmoid_error));
    RecordProperty("tanh_slope", std::to_string(tanh_slope_error * 1e6));
    RecordProperty("sigmoid_slope", std::to_string(sigmoid_slope_error * 1e6));
}

TEST_P(PackFunctions, TakeLimitsAtInfinityAndPassNanOn) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const Functions f = evaluate(GetParam(), {infinity, -infinity, nan, -nan, 0.0f, -0.0f});
    EXPECT_EQ(f.tanh[0], 1.0f);
    EXPECT_EQ(f.tanh[1], -1.0f);
    EXPECT_EQ(f.sigmoid[0], 1.0f);
    EXPECT_EQ(f.sigmoid[1], 0.0f);
    for (const std::size_t i : {0, 1}) {
        EXPECT_EQ(f.tanh_derivative[i], 0.0f);
        EXPECT_EQ(f.sigmoid_derivative[i], 0.0f);
    }
    for (const auto* values : {&f.tanh, &f.sigmoid, &f.tanh_derivative, &f.sigmoid_derivative}) {
        EXPECT_TRUE(std::isnan((*values)[2]));
        EXPECT_TRUE(std::isnan((*values)[3]));
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(f.tanh[4]), 0u);
    EXPECT_TRUE(std::signbit(f.tanh[5]));
}

TEST_P(PackFunctions, LeaveNeighboursAlone) {
    std::vector<float> x(67, 0.25f);
    const float alone = evaluate(GetParam(), {0.25f}).tanh[0];
    x[5] = std::numeric_limits<float>::quiet_NaN();
    x[6] = infinity;
    const Functions f = evaluate(GetParam(), x);
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (i == 5 || i == 6) continue;
        EXPECT_EQ(f.tanh[i], alone) << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Sets, PackFunctions, ::testing::Values(InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512),
                         [](const auto& set) { return std::string(name(set.param)); });

}  // namespace
}  // namespace aelle::cpu
