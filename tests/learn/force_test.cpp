#include "aelle/backend/choose.hpp"
#include "aelle/learn/force.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <string>

#include "aelle/base/error.hpp"

namespace {

using namespace aelle;
using learn::ForceOptions;
using learn::ForceTrainer;

const backend::Backend& cpu() {
    static const auto backend = backend::choose(backend::Device::cpu).backend;
    return *backend;
}

constexpr int64_t period_steps = 150;

/// The waves of the signal task's fixed target, up to their exact amplitude, from a phase where they are not 0.
std::vector<double> four_sines(int64_t steps) {
    std::vector<double> f;
    for (int64_t i = 0; i < steps; ++i) {
        const double a = 2.0 * std::numbers::pi * (static_cast<double>(i) / static_cast<double>(steps) + 0.2);
        f.push_back((std::sin(a) + std::sin(2.0 * a) / 2.0 + std::sin(3.0 * a) / 6.0 + std::sin(4.0 * a) / 3.0) / 1.5);
    }
    return f;
}

ForceTrainer trainer(const ForceOptions& options, uint64_t seed = 5, const backend::Backend& backend = cpu()) {
    return {backend, learn::initial_rank1(options, seed, 0), options, four_sines(period_steps), seed, 0};
}

std::vector<double> train(ForceTrainer& trainer, int64_t steps) {
    std::vector<double> z(static_cast<std::size_t>(steps));
    trainer.train(steps, z);
    return z;
}

using Snapshot = ForceTrainer::Snapshot;

ForceTrainer::Tests start_test(const ForceTrainer& trainer) {
    const Snapshot now = trainer.snapshot();
    return trainer.start_tests({&now, 1});
}

/// (count x steps)
std::vector<double> run(ForceTrainer::Tests& tests, int64_t steps) {
    std::vector<double> z(static_cast<std::size_t>(tests.count() * steps));
    tests.run({z.data(), tests.count(), steps, tests.count()});
    return z;
}

template <class Saved>
std::vector<std::byte> snapshot(const Saved& saved) {
    ArchiveWriter archive;
    saved.save(archive);
    return archive.take();
}

template <class Saved>
void restore(Saved& saved, const std::vector<std::byte>& bytes) {
    ArchiveReader archive(bytes);
    saved.load(archive);
    EXPECT_TRUE(archive.empty());
}

double mean_error(const std::vector<double>& z, int64_t first, int64_t count) {
    const auto f = four_sines(period_steps);
    long double sum = 0.0L;
    for (int64_t i = first; i < first + count; ++i)
        sum += std::fabs(static_cast<long double>(f[static_cast<std::size_t>(i % period_steps)]) - z[static_cast<std::size_t>(i)]);
    return static_cast<double>(sum / static_cast<long double>(count));
}

TEST(InitialRank1, HasExactlyTheAskedShareOfNonzeros) {
    for (const auto& [n, density] : {std::pair{int64_t{200}, 0.1}, {int64_t{33}, 0.37}, {int64_t{20}, 1.0}, {int64_t{512}, 0.1}, {int64_t{3}, 0.05}}) {
        const auto p = learn::initial_rank1({.hidden = n, .density = density}, 1, 2);
        const auto& m = p.tensors.at("weight_hh_l0");
        ASSERT_EQ(static_cast<int64_t>(m.size()), n * n);
        EXPECT_EQ(n * n - std::ranges::count(m, 0.0), std::llround(density * static_cast<double>(n * n)));
    }
}

TEST(InitialRank1, NonzerosAreNormalWithTheVarianceOfTheGainAtPositionsSpreadEvenly) {
    const int64_t n = 400;
    const double g = 1.3, density = 0.1;
    const auto p = learn::initial_rank1({.hidden = n, .gain = g, .density = density}, 3, 0);
    const auto& m = p.tensors.at("weight_hh_l0");
    const double count = density * static_cast<double>(n * n);
    double sum = 0.0, square = 0.0, fourth = 0.0;
    std::array<double, 16> in_block{};  // 4 x 4 blocks of the matrix
    for (int64_t i = 0; i < n * n; ++i) {
        const double value = m[static_cast<std::size_t>(i)] / (g / std::sqrt(density * static_cast<double>(n)));
        sum += value;
        square += value * value;
        fourth += value * value * value * value;
        if (value != 0.0) ++in_block[static_cast<std::size_t>(i / n / 100 * 4 + i % n / 100)];
    }
    // five standard deviations of the sample moments of N(0,1): variances of x, x^2, x^4 are 1, 2, 96
    EXPECT_NEAR(sum / count, 0.0, 5.0 * std::sqrt(1.0 / count));
    EXPECT_NEAR(square / count, 1.0, 5.0 * std::sqrt(2.0 / count));
    EXPECT_NEAR(fourth / count, 3.0, 5.0 * std::sqrt(96.0 / count));
    const double expected = count / 16.0;
    for (const double found : in_block) EXPECT_NEAR(found, expected, 5.0 * std::sqrt(expected));
}

TEST(InitialRank1, RForceIsDenseAndNeedsAGain) {
    ForceOptions options{.hidden = 30, .initialisation = learn::ForceInit::r_force, .gain = 1.5};
    const auto m = learn::initial_rank1(options, 1, 2).tensors.at("weight_hh_l0");
    EXPECT_EQ(std::ranges::count(m, 0.0), 0);
    EXPECT_EQ(options.nonzero_share(), 1.0);
    options.gain = 0.0;
    EXPECT_THROW(learn::initial_rank1(options, 1, 2), DataError);
}

TEST(InitialRank1, FeedbackIsUniformAndReadoutZero) {
    const auto p = learn::initial_rank1({.hidden = 2000, .density = 0.001}, 3, 0);
    double sum = 0.0, square = 0.0;
    for (const double w : p.tensors.at("weight_fb")) {
        EXPECT_TRUE(w > -1.0 && w < 1.0);
        sum += w / 2000.0;
        square += w * w / 2000.0;
    }
    EXPECT_NEAR(sum, 0.0, 5.0 * std::sqrt(1.0 / 3.0 / 2000.0));
    EXPECT_NEAR(square, 1.0 / 3.0, 5.0 * std::sqrt(4.0 / 45.0 / 2000.0));
    EXPECT_EQ(p.tensors.at("weight_out"), std::vector<double>(2000, 0.0));
}

TEST(InitialRank1, DependsOnSeedAndVariantAloneAndScalesWithTheGain) {
    const auto m = [](double gain, uint64_t seed, uint64_t variant) {
        return learn::initial_rank1({.hidden = 50, .gain = gain}, seed, variant).tensors.at("weight_hh_l0");
    };
    EXPECT_EQ(m(1.5, 1, 1), m(1.5, 1, 1));
    EXPECT_NE(m(1.5, 1, 1), m(1.5, 2, 1));
    EXPECT_NE(m(1.5, 1, 1), m(1.5, 1, 2));
    auto doubled = m(1.0, 1, 1);
    for (double& value : doubled) value *= 2.0;
    EXPECT_EQ(m(2.0, 1, 1), doubled);
    EXPECT_EQ(m(0.0, 1, 1), std::vector<double>(2500, 0.0));
}

TEST(Force, StartsFromTheScaledRandomState) {
    ForceOptions options{.hidden = 4000, .density = 0.0001};
    const auto made = trainer(options);
    double square = 0.0;
    for (const double x : made.state()) square += x * x / 4000.0;
    EXPECT_NEAR(square, 0.25, 0.25 * 5.0 * std::sqrt(2.0 / 4000.0));
    options.initial_scale = 0.0;
    EXPECT_EQ(trainer(options).state(), std::vector<double>(4000, 0.0));
    EXPECT_EQ(trainer(options).output(), 0.0);
    EXPECT_NE(made.state(), trainer({.hidden = 4000, .density = 0.0001}, 6).state());
}

TEST(Force, TheVeryFirstStepLearnsAndThenEverySecond) {
    auto made = trainer({.hidden = 60});
    for (int64_t step = 0; step < 2 * period_steps + 7; ++step) {
        const auto before = made.parameters().tensors.at("weight_out");
        train(made, 1);
        EXPECT_EQ(made.parameters().tensors.at("weight_out") != before, step % 2 == 0) << step;
        EXPECT_EQ(made.steps_done(), step + 1);
        EXPECT_EQ(made.epochs_done(), (step + 1) / period_steps);
    }
}

TEST(Force, TrainsTheSameBitsHoweverTrainingIsCut) {
    auto whole = trainer({.hidden = 60});
    const auto expected = train(whole, 400);
    for (const int64_t piece : {1, 7, 100}) {
        auto cut = trainer({.hidden = 60});
        std::vector<double> found;
        while (cut.steps_done() < 400) {
            const auto z = train(cut, std::min(piece, 400 - cut.steps_done()));
            found.insert(found.end(), z.begin(), z.end());
        }
        EXPECT_EQ(found, expected) << piece;
        EXPECT_EQ(snapshot(cut), snapshot(whole)) << piece;
    }
}

TEST(Force, ContinuesFromASnapshotWithTheSameBits) {
    for (const int64_t cut : {0, 1, 137, 150, 151}) {
        auto uninterrupted = trainer({.hidden = 60});
        train(uninterrupted, cut);
        const auto saved = snapshot(uninterrupted);
        const auto expected = train(uninterrupted, 313);
        auto resumed = trainer({.hidden = 60});
        train(resumed, 20);  // whatever it held before is replaced
        restore(resumed, saved);
        EXPECT_EQ(resumed.steps_done(), cut);
        EXPECT_EQ(train(resumed, 313), expected) << cut;
        EXPECT_EQ(snapshot(resumed), snapshot(uninterrupted)) << cut;
    }
}

TEST(Force, ATestContinuesFromASnapshotWithTheSameBits) {
    auto made = trainer({.hidden = 60});
    train(made, 200);
    auto whole = start_test(made);
    run(whole, 61);
    const auto saved = snapshot(whole);
    const auto expected = run(whole, 200);
    auto resumed = start_test(made);
    restore(resumed, saved);
    EXPECT_EQ(resumed.steps_done(), 61);
    EXPECT_EQ(run(resumed, 200), expected);
    EXPECT_EQ(snapshot(resumed), snapshot(whole));
    EXPECT_EQ(resumed.error(0), whole.error(0));
}

TEST(Force, TestsSideBySideFindWhatEachFindsAlone) {
    auto made = trainer({.hidden = 60});
    std::vector<Snapshot> snapshots;
    for (int64_t k = 0; k < 19; ++k) {
        snapshots.push_back(made.snapshot());
        train(made, 37);  // so that phases differ
    }
    snapshots[4].state.w_out[3] = std::numeric_limits<double>::infinity();  // diverges, and disturbs nobody
    for (const std::size_t count : {2u, 8u, 9u, 15u, 16u, 19u}) {
        auto together = made.start_tests(std::span(snapshots).first(count));
        ASSERT_EQ(together.count(), static_cast<int64_t>(count));
        auto z = run(together, 60);
        const auto saved = snapshot(together);
        const auto expected_rest = run(together, 100);
        auto resumed = made.start_tests(std::span(snapshots).first(count));
        restore(resumed, saved);
        run(resumed, 41);
        run(resumed, 59);
        for (std::size_t k = 0; k < count; ++k) {
            auto alone = made.start_tests(std::span(snapshots).subspan(k, 1));
            const auto single = run(alone, 160);
            if (k == 4) {
                EXPECT_FALSE(std::isfinite(together.error(4)));
                continue;
            }
            for (std::size_t t = 0; t < 60; ++t) ASSERT_EQ(z[t * count + k], single[t]) << count << " tests, test " << k;
            for (std::size_t t = 60; t < 160; ++t) ASSERT_EQ(expected_rest[(t - 60) * count + k], single[t]);
            EXPECT_EQ(together.error(static_cast<int64_t>(k)), alone.error(0));
            EXPECT_EQ(resumed.error(static_cast<int64_t>(k)), alone.error(0));
        }
    }
}

TEST(Force, TestsRefuseSnapshotsOfOtherNetworks) {
    auto made = trainer({.hidden = 60}), other = trainer({.hidden = 61});
    const Snapshot now = made.snapshot();
    EXPECT_THROW(other.start_tests({&now, 1}), DataError);
    const std::vector<Snapshot> two{now, now};
    const auto saved = snapshot(made.start_tests(two));
    auto one = start_test(made);
    ArchiveReader of_two(saved);
    EXPECT_THROW(one.load(of_two), DataError);
    ArchiveReader truncated{std::span(saved).first(saved.size() - 1)};
    auto both = made.start_tests(two);
    EXPECT_THROW(both.load(truncated), DataError);
}

TEST(Force, TestsLeaveTrainingUntouched) {
    auto made = trainer({.hidden = 60}), untested = trainer({.hidden = 60});
    train(made, 170);
    train(untested, 170);
    auto test = start_test(made);
    run(test, 500);
    EXPECT_EQ(snapshot(made), snapshot(untested));
    EXPECT_EQ(train(made, 100), train(untested, 100));
}

TEST(Force, ATestRunsTheClosedLoopWithFrozenWeightsAndGoesOnWithThePhase) {
    auto made = trainer({.hidden = 60});
    train(made, 170);
    auto test = start_test(made);
    EXPECT_TRUE(std::isnan(test.error(0)));
    auto z = run(test, 40);
    const auto more = run(test, 260);
    z.insert(z.end(), more.begin(), more.end());
    EXPECT_EQ(test.steps_done(), 300);
    auto loops = cpu().frozen_loops({60, 0}, made.parameters(), 1);
    auto state = loops->get(0);
    const auto x = made.state();
    state.x.assign(x.begin(), x.end());
    state.z = made.output();
    loops->set(0, state);
    std::vector<double> expected(300);
    loops->run({expected.data(), 1, 300, 1});
    EXPECT_EQ(z, expected);
    z.insert(z.begin(), 170, 0.0);
    EXPECT_NEAR(test.error(0), mean_error(z, 170, 300), 1e-13);
}

TEST(Force, TrainingErrorIsThatOfTheEpochInHand) {
    auto made = trainer({.hidden = 60});
    EXPECT_TRUE(std::isnan(made.training_error()));
    const auto z = train(made, 2 * period_steps);
    EXPECT_NEAR(made.training_error(), mean_error(z, period_steps, period_steps), 1e-13);  // the epoch just finished
    auto other = trainer({.hidden = 60});
    train(other, 2 * period_steps - 37);
    EXPECT_NEAR(other.training_error(), mean_error(z, period_steps, period_steps - 37), 1e-13);
}

TEST(Force, ReadoutIsTheRidgeRegressionOverThePenalty) {
    // One unit, so that the normal equation is a quotient: w = sum r f / (sum r^2 + alpha) over the steps that learned.
    const ForceOptions options{.hidden = 1, .density = 1.0, .alpha = 2.5, .learn_every = 3};
    auto made = trainer(options);
    const auto f = four_sines(period_steps);
    long double rf = 0.0L, rr = options.alpha;
    for (int64_t i = 0; i < 400; ++i) {
        train(made, 1);
        if (i % 3 != 0) continue;
        const long double r = std::tanh(static_cast<long double>(made.state()[0]));
        rf += r * f[static_cast<std::size_t>(i % period_steps)];
        rr += r * r;
    }
    EXPECT_NEAR(made.parameters().tensors.at("weight_out")[0], static_cast<double>(rf / rr), 1e-12);
}

TEST(Force, LearnsTheTargetInMostNetworks) {
    const auto period = four_sines(1200);
    double silence = 0.0;
    for (const double f : period) silence += std::fabs(f) / 1200.0;
    std::vector<double> z(1200), errors;
    for (uint64_t seed = 0; seed < 9; ++seed) {
        const ForceOptions options{.hidden = 300, .gain = 1.4};
        ForceTrainer made(cpu(), learn::initial_rank1(options, seed, 0), options, period, seed, 0);
        for (int epoch = 0; epoch < 10; ++epoch) made.train(1200, z);
        auto test = start_test(made);
        run(test, 1200);
        errors.push_back(test.error(0));
        EXPECT_LT(made.training_error(), silence / 2.0) << "seed " << seed;  // while weights may change, every output follows
        EXPECT_TRUE(made.finite());
    }
    std::ranges::sort(errors);
    EXPECT_LT(errors[4], silence / 2.0);
}

TEST(Force, BackendsAgreeOnTheFirst200Steps) {
    const auto reference = backend::make_reference();
    auto a = trainer({.hidden = 90}), b = trainer({.hidden = 90}, 5, *reference);
    const auto z = train(a, 200), expected = train(b, 200);
    for (std::size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(z[i], expected[i], 1e-11);
}

TEST(Force, DivergenceIsAResult) {
    for (const double bad : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
        auto made = trainer({.hidden = 30});
        EXPECT_TRUE(made.finite());
        std::vector<double> x(30, 0.1);
        x[7] = bad;
        made.start_from(x, 0.0);
        EXPECT_FALSE(made.finite());
        train(made, 200);
        EXPECT_FALSE(made.finite());
        auto test = start_test(made);
        run(test, 10);
        EXPECT_EQ(test.steps_done(), 10);
    }
    auto made = trainer({.hidden = 30});
    made.start_from(std::vector<double>(30, 0.1), std::numeric_limits<double>::infinity());
    EXPECT_FALSE(made.finite());
    train(made, 5);
    EXPECT_FALSE(made.finite());
}

TEST(Force, StartFromReplacesTheStateAndChecksItsSize) {
    auto made = trainer({.hidden = 30});
    const std::vector<double> x(30, 0.25);
    made.start_from(x, -0.5);
    EXPECT_EQ(made.state(), x);
    EXPECT_EQ(made.output(), -0.5);
    EXPECT_THROW(made.start_from(std::vector<double>(29), 0.0), DataError);
    train(made, 1);
    EXPECT_THROW(made.start_from(x, 0.0), InternalError);
}

std::string refusal(const ForceOptions& options) {
    try {
        learn::initial_rank1(options, 1, 0);
    } catch (const DataError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Force, RefusesOptionsByNameFoundAndExpected) {
    const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    const auto expect = [](const ForceOptions& options, const char* start) { EXPECT_EQ(refusal(options).rfind(start, 0), 0u) << refusal(options); };
    expect({.hidden = 0}, "hidden: found 0, expected an integer from 1 to 65536");
    expect({.hidden = -3}, "hidden: found -3, expected");
    expect({.hidden = 65537}, "hidden: found 65537, expected");
    expect({.gain = nan}, "gain: found nan, expected");
    expect({.gain = -1.0}, "gain: found -1, expected");
    expect({.gain = inf}, "gain: found inf, expected");
    expect({.density = 0.0}, "density: found 0, expected");
    expect({.density = 1.1}, "density: found 1.1, expected");
    expect({.density = nan}, "density: found nan, expected");
    expect({.dt = 0.0}, "dt: found 0, expected");
    expect({.dt = 1.5}, "dt: found 1.5, expected");
    expect({.alpha = 0.0}, "alpha: found 0, expected");
    expect({.alpha = inf}, "alpha: found inf, expected");
    expect({.alpha = nan}, "alpha: found nan, expected");
    expect({.learn_every = 0}, "learn_every: found 0, expected an integer from 1");
    expect({.initial_scale = nan}, "initial_scale: found nan, expected");
    EXPECT_EQ(refusal({.hidden = 5}), "accepted");
}

TEST(Force, RefusesParametersTargetsAndSnapshotsThatDoNotFit) {
    const ForceOptions options{.hidden = 20};
    const auto good = learn::initial_rank1(options, 1, 0);
    const auto make = [&](const cells::Parameters& parameters, const ForceOptions& o, std::vector<double> period) {
        return ForceTrainer(cpu(), parameters, o, std::move(period), 1, 0);
    };
    const std::vector<double> period{0.0, 1.0};
    EXPECT_NO_THROW(make(good, options, period));
    EXPECT_THROW(make(good, {.hidden = 21}, period), DataError);
    EXPECT_THROW(make(good, {.hidden = 20, .learn_every = 0}, period), DataError);
    EXPECT_THROW(make(good, options, {}), DataError);
    EXPECT_THROW(make(good, options, {0.0, std::numeric_limits<double>::quiet_NaN()}), DataError);
    auto missing = good;
    missing.tensors.erase("weight_fb");
    EXPECT_THROW(make(missing, options, period), DataError);

    auto small = make(good, options, period);
    train(small, 10);
    const auto bytes = snapshot(small);
    auto other = trainer({.hidden = 21});
    ArchiveReader of_another_size(bytes);
    EXPECT_THROW(other.load(of_another_size), DataError);
    for (const std::size_t length : {std::size_t{0}, std::size_t{3}, bytes.size() / 2, bytes.size() - 1}) {
        auto again = make(good, options, period);
        ArchiveReader truncated{std::span(bytes).first(length)};
        EXPECT_THROW(again.load(truncated), DataError) << length;
    }
}

}  // namespace
