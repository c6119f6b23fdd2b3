// Classifiers on a few spectra, against values worked out by hand.

#include "aelle/embed/classifiers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "aelle/base/error.hpp"
#include "aelle/embed/logistic.hpp"

namespace aelle::embed {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Features of networks with labels; all in training, all usable, everything else zero.
struct Made {
    AnalysisOptions options;
    Features f;

    Made(std::vector<uint8_t> label, int64_t epochs = 1) {
        f.variants = static_cast<int64_t>(label.size());
        f.epochs = epochs;
        const auto rows = static_cast<std::size_t>(f.rows());
        f.part.assign(rows, Part::training);
        f.usable.assign(rows, 1);
        f.target.assign(label.size(), 0.0);
        f.init.assign(label.size(), 1.0);
        f.hidden.assign(label.size(), 64);
        f.cell.assign(label.size(), 0);
        f.epoch_loss.assign(rows, nan);
        f.loss_threshold.assign(label.size(), 0.5);
        for (auto* values : {&f.mean, &f.maximum, &f.deviation, &f.predicted_loss}) values->assign(rows, 0.0);
        f.label = std::move(label);
    }
    void plane(const std::vector<std::pair<double, double>>& points) {
        f.aelle_pc = Matrix<double>(2, f.rows());
        for (std::size_t j = 0; j < points.size(); ++j) {
            f.aelle_pc(0, static_cast<int64_t>(j)) = points[j].first;
            f.aelle_pc(1, static_cast<int64_t>(j)) = points[j].second;
        }
    }
    Judgement judge(const std::string& name) {
        f.options = &options;
        const auto list = classifiers(options);
        const auto found = std::find_if(list.begin(), list.end(), [&](const Classifier& c) { return c.name == name; });
        if (found == list.end()) throw InternalError("no classifier " + name);
        return found->judge(f);
    }
};

using Called = std::vector<uint8_t>;

TEST(EpochLoss, OwnThresholdIsChosenForEachEpochOnKnownNetworks) {
    Made made({1, 1, 0, 0}, 2);
    made.f.part = {0, 0, 1, 1, 0, 0, 2, 2};  // the third network and its label take part, the fourth is tested
    made.f.epoch_loss = {0.5, 0.10, 0.7, 0.20, 0.9, 0.15, infinity, 0.3};
    const Judgement judgement = made.judge("epoch-loss");
    // First epoch: good at .5 and .7, bad at .9. Second: good .1 and .2, bad .15: everything called good gives F1 .8, below .125 gives 2/3.
    EXPECT_DOUBLE_EQ(judgement.boundary[0], 0.8);
    EXPECT_EQ(judgement.boundary[1], infinity);
    EXPECT_EQ(judgement.positive, (Called{1, 1, 1, 1, 0, 1, 0, 1}));
}

TEST(EpochLoss, FinalThresholdIsStrictAndDivergedNetworksAreBad) {
    Made made({1, 1, 0, 0}, 2);
    made.f.loss_threshold.assign(4, 0.2);
    made.f.epoch_loss = {0.5, 0.10, 0.7, 0.20, 0.9, 0.15, infinity, infinity};
    const Judgement judgement = made.judge("epoch-loss-final-threshold");
    EXPECT_EQ(judgement.positive, (Called{0, 1, 0, 0, 0, 1, 0, 0}));
    EXPECT_EQ(judgement.boundary, (std::vector<double>{0.2, 0.2}));
    made.f.loss_threshold[1] = 0.25;  // thresholds of two architectures: no common boundary
    EXPECT_EQ(made.judge("epoch-loss-final-threshold").positive, (Called{0, 1, 0, 1, 0, 1, 0, 0}));
    EXPECT_TRUE(std::isnan(made.judge("epoch-loss-final-threshold").boundary[0]));
}

TEST(EpochLoss, NothingIsSaidWhereNoLossWasMeasured) {
    Made made({1, 0}, 2);
    made.f.epoch_loss = {nan, 0.1, nan, 0.9};
    for (const char* name : {"epoch-loss", "epoch-loss-final-threshold"}) {
        const Judgement judgement = made.judge(name);
        EXPECT_TRUE(std::isnan(judgement.score[0]) && std::isnan(judgement.score[2])) << name;
        EXPECT_EQ(judgement.positive, (Called{0, 1, 0, 0})) << name;
    }
    EXPECT_EQ(made.judge("epoch-loss").side, (std::vector<int32_t>{0, -1}));
}

TEST(Orthants, FindWhatOneThresholdCannotAndTiesAreNegative) {
    Made made({1, 0, 0, 1, 1, 1});
    made.plane({{-2, -1}, {-1, 1}, {1, -1}, {2, 1}, {3, 3}, {-3, 3}});
    made.f.part = {0, 0, 0, 0, 2, 2};
    const Judgement two = made.judge("aelle-orthants-2");
    EXPECT_EQ(two.positive, (Called{1, 0, 0, 1, 1, 0}));
    EXPECT_EQ(two.score, (std::vector<double>{1, -1, -1, 1, 1, -1}));
    EXPECT_EQ(made.judge("aelle-orthants-1").positive, (Called{0, 0, 0, 0, 0, 0}));  // one good and one bad on either side
    EXPECT_EQ(made.judge("aelle-orthants-10").positive, two.positive);              // no more components than two
}

TEST(Orthants, EmptyOnesAreNegative) {
    Made made({1, 1, 1, 1});
    made.plane({{-2, -1}, {2, 1}, {-1, 1}, {1, 5}});
    made.f.part = {0, 0, 2, 2};
    const Judgement judgement = made.judge("aelle-orthants-2");
    EXPECT_EQ(judgement.positive, (Called{1, 1, 0, 1}));
    EXPECT_EQ(judgement.score[2], 0.0);
}

TEST(Ellipse, MeanAndCovarianceOfTheGoodOnes) {
    // Good training networks at (+-2, 0), (0, +-1): covariance diag(8/3, 2/3). A bad one at (4, 0), distance 4 / sqrt(8/3).
    Made made({1, 1, 1, 1, 0, 0, 0, 0});
    made.plane({{2, 0}, {-2, 0}, {0, 1}, {0, -1}, {4, 0}, {2.9, 0}, {3.1, 0}, {0, 1.6}});
    made.f.part = {0, 0, 0, 0, 0, 2, 2, 2};
    const Judgement judgement = made.judge("aelle-ellipse");
    EXPECT_NEAR(judgement.score[0], std::sqrt(1.5), 1e-12);
    EXPECT_NEAR(judgement.score[3], std::sqrt(1.5), 1e-12);
    EXPECT_NEAR(judgement.boundary[0], (std::sqrt(1.5) + std::sqrt(6.0)) / 2, 1e-12);
    EXPECT_EQ(judgement.positive, (Called{1, 1, 1, 1, 0, 1, 0, 0}));
}

TEST(Ellipse, FewOrAlignedGoodOnesGiveACircle) {
    Made made({1, 1, 1, 0});
    made.plane({{0, 0}, {1, 1}, {2, 2}, {1, 4}});
    EXPECT_NEAR(made.judge("aelle-ellipse").score[3], 3.0, 1e-12);
    Made none({0, 0, 0});
    none.plane({{0, 0}, {1, 0}, {0, 1}});
    for (const double score : none.judge("aelle-ellipse").score) EXPECT_TRUE(std::isfinite(score));
}

TEST(Architecture, ShareOfGoodNetworksInTrainingAndOfAllForUnknownOnes) {
    Made made({1, 1, 0, 1, 0, 0, 1, 1});
    made.f.cell = {0, 0, 0, 1, 1, 1, 0, 2};
    made.f.part = {0, 0, 0, 0, 0, 0, 2, 2};
    const Judgement judgement = made.judge("architecture");
    const std::vector<double> expected{2.0 / 3, 2.0 / 3, 2.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 2.0 / 3, 0.5};
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_DOUBLE_EQ(judgement.score[i], expected[i]) << i;
    // Cut between the architectures: tp 2, fp 1, fn 1, F1 2/3; all good: tp 3, fp 3, F1 2/3 too, but less accurate.
    EXPECT_DOUBLE_EQ(judgement.boundary[0], 0.5);
    EXPECT_EQ(judgement.positive, (Called{1, 1, 1, 0, 0, 0, 1, 0}));
}

TEST(LogisticClassifier, SlopesByArchitectureFindWhatOneSlopeCannot) {
    // Architecture 0 is good at small p, 1 at large p.
    std::vector<uint8_t> label;
    for (int i = 0; i < 20; ++i) label.push_back(i < 10 ? i < 5 : i >= 15);
    Made made(label);
    for (std::size_t i = 0; i < 20; ++i) {
        made.f.cell[i] = i < 10 ? 0 : 1;
        made.f.init[i] = 0.1 + 0.1 * static_cast<double>(i % 10);
    }
    EXPECT_EQ(made.judge("logistic-by-architecture").positive, label);
    EXPECT_NE(made.judge("logistic").positive, label);
}

TEST(LogisticClassifier, SizeAloneCanDecideAndNegativeParametersAreAllowed) {
    Made made({1, 1, 1, 0, 0, 0});
    made.f.hidden = {64, 64, 64, 512, 512, 512};
    made.f.init = {-1.0, 0.0, 1.0, 1.0, 0.0, -1.0};
    EXPECT_EQ(made.judge("logistic").positive, (Called{1, 1, 1, 0, 0, 0}));
}

double logistic_objective(const Matrix<double>& x, const std::vector<uint8_t>& label, const LogisticModel& model, double penalty) {
    double sum = 0.0;
    for (int64_t j = 0; j < x.cols(); ++j) {
        const double p = model.probability(x.column(j));
        sum -= std::log(label[static_cast<std::size_t>(j)] ? p : 1.0 - p) / static_cast<double>(x.cols());
    }
    for (int64_t i = 0; i < x.rows(); ++i) {
        double mean = 0.0, squares = 0.0;
        for (int64_t j = 0; j < x.cols(); ++j) mean += x(i, j) / static_cast<double>(x.cols());
        for (int64_t j = 0; j < x.cols(); ++j) squares += (x(i, j) - mean) * (x(i, j) - mean) / static_cast<double>(x.cols());
        sum += 0.5 * penalty * squares * std::pow(model.weights[static_cast<std::size_t>(i)], 2);
    }
    return sum;
}

TEST(Logistic, TwoGroupsGetTheirShares) {
    Matrix<double> x(1, 8);
    std::vector<uint8_t> label{1, 0, 0, 0, 1, 1, 1, 0};
    for (int64_t j = 4; j < 8; ++j) x(0, j) = 1.0;
    const LogisticModel model = fit_logistic(std::as_const(x).view(), label, 1e-12);
    const double low = 0.0, high = 1.0;
    EXPECT_NEAR(model.probability(&low), 0.25, 1e-8);
    EXPECT_NEAR(model.probability(&high), 0.75, 1e-8);
    EXPECT_NEAR(model.weights[0], 2 * std::log(3.0), 1e-7);
}

TEST(Logistic, IsTheMinimumOfItsObjective) {
    Matrix<double> x(3, 12);
    std::vector<uint8_t> label;
    for (int64_t j = 0; j < 12; ++j) {
        x(0, j) = std::sin(1.7 * static_cast<double>(j));
        x(1, j) = 100.0 + 10.0 * std::cos(2.3 * static_cast<double>(j));
        x(2, j) = 7.0;  // constant
        label.push_back(j % 3 == 0 || x(0, j) > 0.5);
    }
    const double penalty = 0.05;
    const LogisticModel best = fit_logistic(std::as_const(x).view(), label, penalty);
    EXPECT_EQ(best.weights[2], 0.0);
    const double value = logistic_objective(x, label, best, penalty);
    for (const double step : {-1e-3, 1e-3}) {
        for (std::size_t i = 0; i < 2; ++i) {
            LogisticModel moved = best;
            moved.weights[i] += step;
            moved.intercept -= i == 1 ? 100.0 * step : 0.0;
            EXPECT_GT(logistic_objective(x, label, moved, penalty), value) << i;
        }
        LogisticModel moved = best;
        moved.intercept += step;
        EXPECT_GT(logistic_objective(x, label, moved, penalty), value);
    }
}

TEST(Logistic, SeparableEqualAndDependentInputsHaveFiniteAnswers) {
    Matrix<double> x(2, 4);
    for (int64_t j = 0; j < 4; ++j) x(0, j) = x(1, j) = static_cast<double>(j);
    for (const std::vector<uint8_t>& label : {std::vector<uint8_t>{0, 0, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}}) {
        const LogisticModel model = fit_logistic(std::as_const(x).view(), label, 0.01);
        for (int64_t j = 0; j < 4; ++j) {
            const double p = model.probability(x.column(j));
            ASSERT_TRUE(std::isfinite(p));
            EXPECT_EQ(p > 0.5, label[static_cast<std::size_t>(j)] == 1);
        }
        EXPECT_NEAR(model.weights[0], model.weights[1], 1e-12);
    }
    EXPECT_THROW(fit_logistic(Matrix<double>(1, 0).view(), {}, 0.01), DataError);
    x(0, 0) = nan;
    EXPECT_THROW(fit_logistic(std::as_const(x).view(), std::vector<uint8_t>{0, 0, 1, 1}, 0.01), DataError);
}

}  // namespace
}  // namespace aelle::embed
