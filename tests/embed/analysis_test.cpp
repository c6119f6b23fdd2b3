#include "aelle/embed/analysis.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "aelle/embed/classifiers.hpp"
#include "aelle/embed/scores.hpp"
#include "aelle/embed/split.hpp"
#include "synthetic_study.hpp"

namespace aelle::embed {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

AnalysisOptions quick_options() {
    AnalysisOptions options;
    options.repeats = 2;
    options.autoencoder.hidden = {16};
    options.autoencoder.latent = 4;
    options.autoencoder.steps = 150;
    options.autoencoder.curve_points = 5;
    options.init_centre = 1.4;
    return options;
}

int64_t index_of(const AnalysisOptions& options, const std::string& name) {
    const auto list = classifiers(options);
    const auto found = std::find_if(list.begin(), list.end(), [&](const Classifier& c) { return c.name == name; });
    return found == list.end() ? -1 : found - list.begin();
}

/// Outcomes of classifier c on the test networks at epoch index e.
Outcomes test_outcomes(const RepeatResult& repeat, const std::vector<uint8_t>& label, int64_t c, int64_t epochs, int64_t e) {
    std::vector<uint8_t> predicted, truth;
    for (std::size_t v = 0; v < label.size(); ++v) {
        const auto row = (c * static_cast<int64_t>(label.size()) + static_cast<int64_t>(v)) * epochs + e;
        if (repeat.split[v] != Part::test || repeat.positive[static_cast<std::size_t>(row)] < 0) continue;
        predicted.push_back(static_cast<uint8_t>(repeat.positive[static_cast<std::size_t>(row)]));
        truth.push_back(label[v]);
    }
    return count_outcomes(predicted, truth);
}

/// Outcomes (C, E) on test networks, summed over repeats.
std::vector<Outcomes> outcomes_over_repeats(const AnalysisInput& input, AnalysisOptions options, int64_t repeats) {
    options.repeats = repeats;
    const auto label = labels_of(input);
    const auto epochs = static_cast<int64_t>(input.epochs.size());
    std::vector<Outcomes> total(classifiers(options).size() * input.epochs.size());
    for (int64_t repeat = 0; repeat < repeats; ++repeat) {
        const RepeatResult result = analyze_repeat(input, options, repeat);
        for (std::size_t i = 0; i < total.size(); ++i) {
            const auto c = static_cast<int64_t>(i) / epochs, e = static_cast<int64_t>(i) % epochs;
            const Outcomes one = test_outcomes(result, label, c, epochs, e);
            total[i] = {total[i].tp + one.tp, total[i].fp + one.fp, total[i].fn + one.fn, total[i].tn + one.tn};
        }
    }
    return total;
}

/// Everything that was fitted, and every score and decision; NaN compares equal as bytes.
std::vector<std::byte> bytes_of(const RepeatResult& result) {
    ArchiveWriter archive;
    result.save(archive);
    return archive.take();
}

TEST(Analysis, EveryClassifierIsThereByItsName) {
    AnalysisOptions options;
    for (const char* name : {"all-good", "le-mean", "le-max", "le-std", "le-pc1", "aelle-pc1", "aelle-pc1-median", "le-mean-median", "le-max-median",
                             "le-pc1-median", "ridge-spectrum", "ridge-le-pcs", "ridge-aelle-pcs", "aelle-prediction", "5-nn-spectrum",
                             "5-nn-mean-max", "init", "architecture", "logistic", "logistic-by-architecture",
                             "aelle-orthants-1", "aelle-orthants-2", "aelle-orthants-4", "aelle-orthants-10", "aelle-ellipse", "epoch-loss",
                             "epoch-loss-final-threshold"}) {
        EXPECT_GE(index_of(options, name), 0) << name;
    }
    EXPECT_EQ(index_of(options, "init-distance"), -1);
    options.init_centre = 1.4;
    EXPECT_GE(index_of(options, "init-distance"), 0);
}

TEST(Analysis, FindsARuleThatSpectraHold) {
    // Good networks lie between bad ones, as in the paper: no threshold on one exponent can do it, the embedding and neighbours can.
    const AnalysisInput input = synthetic_study(120, 1, Rule::band);
    AnalysisOptions options = quick_options();
    options.autoencoder.hidden = {64};
    options.autoencoder.latent = 8;
    options.autoencoder.steps = 1500;
    options.repeats = 4;
    double f1[4] = {};
    for (int64_t repeat = 0; repeat < options.repeats; ++repeat) {
        const RepeatResult result = analyze_repeat(input, options, repeat);
        const auto label = labels_of(input);
        int i = 0;
        for (const char* name : {"aelle-pc1", "5-nn-spectrum", "all-good", "le-mean"}) {
            f1[i++] += scores(test_outcomes(result, label, index_of(options, name), 1, 0)).f1 / static_cast<double>(options.repeats);
        }
    }
    EXPECT_GT(f1[0], 0.85);
    EXPECT_GT(f1[1], 0.85);
    EXPECT_NEAR(f1[2], 2.0 / 3.0, 0.12);
    EXPECT_LT(f1[3], 0.8);
}

TEST(Analysis, AllGoodScoresWhatItsFormulaSays) {
    const AnalysisInput input = synthetic_study(40, 1, Rule::band);
    const RepeatResult result = analyze_repeat(input, quick_options(), 1);
    const Outcomes outcomes = test_outcomes(result, labels_of(input), 0, 1, 0);
    const double good = static_cast<double>(outcomes.tp) / static_cast<double>(outcomes.count());
    EXPECT_EQ(scores(outcomes).recall, 1.0);
    EXPECT_DOUBLE_EQ(scores(outcomes).f1, 2 * good / (1 + good));
}

TEST(HeldOut, PermutingTestLossesChangesNothingThatIsFittedOrPredicted) {
    AnalysisInput input = synthetic_study(60, 1, Rule::band);
    const AnalysisOptions options = quick_options();
    const RepeatResult before = analyze_repeat(input, options, 0);
    // Rotating the losses among the test networks keeps the study's median.
    std::vector<std::size_t> tested;
    for (std::size_t v = 0; v < before.split.size(); ++v) {
        if (before.split[v] == Part::test) tested.push_back(v);
    }
    const double first = input.loss_final[tested.front()];
    for (std::size_t i = 0; i + 1 < tested.size(); ++i) input.loss_final[tested[i]] = input.loss_final[tested[i + 1]];
    input.loss_final[tested.back()] = first;
    ASSERT_NE(labels_of(input), labels_of(synthetic_study(60, 1, Rule::band)));
    EXPECT_EQ(bytes_of(analyze_repeat(input, options, 0)), bytes_of(before));
}

TEST(HeldOut, ChangingTestSpectraChangesNothingFitted) {
    AnalysisInput input = synthetic_study(60, 1, Rule::band);
    const AnalysisOptions options = quick_options();
    const RepeatResult before = analyze_repeat(input, options, 0);
    for (std::size_t v = 0; v < before.split.size(); ++v) {
        if (before.split[v] != Part::test) continue;
        input.init[v] += 0.5;
        for (int64_t i = 0; i < input.largest_dimension; ++i) {
            input.exponents[v * static_cast<std::size_t>(input.largest_dimension) + static_cast<std::size_t>(i)] -= 0.3 * static_cast<double>(v % 7);
        }
    }
    const RepeatResult after = analyze_repeat(input, options, 0);
    EXPECT_EQ(before.split, after.split);
    EXPECT_EQ(before.side, after.side);
    for (std::size_t i = 0; i < before.boundary.size(); ++i) {
        EXPECT_TRUE(before.boundary[i] == after.boundary[i] || (std::isnan(before.boundary[i]) && std::isnan(after.boundary[i])));
    }
    EXPECT_EQ(before.model->autoencoder.net.parameters(), after.model->autoencoder.net.parameters());
    EXPECT_EQ(before.model->pca.mean, after.model->pca.mean);
    EXPECT_EQ(before.model->pca.variance, after.model->pca.variance);
    EXPECT_TRUE(std::equal(before.model->pca.axes.data(), before.model->pca.axes.data() + before.model->pca.axes.size(), after.model->pca.axes.data()));
    EXPECT_EQ(before.model->le_pca.variance, after.model->le_pca.variance);
    EXPECT_EQ(before.model->spectrum_scaler.shift, after.model->spectrum_scaler.shift);
    EXPECT_EQ(before.model->spectrum_scaler.factor, after.model->spectrum_scaler.factor);
    EXPECT_EQ(before.model->target_scaler.shift, after.model->target_scaler.shift);
    // What is said of training and validation networks stays, what is said of test networks moves.
    const auto count = before.split.size();
    int64_t moved = 0;
    for (std::size_t i = 0; i < before.score.size(); ++i) {
        if (before.split[i % count] == Part::test) moved += before.score[i] != after.score[i];
        else EXPECT_EQ(before.score[i], after.score[i]) << "classifier " << i / count << ", variant " << i % count;
    }
    EXPECT_GT(moved, 0);
}

TEST(HeldOut, ChangingTrainingLossesDoesChangeTheFit) {
    AnalysisInput input = synthetic_study(60, 1, Rule::band);
    const RepeatResult before = analyze_repeat(input, quick_options(), 0);
    const auto v = static_cast<std::size_t>(std::find(before.split.begin(), before.split.end(), Part::training) - before.split.begin());
    input.loss_final[v] += 0.1;
    EXPECT_NE(bytes_of(analyze_repeat(input, quick_options(), 0)), bytes_of(before));
}

TEST(HeldOut, NeighboursDoNotCountTheNetworkItself) {
    AnalysisInput input = synthetic_study(40, 2, Rule::band);
    AnalysisOptions options = quick_options();
    options.threshold = 0.3;
    const RepeatResult before = analyze_repeat(input, options, 0);
    const auto v = static_cast<std::size_t>(std::find(before.split.begin(), before.split.end(), Part::training) - before.split.begin());
    input.loss_final[v] = input.loss_final[v] < 0.3 ? 0.9 : 0.1;
    const RepeatResult after = analyze_repeat(input, options, 0);
    // The means and maxima do not depend on losses, so neither do the neighbours; only labels of others may count.
    const auto c = static_cast<std::size_t>(index_of(options, "5-nn-mean-max"));
    for (std::size_t e = 0; e < 2; ++e) EXPECT_EQ(before.score[(c * 40 + v) * 2 + e], after.score[(c * 40 + v) * 2 + e]);
    EXPECT_NE(before.score, after.score);
}

TEST(HeldOut, ShuffledLabelsScoreAtChance) {
    // Losses that neither spectra nor the losses of the first epoch say anything of: accuracy is one half up to the spread of all tested networks, and
    // F1 not above what guessing gives. The loss at the last epoch is what labels are made from: classifiers that see it are right there, and there alone.
    AnalysisInput input = synthetic_study(150, 2, Rule::none);
    RandomStream random(9, 0, Purpose::noise);
    for (std::size_t v = 0; v < input.variant.size(); ++v) input.loss[2 * v] = random.uniform();
    const auto list = classifiers(quick_options());
    const auto total = outcomes_over_repeats(input, quick_options(), 12);
    for (std::size_t c = 0; c < list.size(); ++c) {
        for (std::size_t e = 0; e < 2; ++e) {
            const Outcomes& outcomes = total[2 * c + e];
            const std::string place = list[c].name + " at epoch index " + std::to_string(e);
            const Scores s = scores(outcomes);
            if (e == 1 && list[c].name == "epoch-loss-final-threshold") {
                EXPECT_EQ(s.accuracy, 1.0) << place;
            } else if (e == 1 && list[c].name == "epoch-loss") {
                EXPECT_GT(s.accuracy, 0.97) << place;  // a tested network may fall into the gap that the boundary halves
            } else {
                // 12 splits of 30 test networks overlap: 150 networks bound the information, so four of their standard deviations.
                EXPECT_NEAR(s.accuracy, 0.5, 4 * 0.5 / std::sqrt(150.0)) << place;
                // A classifier that calls a share q good by chance has F1 = q / (q + 1/2).
                const double share = static_cast<double>(outcomes.tp + outcomes.fp) / static_cast<double>(outcomes.count());
                EXPECT_NEAR(s.f1, share / (share + 0.5), 0.17) << place;
            }
        }
    }
}

TEST(Labels, LossBelowTheMedianStrictlyAndDivergedIsBad) {
    AnalysisInput input = synthetic_study(20, 1, Rule::band);
    std::iota(input.loss_final.begin(), input.loss_final.end(), 1.0);
    input.loss_final[0] = std::nan("");
    input.status[0] = "diverged";
    AnalysisOptions options = quick_options();
    options.repeats = 1;
    const Analysis analysis = assemble(input, options, {analyze_repeat(input, options, 0)});
    // Losses 2 .. 20 and one that counts as infinite: the median lies between 11 and 12.
    EXPECT_EQ(analysis.threshold, 11.5);
    EXPECT_EQ(analysis.label[0], 0);
    for (std::size_t v = 1; v < 20; ++v) EXPECT_EQ(analysis.label[v], v + 1 <= 11) << v;
    EXPECT_EQ(analysis.diverged, 1);
    EXPECT_EQ(analysis.left_out, 0);
    EXPECT_NE(analysis.repeats[0].split[0], Part::left_out);
    options.threshold = 5.0;
    const Analysis fixed = assemble(input, options, {analyze_repeat(input, options, 0)});
    EXPECT_EQ(std::count(fixed.label.begin(), fixed.label.end(), 1), 3);  // 2, 3, 4: strictly below
    EXPECT_EQ(fixed.median_loss, 11.5);
}

TEST(Labels, BestLossIsAnOption) {
    AnalysisInput input = synthetic_study(20, 1, Rule::band);
    for (std::size_t v = 0; v < 20; ++v) input.loss_best[v] = 0.5 * static_cast<double>(20 - v);
    AnalysisOptions options = quick_options();
    options.repeats = 1;
    options.loss = LossChoice::best;
    const Analysis analysis = assemble(input, options, {analyze_repeat(input, options, 0)});
    EXPECT_EQ(analysis.loss, input.loss_best);
    EXPECT_EQ(analysis.label[19], 1);
    EXPECT_EQ(analysis.label[0], 0);
}

TEST(Spectra, OnlyNonFiniteOnesAreLeftOutAndMinusInfinityIsClipped) {
    AnalysisInput input = synthetic_study(30, 1, Rule::band);
    const auto width = static_cast<std::size_t>(input.largest_dimension);
    input.exponents[3 * width + width - 1] = -infinity;
    input.exponents[4 * width + width - 1] = -600.0;
    input.exponents[7 * width] = std::nan("");
    input.exponents[8 * width] = infinity;
    AnalysisOptions options = quick_options();
    options.repeats = 1;
    const Analysis analysis = assemble(input, options, {analyze_repeat(input, options, 0)});
    EXPECT_EQ(analysis.clipped, 2);
    EXPECT_EQ(analysis.left_out, 2);
    EXPECT_EQ(analysis.left_out_spectra, 2);
    EXPECT_EQ(analysis.mean[3], analysis.mean[3]);
    EXPECT_NEAR(analysis.mean[4] * static_cast<double>(width),
                std::accumulate(input.exponents.begin() + 4 * static_cast<std::ptrdiff_t>(width), input.exponents.begin() + 5 * static_cast<std::ptrdiff_t>(width) - 1, -500.0), 1e-9);
    const RepeatResult& repeat = analysis.repeats[0];
    for (std::size_t v = 0; v < 30; ++v) {
        const bool out = v == 7 || v == 8;
        EXPECT_EQ(repeat.split[v] == Part::left_out, out);
        EXPECT_EQ(std::isnan(repeat.model->latent[v * 4]), out);
        EXPECT_EQ(std::isnan(repeat.model->predicted_loss[v]), out);
        EXPECT_EQ(std::isnan(analysis.mean[v]), out);
        for (std::size_t c = 0; c < analysis.classifier.size(); ++c) {
            EXPECT_EQ(repeat.positive[c * 30 + v] == -1, out);
            EXPECT_EQ(std::isnan(repeat.score[c * 30 + v]), out) << analysis.classifier[c];
        }
    }
}

TEST(Spectra, UnlikeDimensionsAreInterpolatedAndDoublingRefusesWhatItCannot) {
    AnalysisInput input = synthetic_study(20, 1, Rule::band);
    for (std::size_t v = 0; v < 20; v += 2) input.dimension[v] = input.largest_dimension / 2;
    AnalysisOptions options = quick_options();
    options.length = 2 * input.largest_dimension;
    EXPECT_EQ(analyze_repeat(input, options, 0).model->le_pca.mean.size(), static_cast<std::size_t>(options.length));
    options.interpolation = Interpolation::doubling;
    EXPECT_NO_THROW(check_input(input, options));
    options.length = 3 * input.largest_dimension;
    EXPECT_THROW(check_input(input, options), DataError);
}

class EpochsTest : public testing::TestWithParam<std::pair<FitEpochs, BoundaryEpochs>> {};

TEST_P(EpochsTest, SeveralEpochsGiveEveryRowAScoreAndKeepTestNetworksOut) {
    AnalysisInput input = synthetic_study(40, 3, Rule::band);
    AnalysisOptions options = quick_options();
    options.fit = GetParam().first;
    options.boundaries = GetParam().second;
    // One network's spectrum is lost at the first epoch only: it stays in the study with the others.
    input.exponents[5 * 3 * static_cast<std::size_t>(input.largest_dimension)] = std::nan("");
    const RepeatResult before = analyze_repeat(input, options, 0);
    const auto list = classifiers(options);
    ASSERT_EQ(before.score.size(), list.size() * 40 * 3);
    ASSERT_EQ(before.boundary.size(), list.size() * 3);
    EXPECT_NE(before.split[5], Part::left_out);
    EXPECT_EQ(before.positive[5 * 3], -1);
    EXPECT_NE(before.positive[5 * 3 + 1], -1);
    const auto c = static_cast<std::size_t>(index_of(options, "le-mean"));
    const bool common = before.boundary[c * 3] == before.boundary[c * 3 + 1] && before.boundary[c * 3] == before.boundary[c * 3 + 2];
    EXPECT_EQ(common, options.boundaries == BoundaryEpochs::fitted);

    for (std::size_t v = 0; v < 40; ++v) {
        if (before.split[v] != Part::test) continue;
        for (int64_t i = 0; i < 3 * input.largest_dimension; ++i) input.exponents[v * 3 * static_cast<std::size_t>(input.largest_dimension) + static_cast<std::size_t>(i)] -= 0.2;
    }
    const RepeatResult after = analyze_repeat(input, options, 0);
    EXPECT_EQ(before.model->autoencoder.net.parameters(), after.model->autoencoder.net.parameters());
    EXPECT_EQ(before.side, after.side);
    for (std::size_t i = 0; i < before.boundary.size(); ++i) EXPECT_TRUE(before.boundary[i] == after.boundary[i] || std::isnan(before.boundary[i]));
}

INSTANTIATE_TEST_SUITE_P(FitsAndBoundaries, EpochsTest,
                         testing::Values(std::pair{FitEpochs::pooled, BoundaryEpochs::fitted}, std::pair{FitEpochs::pooled, BoundaryEpochs::each},
                                         std::pair{FitEpochs::last, BoundaryEpochs::fitted}));

TEST(Epochs, FitLastIgnoresEarlierEpochs) {
    AnalysisInput input = synthetic_study(30, 2, Rule::band);
    AnalysisOptions options = quick_options();
    options.fit = FitEpochs::last;
    const RepeatResult before = analyze_repeat(input, options, 0);
    const auto width = static_cast<std::size_t>(input.largest_dimension);
    for (std::size_t v = 0; v < 30; ++v) {
        for (std::size_t i = 0; i < width; ++i) input.exponents[(v * 2) * width + i] -= 0.1 * static_cast<double>(v);
    }
    const RepeatResult after = analyze_repeat(input, options, 0);
    EXPECT_EQ(before.model->autoencoder.net.parameters(), after.model->autoencoder.net.parameters());
    for (std::size_t i = 1; i < before.score.size(); i += 2) EXPECT_EQ(before.score[i], after.score[i]);
}

TEST(Analysis, RepeatsSurviveTheArchive) {
    const AnalysisInput input = synthetic_study(20, 2, Rule::band);
    for (const int64_t repeat : {int64_t{0}, int64_t{1}}) {
        const RepeatResult result = analyze_repeat(input, quick_options(), repeat);
        EXPECT_EQ(result.model.has_value(), repeat == 0);
        const auto bytes = bytes_of(result);
        ArchiveReader reader(bytes);
        RepeatResult loaded;
        loaded.load(reader);
        EXPECT_TRUE(reader.empty());
        EXPECT_EQ(bytes_of(loaded), bytes);
        EXPECT_EQ(loaded.split, result.split);
        if (repeat == 0) {
            EXPECT_EQ(loaded.model->autoencoder.net.layers().size(), result.model->autoencoder.net.layers().size());
        }
    }
}

TEST(Analysis, SameArgumentsGiveSameBytesAndOrderOfRepeatsDoesNotMatter) {
    const AnalysisInput input = synthetic_study(20, 1, Rule::band);
    const AnalysisOptions options = quick_options();
    const RepeatResult first = analyze_repeat(input, options, 0), second = analyze_repeat(input, options, 1);
    EXPECT_EQ(bytes_of(first), bytes_of(analyze_repeat(input, options, 0)));
    EXPECT_NE(first.split, second.split);
    const Analysis analysis = assemble(input, options, {second, first});
    EXPECT_EQ(analysis.repeats[0].repeat, 0);
    EXPECT_THROW(assemble(input, options, {first, first}), InternalError);
    EXPECT_THROW(assemble(input, options, {first}), InternalError);
}

TEST(Analysis, RepeatsOnSeveralThreadsGiveTheBytesOfOne) {
    const AnalysisInput input = synthetic_study(30, 1, Rule::band);
    AnalysisOptions options = quick_options();
    options.repeats = 4;
    std::vector<std::vector<std::byte>> together(4);
    std::vector<std::thread> threads;
    for (int64_t r = 0; r < 4; ++r) {
        threads.emplace_back([&, r] { together[static_cast<std::size_t>(r)] = bytes_of(analyze_repeat(input, options, r)); });
    }
    for (std::thread& thread : threads) thread.join();
    for (int64_t r = 0; r < 4; ++r) EXPECT_EQ(together[static_cast<std::size_t>(r)], bytes_of(analyze_repeat(input, options, r)));
}

TEST(SmallInputs, TwelveVariantsWork) {
    const AnalysisInput input = synthetic_study(12, 1, Rule::band);
    AnalysisOptions options = quick_options();
    options.repeats = 3;
    std::vector<RepeatResult> repeats;
    for (int64_t r = 0; r < 3; ++r) repeats.push_back(analyze_repeat(input, options, r));
    const Analysis analysis = assemble(input, options, std::move(repeats));
    EXPECT_EQ(std::count(analysis.label.begin(), analysis.label.end(), 1), 6);
}

TEST(SmallInputs, OneExponentAndFewestVariantsWork) {
    AnalysisInput input = synthetic_study(5, 1, Rule::band, 1);
    EXPECT_NO_THROW(analyze_repeat(input, quick_options(), 0));
}

TEST(SmallInputs, FewerThanFiveVariantsAreRefusedClearly) {
    const AnalysisInput input = synthetic_study(4, 1, Rule::band);
    try {
        check_input(input, quick_options());
        FAIL() << "no error";
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("found 4 variants"), std::string::npos) << error.what();
    }
    EXPECT_THROW(analyze_repeat(input, quick_options(), 0), DataError);
    EXPECT_THROW(check_input(AnalysisInput{}, quick_options()), DataError);
}

TEST(SmallInputs, EqualLossesMakeNobodyGood) {
    AnalysisInput input = synthetic_study(20, 1, Rule::band);
    std::fill(input.loss_final.begin(), input.loss_final.end(), 0.25);
    AnalysisOptions options = quick_options();
    options.repeats = 1;
    const Analysis analysis = assemble(input, options, {analyze_repeat(input, options, 0)});
    EXPECT_EQ(std::count(analysis.label.begin(), analysis.label.end(), 1), 0);
    for (const double score : analysis.repeats[0].score) EXPECT_TRUE(std::isfinite(score));
    for (const double loss : analysis.repeats[0].model->predicted_loss) EXPECT_TRUE(std::isfinite(loss));
    const Scores s = scores(test_outcomes(analysis.repeats[0], analysis.label, 0, 1, 0));
    EXPECT_EQ(s.f1, 0.0);
    EXPECT_GT(s.undefined, 0);
}

TEST(Options, WrongOnesNameTheirKey) {
    const AnalysisInput input = synthetic_study(12, 1, Rule::band);
    const auto message = [&](auto change) {
        AnalysisOptions options = quick_options();
        change(options);
        try {
            check_input(input, options);
        } catch (const DataError& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    EXPECT_NE(message([](AnalysisOptions& o) { o.repeats = 0; }).find("analysis.repeats: found 0"), std::string::npos);
    EXPECT_NE(message([](AnalysisOptions& o) { o.validation_fraction = 0.3; }).find("analysis.validation_fraction"), std::string::npos);
    EXPECT_NE(message([](AnalysisOptions& o) { o.transform_scale = 0; }).find("analysis.transform_scale"), std::string::npos);
    EXPECT_NE(message([](AnalysisOptions& o) { o.autoencoder.dropout = 1.0; }).find("analysis.autoencoder.dropout"), std::string::npos);
    EXPECT_NE(message([](AnalysisOptions& o) { o.autoencoder.alpha = {}; }).find("analysis.autoencoder.alpha"), std::string::npos);
    EXPECT_NE(message([](AnalysisOptions& o) { o.autoencoder.reconstruction_norm = 3; }).find("found 3, expected 1 or 2"), std::string::npos);
}

}  // namespace
}  // namespace aelle::embed
