// Splits by spectrum, labels by architecture, architectures left out, unit of the exponents.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "aelle/base/error.hpp"
#include "aelle/embed/classifiers.hpp"
#include "aelle/embed/split.hpp"
#include "synthetic_study.hpp"

namespace aelle::embed {
namespace {

AnalysisOptions quick_options() {
    AnalysisOptions options;
    options.repeats = 2;
    options.autoencoder.hidden = {8};
    options.autoencoder.latent = 3;
    options.autoencoder.steps = 60;
    options.autoencoder.curve_points = 2;
    return options;
}

/// Three architectures in turn, each ten times as bad as the one before.
AnalysisInput three_architectures(int64_t variants, int64_t epochs = 1) {
    AnalysisInput input = synthetic_study(variants, epochs, Rule::band);
    const char* names[] = {"lem", "gru", "rnn"};
    for (std::size_t v = 0; v < input.cell.size(); ++v) {
        input.cell[v] = names[v % 3];
        input.loss_final[v] *= std::pow(10.0, static_cast<double>(v % 3));
    }
    return input;
}

std::vector<std::byte> bytes_of(const RepeatResult& result) {
    ArchiveWriter archive;
    result.save(archive);
    return archive.take();
}

TEST(SpectrumSplit, PartsAreDrawnForEachSpectrumAndLeak) {
    std::vector<uint8_t> usable(60, 1);
    usable[7] = 0;
    const auto part = split_spectra(usable, 5, 0, 0.7, 0.1);
    EXPECT_EQ(part[7], Part::left_out);
    EXPECT_EQ(std::count(part.begin(), part.end(), Part::training), 41);
    EXPECT_EQ(std::count(part.begin(), part.end(), Part::validation), 6);
    EXPECT_EQ(std::count(part.begin(), part.end(), Part::test), 12);
    EXPECT_NE(part, split_spectra(usable, 5, 1, 0.7, 0.1));
    EXPECT_THROW(split_spectra(std::vector<uint8_t>(4, 1), 5, 0, 0.7, 0.1), DataError);
}

TEST(SpectrumSplit, NetworksStraddleItAndTheDefaultKeepsThemWhole) {
    AnalysisInput input = synthetic_study(20, 3, Rule::band);
    const auto width = static_cast<std::size_t>(input.largest_dimension);
    input.exponents[(4 * 3 + 2) * width] = std::nan("");  // last spectrum of network 4
    AnalysisOptions options = quick_options();
    EXPECT_TRUE(analyze_repeat(input, options, 0).spectrum_split.empty());
    options.split = SplitBy::spectra;
    const RepeatResult result = analyze_repeat(input, options, 0);
    ASSERT_EQ(result.spectrum_split.size(), 60u);
    int straddling = 0;
    for (std::size_t v = 0; v < 20; ++v) {
        const std::set<int8_t> parts(result.spectrum_split.begin() + static_cast<std::ptrdiff_t>(3 * v), result.spectrum_split.begin() + static_cast<std::ptrdiff_t>(3 * v + 3));
        straddling += parts.contains(Part::training) && parts.contains(Part::test);
        EXPECT_EQ(result.split[v], result.spectrum_split[3 * v + (v == 4 ? 1 : 2)]);
    }
    EXPECT_GT(straddling, 3);
    EXPECT_EQ(result.spectrum_split[4 * 3 + 2], Part::left_out);
}

TEST(ArchitectureSplit, TestsAllOfOneAndTrainsOnTheOthers) {
    const std::vector<uint8_t> usable{1, 1, 1, 1, 1, 1, 1, 0, 1, 0}, held_out{1, 0, 0, 0, 0, 0, 0, 0, 1, 1};
    const auto part = split_architectures(usable, held_out, 3, 20, 0.7, 0.1);
    EXPECT_EQ(part[0], Part::test);
    EXPECT_EQ(part[8], Part::test);
    EXPECT_EQ(part[9], Part::left_out);
    EXPECT_EQ(part[7], Part::left_out);
    EXPECT_EQ(std::count(part.begin(), part.end(), Part::training), 5);
    EXPECT_EQ(std::count(part.begin(), part.end(), Part::validation), 1);
    const std::vector<uint8_t> three{1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, four{1, 1, 1, 1, 0, 0, 0, 0, 0, 0};  // of eight usable
    EXPECT_EQ(std::count_if(usable.begin(), usable.end(), [](uint8_t u) { return u; }), 8);
    EXPECT_NO_THROW(split_architectures(usable, three, 3, 20, 0.7, 0.1));  // leaves 5, the fewest
    EXPECT_THROW(split_architectures(usable, four, 3, 20, 0.7, 0.1), DataError);
}

TEST(LeaveOneOut, OneMoreFitForEachArchitecture) {
    const AnalysisInput input = three_architectures(30);
    AnalysisOptions options = quick_options();
    const std::vector<std::string> cells{"lem", "gru", "rnn"};
    EXPECT_EQ(held_out_cells(input, options), cells);
    std::vector<RepeatResult> results;
    for (int64_t r = 0; r < 5; ++r) results.push_back(analyze_repeat(input, options, r));
    EXPECT_THROW(analyze_repeat(input, options, 5), InternalError);
    const Analysis analysis = assemble(input, options, {results[4], results[0], results[3], results[2], results[1]});
    EXPECT_EQ(analysis.repeats.size(), 2u);
    EXPECT_EQ(analysis.held_out, cells);
    ASSERT_EQ(analysis.held_out_results.size(), 3u);
    for (std::size_t a = 0; a < 3; ++a) {
        for (std::size_t v = 0; v < 30; ++v) EXPECT_EQ(analysis.held_out_results[a].split[v] == Part::test, input.cell[v] == cells[a]);
    }
    EXPECT_THROW(assemble(input, options, {results[0], results[1]}), InternalError);
    options.leave_one_out = false;
    EXPECT_TRUE(held_out_cells(input, options).empty());
    EXPECT_NO_THROW(assemble(input, options, {results[0], results[1]}));
    EXPECT_TRUE(held_out_cells(synthetic_study(30, 1, Rule::band), quick_options()).empty());  // one architecture
}

TEST(LeaveOneOut, LossesOfTheArchitectureLeftOutChangeNothing) {
    AnalysisInput input = three_architectures(30);
    AnalysisOptions options = quick_options();
    options.threshold = 1.0;
    const RepeatResult before = analyze_repeat(input, options, 3);  // leaves out gru
    for (std::size_t v = 1; v < 30; v += 3) input.loss_final[v] = v % 2 ? 0.01 : 5.0;
    EXPECT_EQ(bytes_of(analyze_repeat(input, options, 3)), bytes_of(before));
    input.loss_final[0] = 50.0;
    EXPECT_NE(bytes_of(analyze_repeat(input, options, 3)), bytes_of(before));
}

TEST(ArchitectureLabels, AreBelowTheOwnMedianInTheControlAndAsAChoice) {
    const AnalysisInput input = three_architectures(30);
    AnalysisOptions options = quick_options();
    options.leave_one_out = false;
    const RepeatResult first = analyze_repeat(input, options, 0), second = analyze_repeat(input, options, 1);
    const Analysis analysis = assemble(input, options, {first, second});
    std::vector<uint8_t> expected(30);
    for (std::size_t c = 0; c < 3; ++c) {
        std::vector<double> losses;
        for (std::size_t v = c; v < 30; v += 3) losses.push_back(input.loss_final[v]);
        for (std::size_t v = c; v < 30; v += 3) expected[v] = input.loss_final[v] < median(losses);
    }
    EXPECT_EQ(std::count(expected.begin(), expected.end(), 1), 15);
    EXPECT_EQ(analysis.control_label, expected);
    EXPECT_NE(analysis.label, expected);
    ASSERT_EQ(first.control_positive.size(), first.positive.size());

    options.label = LabelReference::architecture;
    const RepeatResult chosen = analyze_repeat(input, options, 0);
    EXPECT_TRUE(chosen.control_positive.empty());
    EXPECT_EQ(chosen.positive, first.control_positive);  // the same models: the autoencoder predicts the loss in both
    const Analysis by_choice = assemble(input, options, {chosen, analyze_repeat(input, options, 1)});
    EXPECT_EQ(by_choice.label, expected);
    EXPECT_TRUE(by_choice.control_label.empty());
    options.threshold = 1.0;
    EXPECT_THROW(check_input(input, options), DataError);
    options.threshold.reset();
    options.label = LabelReference::study;
    options.architecture_control = false;
    EXPECT_TRUE(analyze_repeat(input, options, 0).control_positive.empty());
}

TEST(Controls, SurviveTheArchive) {
    const AnalysisInput input = three_architectures(30, 2);
    AnalysisOptions options = quick_options();
    options.split = SplitBy::spectra;
    const RepeatResult result = analyze_repeat(input, options, 1);
    const auto bytes = bytes_of(result);
    ArchiveReader reader(bytes);
    RepeatResult loaded;
    loaded.load(reader);
    EXPECT_EQ(loaded.control_positive, result.control_positive);
    EXPECT_EQ(loaded.spectrum_split, result.spectrum_split);
    EXPECT_FALSE(loaded.control_positive.empty());
    EXPECT_EQ(bytes_of(loaded), bytes);
}

TEST(Losses, AtEpochsAreJudgedOnlyWhereMeasured) {
    AnalysisInput input = synthetic_study(20, 2, Rule::band);
    for (std::size_t v = 0; v < 20; ++v) input.loss[2 * v] = std::nan("");
    input.loss[2 * 3 + 1] = std::nan("");  // diverged
    const AnalysisOptions options = quick_options();
    const RepeatResult result = analyze_repeat(input, options, 0);
    const auto list = classifiers(options);
    const auto c = static_cast<std::size_t>(std::find_if(list.begin(), list.end(), [](const Classifier& one) { return one.name == "epoch-loss"; }) - list.begin());
    for (std::size_t v = 0; v < 20; ++v) {
        EXPECT_EQ(result.positive[(c * 20 + v) * 2], -1);
        EXPECT_NE(result.positive[(c * 20 + v) * 2 + 1], -1);
    }
    EXPECT_EQ(result.positive[(c * 20 + 3) * 2 + 1], 0);
    input.loss.pop_back();
    EXPECT_THROW(check_input(input, options), DataError);
}

TEST(LogBase, BitsAreNatsOverLnTwo) {
    AnalysisInput input = synthetic_study(20, 1, Rule::band);
    AnalysisOptions options = quick_options();
    options.log = LogBase::two;
    const RepeatResult bits = analyze_repeat(input, options, 0);
    for (double& exponent : input.exponents) exponent *= std::numbers::log2e;
    options.log = LogBase::e;
    EXPECT_EQ(bytes_of(analyze_repeat(input, options, 0)), bytes_of(bits));
}

}  // namespace
}  // namespace aelle::embed
