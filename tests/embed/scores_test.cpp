#include "aelle/embed/scores.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "aelle/base/error.hpp"
#include "aelle/base/random.hpp"
#include "aelle/embed/split.hpp"

namespace aelle::embed {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using Labels = std::vector<uint8_t>;

TEST(Scores, ByHand) {
    const Labels predicted{1, 1, 1, 0, 0, 0, 0, 1}, label{1, 1, 0, 1, 0, 0, 0, 0};
    const Outcomes outcomes = count_outcomes(predicted, label);
    EXPECT_EQ(outcomes.tp, 2);
    EXPECT_EQ(outcomes.fp, 2);
    EXPECT_EQ(outcomes.fn, 1);
    EXPECT_EQ(outcomes.tn, 3);
    const Scores s = scores(outcomes);
    EXPECT_DOUBLE_EQ(s.precision, 0.5);
    EXPECT_DOUBLE_EQ(s.recall, 2.0 / 3.0);
    EXPECT_DOUBLE_EQ(s.f1, 2.0 * 0.5 * (2.0 / 3.0) / (0.5 + 2.0 / 3.0));
    EXPECT_DOUBLE_EQ(s.accuracy, 5.0 / 8.0);
    EXPECT_EQ(s.undefined, 0);
}

TEST(Scores, UndefinedOnesAreZeroAndCounted) {
    const Scores none_called = scores(count_outcomes(Labels{0, 0}, Labels{1, 0}));
    EXPECT_EQ(none_called.precision, 0.0);
    EXPECT_EQ(none_called.f1, 0.0);
    EXPECT_EQ(none_called.undefined, 1);  // precision
    const Scores nothing_good = scores(count_outcomes(Labels{0, 0}, Labels{0, 0}));
    EXPECT_EQ(nothing_good.undefined, 3);  // precision, recall, F1
    EXPECT_EQ(nothing_good.accuracy, 1.0);
    EXPECT_EQ(scores(Outcomes{}).undefined, 4);
}

TEST(Scores, MedianCountsNanAsWorst) {
    EXPECT_EQ(median(std::vector{3.0, 1.0, 2.0}), 2.0);
    EXPECT_EQ(median(std::vector{4.0, 1.0, 2.0, 3.0}), 2.5);
    EXPECT_EQ(median(std::vector{1.0, std::nan(""), 2.0}), 2.0);
    EXPECT_EQ(median(std::vector{1.0, std::nan("")}), infinity);
    EXPECT_TRUE(std::isnan(median(std::vector<double>{})));
}

/// F1 of a threshold, counted anew.
double f1_of(const std::vector<double>& values, const Labels& label, double boundary, int side) {
    double tp = 0, wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool called = side > 0 ? values[i] > boundary : values[i] <= boundary;
        tp += called && label[i];
        wrong += called != (label[i] == 1);
    }
    return tp == 0 ? 0.0 : 2 * tp / (2 * tp + wrong);
}

TEST(Spearman, IsPearsonOfMeanRanks) {
    EXPECT_DOUBLE_EQ(spearman(std::vector{1.0, 2.0, 3.0}, std::vector{10.0, 20.0, 1e9}), 1.0);
    EXPECT_DOUBLE_EQ(spearman(std::vector{1.0, 2.0, 3.0}, std::vector{3.0, 2.0, -HUGE_VAL}), -1.0);
    // Ranks 1 2.5 2.5 4 and 1 2 3 4: covariance 4.5, variances 4.5 and 5.
    EXPECT_NEAR(spearman(std::vector{1.0, 2.0, 2.0, HUGE_VAL}, std::vector{5.0, 6.0, 7.0, 8.0}), 4.5 / std::sqrt(22.5), 1e-15);
    EXPECT_TRUE(std::isnan(spearman(std::vector{1.0, 1.0}, std::vector{1.0, 2.0})));
    EXPECT_TRUE(std::isnan(spearman(std::vector<double>{}, std::vector<double>{})));
}

TEST(Threshold, ExactScanFindsTheBestOfAllCuts) {
    RandomStream random(9, 0, Purpose::noise);
    for (int trial = 0; trial < 300; ++trial) {
        const int64_t count = 1 + random.below(12);
        std::vector<double> values;
        Labels label;
        for (int64_t i = 0; i < count; ++i) {
            values.push_back(static_cast<double>(random.below(trial % 2 ? 6 : 1000)) - 3.0);  // with and without ties
            label.push_back(static_cast<uint8_t>(random.below(2)));
        }
        std::vector<double> cuts{-infinity, infinity};
        for (const double v : values) cuts.insert(cuts.end(), {v - 0.25, v + 0.25});
        for (const Side allowed : {Side::either, Side::above, Side::below}) {
            double best = 0.0;
            for (const double cut : cuts) {
                if (allowed != Side::below) best = std::max(best, f1_of(values, label, cut, 1));
                if (allowed != Side::above) best = std::max(best, f1_of(values, label, cut, -1));
            }
            const Threshold found = best_f1_threshold(values, label, allowed);
            EXPECT_TRUE(allowed == Side::either || (allowed == Side::above) == (found.side == 1));
            EXPECT_DOUBLE_EQ(f1_of(values, label, found.boundary, found.side), best) << "trial " << trial;
        }
    }
}

TEST(Threshold, LiesMidwayBetweenTheClasses) {
    const std::vector<double> values{0.1, 0.2, 0.6, 0.9};
    const Threshold low = best_f1_threshold(values, Labels{1, 1, 0, 0});
    EXPECT_EQ(low.side, -1);
    EXPECT_DOUBLE_EQ(low.boundary, 0.4);
    EXPECT_TRUE(low.positive(0.39));
    EXPECT_FALSE(low.positive(0.41));
    EXPECT_EQ(best_f1_threshold(values, Labels{0, 0, 1, 1}).side, 1);
}

TEST(Threshold, NeighbouringNumbersAreStillTold) {
    const double a = 1.0, b = std::nextafter(1.0, 2.0);
    const Threshold found = best_f1_threshold(std::vector{a, b}, Labels{0, 1});
    EXPECT_FALSE(found.positive(a));
    EXPECT_TRUE(found.positive(b));
}

TEST(Threshold, DegenerateLabelsGiveAllOrNothing) {
    const std::vector<double> values{1.0, 2.0, 3.0};
    const Threshold all = best_f1_threshold(values, Labels{1, 1, 1});
    const Threshold none = best_f1_threshold(values, Labels{0, 0, 0});
    for (const double x : {-100.0, 2.0, 100.0}) {
        EXPECT_TRUE(all.positive(x));
        EXPECT_FALSE(none.positive(x));
    }
}

TEST(Threshold, MedianRuleChoosesItsSideByLabels) {
    const std::vector<double> values{1.0, 2.0, 3.0, 10.0};
    const Threshold above = median_threshold(values, Labels{0, 0, 1, 1});
    EXPECT_EQ(above.boundary, 2.5);
    EXPECT_EQ(above.side, 1);
    EXPECT_EQ(median_threshold(values, Labels{1, 1, 0, 0}).side, -1);
}

TEST(Split, PartsAreDisjointCompleteAndOfTheFractionsAskedFor) {
    std::vector<uint8_t> usable(154, 1);
    usable[3] = usable[100] = usable[150] = usable[151] = 0;
    const auto part = split_networks(usable, 5, 0, 0.7, 0.1);
    ASSERT_EQ(part.size(), usable.size());
    int64_t count[4] = {};
    for (std::size_t v = 0; v < part.size(); ++v) {
        EXPECT_EQ(part[v] == Part::left_out, usable[v] == 0);
        ++count[part[v] + 1];
    }
    EXPECT_EQ(count[0], 4);
    EXPECT_EQ(count[1], 105);
    EXPECT_EQ(count[2], 15);
    EXPECT_EQ(count[3], 30);
}

TEST(Split, DependsOnSeedRepeatAndWhatIsLeftOutOnly) {
    const std::vector<uint8_t> usable(50, 1);
    const auto first = split_networks(usable, 5, 0, 0.7, 0.1);
    EXPECT_EQ(first, split_networks(usable, 5, 0, 0.7, 0.1));
    EXPECT_NE(first, split_networks(usable, 5, 1, 0.7, 0.1));
    EXPECT_NE(first, split_networks(usable, 6, 0, 0.7, 0.1));
}

TEST(Split, EveryNetworkIsTestedAboutEquallyOften) {
    const std::vector<uint8_t> usable(40, 1);
    std::vector<int> tested(40, 0);
    for (int64_t repeat = 0; repeat < 1000; ++repeat) {
        const auto part = split_networks(usable, 11, repeat, 0.7, 0.1);
        for (std::size_t v = 0; v < 40; ++v) tested[v] += part[v] == Part::test;
    }
    for (const int times : tested) EXPECT_NEAR(times, 200, 5 * std::sqrt(1000 * 0.2 * 0.8));
}

TEST(Split, SmallStudiesHaveAllPartsAndTinyOnesAreRefused) {
    for (int64_t count = fewest_networks; count < 20; ++count) {
        const auto part = split_networks(std::vector<uint8_t>(static_cast<std::size_t>(count), 1), 1, 0, 0.7, 0.1);
        EXPECT_EQ(std::set<int>(part.begin(), part.end()), (std::set<int>{0, 1, 2})) << count;
    }
    std::vector<uint8_t> usable(30, 0);
    std::fill_n(usable.begin(), 4, uint8_t{1});
    try {
        split_networks(usable, 1, 0, 0.7, 0.1);
        FAIL() << "no error";
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("found 4"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("at least 5"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace aelle::embed
