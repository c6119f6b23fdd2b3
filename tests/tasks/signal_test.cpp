#include "aelle/tasks/signal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>
#include <string>

#include "aelle/base/error.hpp"

namespace {

using namespace aelle;
using tasks::FourSines;

/// f of cells.md in its own terms, in long double: sum of (1/s_k) sin(q_k pi t / 60) at t = 120 i / steps.
std::vector<long double> raw(const FourSines& sines, int64_t steps) {
    std::vector<long double> f;
    for (int64_t i = 0; i < steps; ++i) {
        const long double t = 120.0L * static_cast<long double>(i) / static_cast<long double>(steps);
        long double sum = 0.0L;
        for (std::size_t k = 0; k < 4; ++k)
            sum += std::sin(static_cast<long double>(sines.multiples[k]) * std::numbers::pi_v<long double> * t / 60.0L) /
                   static_cast<long double>(sines.divisors[k]);
        f.push_back(sum);
    }
    return f;
}

TEST(Signal, FollowsTheFormulaForTheFixedAndForRandomTargets) {
    for (uint64_t variant = 0; variant < 20; ++variant) {
        const FourSines sines = variant == 0 ? FourSines{} : tasks::random_four_sines(3, variant);
        const int64_t steps = variant % 2 == 0 ? 1200 : 977;
        const auto f = raw(sines, steps);
        const auto [low, high] = std::ranges::minmax(f);
        const auto found = tasks::one_period(sines, steps);
        ASSERT_EQ(static_cast<int64_t>(found.size()), steps);
        for (std::size_t i = 0; i < f.size(); ++i) {
            const auto expected = static_cast<double>(f[i] / ((high - low) / 2.0L) - (high + low) / 2.0L);
            EXPECT_NEAR(found[i], expected, 2e-14) << "variant " << variant << " step " << i;
        }
    }
}

TEST(Signal, FixedTargetIsTheOneOfThePaper) {
    EXPECT_EQ(FourSines{}.divisors, (std::array<int64_t, 4>{1, 2, 6, 3}));
    EXPECT_EQ(FourSines{}.multiples, (std::array<int64_t, 4>{1, 2, 3, 4}));
    const auto f = tasks::one_period({}, 1200);
    EXPECT_NEAR(*std::ranges::max_element(f), 1.0, 1e-14);  // no raw offset: an odd function
    EXPECT_NEAR(*std::ranges::min_element(f), -1.0, 1e-14);
}

TEST(Signal, RangeIsTwoAndMeanSizeIsThatOfRandomFourSines) {
    double silence = 0.0;
    for (uint64_t variant = 0; variant < 200; ++variant) {
        const auto f = tasks::one_period(tasks::random_four_sines(1, variant), 1200);
        const auto [low, high] = std::ranges::minmax(f);
        EXPECT_NEAR(high - low, 2.0, 1e-13);
        for (const double value : f) silence += std::fabs(value) / 1200.0 / 200.0;
    }
    EXPECT_NEAR(silence, 0.46, 0.02);  // mean |f|, as a trial independent of this code found it
}

TEST(Signal, ContinuesSmoothlyIntoTheNextPeriod) {
    // Sampling twice as finely must give the same waves: even samples agree, and the seam is no steeper than the rest.
    for (uint64_t variant = 0; variant < 10; ++variant) {
        const auto sines = tasks::random_four_sines(9, variant);
        const auto f = tasks::one_period(sines, 1200);
        double steepest = 0.0;
        for (std::size_t i = 1; i < f.size(); ++i) steepest = std::max(steepest, std::fabs(f[i] - f[i - 1]));
        EXPECT_LE(std::fabs(f.front() - f.back()), steepest * 1.01);
    }
}

TEST(Signal, RandomDrawsCoverTheirRangesAndNothingElse) {
    std::array<int64_t, 11> divisors{};
    std::array<int64_t, 6> multiples{};
    constexpr int64_t variants = 5000;
    for (int64_t variant = 0; variant < variants; ++variant) {
        const auto sines = tasks::random_four_sines(42, static_cast<uint64_t>(variant));
        for (const int64_t s : sines.divisors) {
            ASSERT_TRUE(s >= 1 && s <= 10);
            ++divisors[static_cast<std::size_t>(s)];
        }
        for (const int64_t q : sines.multiples) {
            ASSERT_TRUE(q >= 1 && q <= 5);
            ++multiples[static_cast<std::size_t>(q)];
        }
    }
    const auto within = [](int64_t count, double share) {  // five standard deviations of a binomial
        const double draws = 4.0 * variants;
        return std::fabs(static_cast<double>(count) - draws * share) < 5.0 * std::sqrt(draws * share * (1.0 - share));
    };
    for (std::size_t s = 1; s <= 10; ++s) EXPECT_TRUE(within(divisors[s], 0.1)) << s << ": " << divisors[s];
    for (std::size_t q = 1; q <= 5; ++q) EXPECT_TRUE(within(multiples[q], 0.2)) << q << ": " << multiples[q];
}

TEST(Signal, RandomTargetDependsOnSeedAndVariantAlone) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 5; ++seed) {
        for (uint64_t variant = 0; variant < 5; ++variant) {
            const auto a = tasks::random_four_sines(seed, variant);
            const auto b = tasks::random_four_sines(seed, variant);
            EXPECT_EQ(a.divisors, b.divisors);
            EXPECT_EQ(a.multiples, b.multiples);
            std::string key;
            for (std::size_t k = 0; k < 4; ++k) key += std::to_string(a.divisors[k]) + "/" + std::to_string(a.multiples[k]) + " ";
            seen.insert(key);
        }
    }
    EXPECT_EQ(seen.size(), 25u);
}

TEST(Signal, RefusesTooFewStepsAndWrongConstants) {
    for (const int64_t steps : {int64_t{-1}, int64_t{0}, int64_t{8}}) {
        try {
            tasks::one_period({}, steps);
            FAIL() << steps;
        } catch (const DataError& error) {
            EXPECT_NE(std::string(error.what()).find("found " + std::to_string(steps)), std::string::npos) << error.what();
            EXPECT_NE(std::string(error.what()).find("expected more than 8"), std::string::npos) << error.what();
        }
    }
    EXPECT_NO_THROW(tasks::one_period({}, 9));
    EXPECT_THROW(tasks::one_period({.divisors = {0, 1, 1, 1}}, 1200), DataError);
    EXPECT_THROW(tasks::one_period({.multiples = {1, -2, 1, 1}}, 1200), DataError);
}

}  // namespace
